"""prune_layer keeps some outputs or inputs of a linear layer."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tx_core import prune_layer


@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_inputs(bias: bool) -> None:
    layer = nn.Linear(4, 3, bias=bias)
    x = torch.randn(2, 4)
    index = torch.tensor([2, 0])
    for dim in (None, 0):
        torch.testing.assert_close(prune_layer(layer, index, dim)(x), layer(x)[:, index])
    pruned = prune_layer(layer, index, 1)
    zeroed = torch.zeros_like(x)
    zeroed[:, index] = x[:, index]
    torch.testing.assert_close(pruned(x[:, index]), layer(zeroed))
    assert (pruned.in_features, pruned.out_features) == (2, 3)
    assert layer.weight.shape == (3, 4)
    assert pruned.weight.requires_grad


def test_other_layers_and_dimensions_are_refused() -> None:
    index = torch.tensor([0])
    with pytest.raises(TypeError, match=r"takes an nn\.Linear or a Conv1D, not Embedding"):
        prune_layer(nn.Embedding(3, 2), index)
    with pytest.raises(ValueError, match="dim is 2, expected 0"):
        prune_layer(nn.Linear(2, 2), index, 2)
