"""One step from several batches: the gradient is that of one batch; clipping, mixed precision, what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tx_bert import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from tx_gpt2 import GPT2Config, GPT2DoubleHeadsModel, GPT2LMHeadModel
from tx_training import AdamW, TrainingStep, get_linear_schedule_with_warmup
from tx_training.steps_torch import first_output, targets
from tx_transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel
from tx_xlnet import XLNetConfig, XLNetLMHeadModel

BERT = BertConfig(
    vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip
REGRESSION = BertConfig.from_dict({**BERT.to_dict(), "num_labels": 1})
GPT2 = GPT2Config(
    vocab_size=20, n_embd=8, n_layer=1, n_head=2, n_positions=16, resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0,
    summary_first_dropout=0.0,
)  # fmt: skip
TRANSFO_XL = TransfoXLConfig(
    vocab_size=20, cutoffs=[10], d_model=8, d_embed=8, n_head=2, d_head=4, d_inner=8, n_layer=1, mem_len=0, dropout=0.0
)
XLNET = XLNetConfig(vocab_size=20, d_model=8, n_layer=1, n_head=2, d_inner=8, dropout=0.0)


def ids(*shape: int) -> Tensor:
    return torch.randint(1, 20, shape, generator=torch.Generator().manual_seed(2))


def tokens(*shape: int, ignored: int = -100) -> Tensor:
    """Labels of which each row counts more than the one before it."""
    labels = ids(*shape).clone()
    for row in range(shape[0]):
        labels[row, ..., row + 1 :] = ignored
    return labels


CASES: dict[str, tuple[type[nn.Module], Any, dict[str, Tensor]]] = {
    "classes": (BertForSequenceClassification, BERT, {"labels": torch.tensor([0, 1, -100, 1])}),
    "numbers": (BertForSequenceClassification, REGRESSION, {"labels": torch.tensor([0.5, 1.0, 2.0, -1.0])}),
    "tokens": (BertForTokenClassification, BERT, {"labels": tokens(4, 6).clamp(max=1)}),
    "masked": (BertForMaskedLM, BERT, {"masked_lm_labels": tokens(4, 6, ignored=-1)}),
    "decoder": (BertForMaskedLM, BERT, {"lm_labels": tokens(4, 6)}),
    "answers": (
        BertForQuestionAnswering,
        BERT,
        {"start_positions": torch.tensor([0, 2, 9, 1]), "end_positions": torch.tensor([1, 2, 9, 4])},
    ),
    "next": (GPT2LMHeadModel, GPT2, {"labels": tokens(4, 6)}),
    "double": (GPT2DoubleHeadsModel, GPT2, {"lm_labels": tokens(4, 2, 6)}),
    "transfo-xl": (TransfoXLLMHeadModel, TRANSFO_XL, {"labels": tokens(4, 6)}),
    "xlnet": (XLNetLMHeadModel, XLNET, {"labels": tokens(4, 6)}),
}


def case(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    cls, config, labels = CASES[name]
    torch.manual_seed(0)
    shape = labels["lm_labels"].shape if name == "double" else (4, 6)
    return cls(copy.deepcopy(config)).train(), {"input_ids": ids(*shape), **labels}


def split(batch: dict[str, Tensor], *sizes: int) -> list[dict[str, Tensor]]:
    parts = {name: torch.split(value, sizes) for name, value in batch.items()}
    return [{name: parts[name][number] for name in batch} for number in range(len(sizes))]


@pytest.mark.parametrize("name", CASES)
def test_several_batches_are_one(name: str) -> None:
    model, batch = case(name)
    changed = {}
    for sizes in ((4,), (1, 1, 1, 1), (1, 3)):
        copied = copy.deepcopy(model)
        loss = TrainingStep(copied, torch.optim.SGD(copied.parameters(), lr=1.0), max_grad_norm=None)(
            split(batch, *sizes)
        )
        changed[sizes] = (loss, *copied.parameters())
    whole = changed.pop((4,))
    assert any(not torch.equal(*each) for each in zip(whole[1:], model.parameters(), strict=True))
    for found in changed.values():
        torch.testing.assert_close(found, whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "count"),
    [("classes", 3), ("numbers", 4), ("tokens", 1 + 2 + 3 + 4), ("masked", 10), ("decoder", 6), ("answers", 3),
     ("next", 6), ("double", 2 * 6), ("transfo-xl", 10), ("xlnet", 10)],
)  # fmt: skip
def test_targets_are_what_the_loss_is_the_mean_of(name: str, count: int) -> None:
    assert targets(*case(name)) == count


def test_a_step_is_what_one_writes_by_hand() -> None:
    model, batch = case("next")
    by_hand = copy.deepcopy(model)
    optimizers = [AdamW(each.parameters(), lr=0.1) for each in (model, by_hand)]
    schedules = [get_linear_schedule_with_warmup(each, 0, 10) for each in optimizers]
    step = TrainingStep(model, optimizers[0], schedules[0], max_grad_norm=0.5)
    for _ in range(3):
        found = step([batch])
        loss = by_hand(**batch)[0]
        loss.backward()
        norm = nn.utils.clip_grad_norm_(by_hand.parameters(), 0.5)
        optimizers[1].step()
        schedules[1].step()
        optimizers[1].zero_grad()
        torch.testing.assert_close(found, loss.detach())
        assert norm > 0.5
        torch.testing.assert_close(step.grad_norm, norm)
    torch.testing.assert_close([*model.parameters()], [*by_hand.parameters()])
    assert schedules[0].get_last_lr() == pytest.approx([0.07])


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_keeps_parameters_and_learns(precision: Any) -> None:
    model, batch = case("classes")
    step = TrainingStep(model, AdamW(model.parameters(), lr=0.01), precision=precision)
    seen = []
    model.get_submodule("bert.encoder.layer.0.intermediate.dense").register_forward_hook(
        lambda module, args, output: seen.append(output.dtype)
    )
    losses = [float(step([batch])) for _ in range(15)]
    assert losses[-1] < 0.5 * losses[0]
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert {*seen} == {getattr(torch, precision)}


def test_a_step_of_infinite_gradients_is_left_out_and_the_rate_stays() -> None:
    model, batch = case("classes")
    optimizer = AdamW(model.parameters(), lr=0.01)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, 10)
    overflows = [True, False]

    def loss(model: nn.Module, batch: Any) -> Tensor:
        return first_output(model, batch) * (float("inf") if overflows.pop(0) else 1.0)

    step = TrainingStep(model, optimizer, schedule, precision="float16", loss=loss)
    before = [each.clone() for each in model.parameters()]
    step([batch])
    torch.testing.assert_close([*model.parameters()], before, rtol=0, atol=0)
    assert schedule.last_epoch == 0
    step([batch])
    assert schedule.last_epoch == 1
    assert not torch.equal(next(model.parameters()), before[0])


def test_batches_without_any_target_change_nothing() -> None:
    model, batch = case("next")
    batch["labels"] = torch.full_like(batch["labels"], -100)
    before = [each.clone() for each in model.parameters()]
    assert TrainingStep(model, AdamW(model.parameters(), lr=0.1))([batch]) == 0
    torch.testing.assert_close([*model.parameters()], before, rtol=0, atol=0)


def test_what_is_no_step_is_refused() -> None:
    model, batch = case("next")
    optimizer = AdamW(model.parameters())
    step = TrainingStep(model, optimizer)
    with pytest.raises(ValueError, match="at least one batch"):
        step([])
    with pytest.raises(TypeError, match="a batch must be a dictionary of the model's inputs, not tuple"):
        step([(batch["input_ids"],)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="returned logits and no loss for input_ids: give it labels"):
        step([{"input_ids": batch["input_ids"]}])
    with pytest.raises(ValueError, match="precision must be one of float32, float16, bfloat16, not 'half'"):
        TrainingStep(model, optimizer, precision="half")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_grad_norm must be above 0, or None, not 0"):
        TrainingStep(model, optimizer, max_grad_norm=0)


def test_losses_without_as_many_counts_are_refused() -> None:
    model, batch = case("next")
    step = TrainingStep(model, AdamW(model.parameters()), count=lambda model, batch: [6, 6])
    with pytest.raises(ValueError, match=r"losses \(\) of a batch, and counts \(2,\)"):
        step([batch])
