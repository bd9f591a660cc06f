"""Attention and losses as functions, in PyTorch."""

from types import SimpleNamespace

import pytest
import torch

from tx_core.models.attention_torch import allowed_to_bias, attend, attention_bias, first_token
from tx_core.models.layers_torch import summarize
from tx_core.models.losses_torch import sequence_loss, token_loss

MASK = torch.tensor([[1, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]])


def normal(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("is_causal", [False, True])
def test_fused_attention_has_the_gradients_of_the_explicit_one(is_causal):
    """Also of queries that may attend to nothing: padded ones of a left-padded row, and all of an empty row."""
    bias = attention_bias(MASK, is_causal, 5, 5, torch.float64, MASK.device)
    found = []
    for need_weights in (False, True):
        query, key, value = (normal(3, 2, 5, 4, seed=seed).requires_grad_() for seed in range(3))
        context, _ = attend(query, key, value, bias, need_weights=need_weights)
        (context * normal(3, 2, 5, 4, seed=3)).sum().backward()
        found.append((context, query.grad, key.grad, value.grad))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_row_without_anything_to_attend_to(dtype, need_weights):
    """It is finite, even where the scores are so low that another negative number makes them infinite."""
    query, value = torch.full((1, 1, 2, 4), 5, dtype=dtype), normal(1, 1, 2, 4, dtype=dtype)
    bias = allowed_to_bias(torch.zeros(1, 1, 1, 2, dtype=torch.bool), dtype)
    context, _ = attend(query, -query, value, bias, need_weights=need_weights)
    assert context.isfinite().all()
    torch.testing.assert_close(context, attend(query, -query, value)[0])


def test_one_mask_for_all_rows():
    states, mask = normal(3, 5, 2), MASK[1:2]
    assert torch.equal(first_token(states, mask), states[:, 2])
    for kind, wanted in (("first", states[:, 2]), ("last", states[:, 4]), ("mean", states[:, 2:].mean(1))):
        torch.testing.assert_close(summarize(states, kind, None, mask), wanted)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_integers_of_any_size(dtype):
    logits, labels = normal(2, 3), torch.tensor([2, 0])
    assert token_loss(logits, labels.to(dtype)) == token_loss(logits, labels)
    assert torch.equal(summarize(normal(2, 3, 4), "cls_index", labels.to(dtype), None), normal(2, 3, 4)[[0, 1], [2, 0]])


def test_numbers_are_no_classes():
    with pytest.raises(ValueError, match=r"labels must be integers, the indices of classes, not torch\.float32"):
        token_loss(normal(2, 3), torch.tensor([0.5, 1.0]))


def test_losses_are_computed_in_the_precision_of_the_logits():
    logits, labels = normal(2, 3), torch.tensor([2, 0])
    for kind in (None, "multi_label_classification", "regression"):
        config = SimpleNamespace(num_labels=3, problem_type=kind)
        targets = labels if kind is None else torch.ones(2, 3, dtype=torch.long)
        for dtype in (torch.float16, torch.float32, torch.float64):
            loss = sequence_loss(logits.to(dtype), targets, config)
            assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    wanted = -logits.log_softmax(-1)[torch.arange(2), labels].mean()
    torch.testing.assert_close(token_loss(logits, labels), wanted, rtol=1e-14, atol=0)
