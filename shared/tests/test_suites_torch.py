"""What the suites differentiate, in PyTorch."""

from collections import namedtuple

import torch

from tx_testing.suites.models_torch import TorchBackend


def test_a_loss_for_every_token_is_averaged() -> None:
    output = namedtuple("Output", "loss logits")(torch.tensor([[1.0, 3.0]]), torch.ones(2))
    assert TorchBackend().loss(output) == 2


def test_without_labels_scores_count_and_places_do_not() -> None:
    output = namedtuple("Output", "scores places past")(torch.tensor([1.0, 3.0]), torch.tensor([7]), (torch.ones(2),))
    assert TorchBackend().loss(output) == 5
