"""What only Transformer-XL has, in both frameworks: its memory, padding beside it, and losses of tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_transfo_xl import (
    TFTransfoXLLMHeadModel,
    TFTransfoXLModel,
    TransfoXLConfig,
    TransfoXLLMHeadModel,
    TransfoXLModel,
)

SIZES: dict[str, Any] = {"vocab_size": 60, "cutoffs": [20, 40], "d_model": 32, "d_embed": 16, "n_layer": 3, "n_head": 4}
SIZES |= {"d_head": 10, "d_inner": 48, "div_val": 2, "mem_len": 9, "clamp_len": 20, "same_length": False}
SIZES |= {"init_std": 0.3, "proj_init_std": 0.3}
CHANGES = ({}, {"same_length": True, "clamp_len": 4}, {"pre_lnorm": True, "untie_r": False}, {"mem_len": 3})
Call = Callable[..., Any]


def pair(folder: Path, lm: bool = False, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = (TransfoXLLMHeadModel if lm else TransfoXLModel)(TransfoXLConfig(**{**SIZES, **changes}))
    model.save_pretrained(folder)
    return model.eval(), (TFTransfoXLLMHeadModel if lm else TFTransfoXLModel).from_pretrained(folder)


def words(rows: int, length: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 60, (rows, length)).astype(np.int64)


def tensors(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [tensors(each) for each in x]
    return torch.from_numpy(np.array(x)) if isinstance(x, np.ndarray) else x


def in_torch(model: Any) -> Call:
    """The model for arrays."""

    def call(*args: Any, **given: Any) -> Any:
        with torch.no_grad():
            found = model(*tensors(args), **{name: tensors(x) for name, x in given.items()})
        return [[np.asarray(y) for y in x] if isinstance(x, list | tuple) else np.asarray(x) for x in found]

    return call


def in_tf(model: Any) -> Call:
    def call(*args: Any, **given: Any) -> Any:
        given.pop("skip_padding", None)
        found = model(*args, **given)
        return [[np.asarray(y) for y in x] if isinstance(x, list | tuple) else np.asarray(x) for x in found]

    return call


def each(folder: Path, **changes: Any) -> tuple[Call, Call]:
    one, two = pair(folder, **changes)
    return in_torch(one), in_tf(two)


def same(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    found, wanted = ([np.asarray(x) for x in keras.tree.flatten(y)] for y in (found, wanted))
    assert len(found) == len(wanted)
    for one, two in zip(found, wanted, strict=True):
        assert one.shape == two.shape
        assert np.abs(one - two).max(initial=0) <= tolerance * np.abs(two).max(initial=0)


def rows_of(mems: Any, rows: Any) -> Any:
    return [m[:, rows] for m in mems]


# --- memory


@pytest.mark.parametrize("lengths", [(4, 3, 5), (1, 1, 1, 9), (11, 1)], ids=str)
def test_segments_are_one_pass(lengths: tuple[int, ...], tmp_path: Path) -> None:
    """A memory of all that was read, of which a token sees as much as in one pass: with ``same_length`` its window."""
    for i, changes in enumerate(
        ({"mem_len": 12, "same_length": True}, {"mem_len": 12, "same_length": True, "clamp_len": 3})
    ):
        for call in each(tmp_path / str(i), **changes):
            text = words(2, 12)
            wanted, remembered = call(text)
            mems, start, found = None, 0, []
            for length in lengths:
                states, mems = call(text[:, start : start + length], mems=mems)
                found.append(states)
                start += length
            same(np.concatenate(found, 1), wanted)
            same(mems, remembered)


def test_segments_without_a_window(tmp_path: Path) -> None:
    """From an empty memory, to one that never drops anything."""
    nothing = [np.zeros((0, 2, 32), np.float32)] * 3
    for call in each(tmp_path, mem_len=12):
        text = words(2, 12)
        wanted, _ = call(text, mems=nothing)
        first, mems = call(text[:, :5], mems=nothing)
        assert mems[0].shape == (5, 2, 32)
        second, mems = call(text[:, 5:], mems=mems)
        assert mems[0].shape == (12, 2, 32)
        same(np.concatenate((first, second), 1), wanted)


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_rows_are_reset_by_zeros(changes: dict[str, Any], tmp_path: Path) -> None:
    for call in each(tmp_path, **changes):
        _, mems = call(words(3, 6, 1))
        keep = np.array([1, 0, 1], np.float32)
        text = words(3, 5)
        found, after = call(text, mems=[m * keep[None, :, None] for m in mems])
        fresh, fresh_after = call(text[1:2])
        same(found[1:2], fresh)
        same(rows_of(after, [1]), fresh_after)
        same(found[[0, 2]], call(text[[0, 2]], mems=rows_of(mems, [0, 2]))[0])
        assert np.abs(call(text, mems=mems)[0][1] - found[1]).max() > 1e-2


def test_no_memory(tmp_path: Path) -> None:
    one, two = pair(tmp_path, lm=True, mem_len=0)
    for model, call in ((one, in_torch(one)), (two, in_tf(two))):
        assert len(call(words(2, 5))) == 1
        scores = call(words(2, 5))
        model.same_length = True  # without effect
        same(call(words(2, 5)), scores)
        losses, *rest = call(words(2, 5), labels=words(2, 5, 1))
        assert losses.shape == (2, 5)
        assert rest == ([None] if model is one else [])  # PyTorch leaves the place of the scores
    assert one.init_mems(2) is None
    assert two.init_mems(2) is None
    with pytest.raises(ValueError, match="mem_len is 0"):
        one.generate(torch.tensor([[1, 2]]))
    with pytest.raises(ValueError, match="mem_len is 0"):
        two.generate(tf.constant([[1, 2]]))


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_left_padded_rows_are_rows_alone(changes: dict[str, Any], skip: bool, tmp_path: Path) -> None:
    """In their states, in their memories, and in the next segment, which may be padded too."""
    lengths, others = (6, 2, 4), (1, 5, 3)
    for call in each(tmp_path, **changes):
        text, more = words(3, 6), words(3, 5, 1)
        masks = [(np.arange(k) >= k - np.array(n)[:, None]).astype(np.int64) for k, n in ((6, lengths), (5, others))]
        states, mems = call(text, attention_mask=masks[0], skip_padding=skip)
        after, last = call(more, mems=mems, attention_mask=masks[1], skip_padding=skip)
        for row, (length, other) in enumerate(zip(lengths, others, strict=True)):
            alone, own = call(text[row : row + 1, 6 - length :])
            same(states[row : row + 1, 6 - length :], alone)
            same(rows_of(mems, [row]), own)
            following, final = call(more[row : row + 1, 5 - other :], mems=own)
            same(after[row : row + 1, 5 - other :], following)
            same(rows_of(last, [row]), final)


@pytest.mark.parametrize("skip", [False, True])
def test_right_padded_rows_are_rows_alone(skip: bool, tmp_path: Path) -> None:
    for call in each(tmp_path):
        text, mask = words(2, 6), np.array([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
        states, mems = call(text, attention_mask=mask, skip_padding=skip)
        alone, own = call(text[:1, :4])
        same(states[:1, :4], alone)
        same(rows_of(mems, [0]), own)


def test_padding_between_tokens_is_not_read_nor_remembered(tmp_path: Path) -> None:
    for call in each(tmp_path):
        text, mask = words(2, 6), np.array([[0, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
        states, mems = call(text, attention_mask=mask)
        other = np.where(mask, text, 59 - text)
        again, same_mems = call(other, attention_mask=mask)
        same(again[mask > 0], states[mask > 0])
        same(same_mems, mems)
        # Three tokens were read, which are the last in the memory; before them are the zeros that it began with.
        assert not any(m[:6, 0].any() for m in mems)
        assert all(m[6:, 0].any(-1).all() for m in mems)


def test_same_outputs_with_memory_and_padding(tmp_path: Path) -> None:
    for i, changes in enumerate(CHANGES):
        one, two = each(tmp_path / str(i), **changes)
        mems = [np.random.default_rng(n).normal(size=(4, 2, 32)).astype(np.float32) for n in range(3)]
        given = {"mems": mems, "attention_mask": np.array([[0, 0, 1, 1, 0], [1, 1, 1, 1, 1]])}
        flags = {"output_hidden_states": True, "output_attentions": True}
        same(two(words(2, 5), **given, **flags), one(words(2, 5), **given, skip_padding=False, **flags))


@pytest.mark.parametrize("wrong", [
    [np.zeros((3, 1, 32), np.float32)] * 3, [np.zeros((3, 2, 32), np.float32)] * 2,
    [np.zeros((3, 2, 31), np.float32)] * 3, [np.zeros((n, 2, 32), np.float32) for n in (3, 4, 3)],
], ids=["rows", "layers", "width", "lengths"])  # fmt: skip
def test_memories_that_do_not_fit(wrong: Any, tmp_path: Path) -> None:
    for call in each(tmp_path):
        with pytest.raises(ValueError, match="mems"):
            call(words(2, 5), mems=wrong)


# --- graphs


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_trace_and_compile_with_memory_and_padding(tmp_path: Path) -> None:
    model, _ = pair(tmp_path)
    model.config.torchscript = True

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, ids: Any, mask: Any, *mems: Any) -> Any:
            return self.model(ids, list(mems), attention_mask=mask, skip_padding=False)

    def given(rows: int, length: int) -> list[Any]:
        mask = (torch.arange(length) >= torch.arange(rows)[:, None]).long()
        return [*tensors([words(rows, length)]), mask, *model(*tensors([words(rows, 4, 1)]))[1]]

    traced = torch.jit.trace(Positional(), tuple(given(2, 5)), check_trace=False)  # type: ignore[no-untyped-call]
    torch._dynamo.reset()
    compiled = torch.compile(Positional(), fullgraph=True, dynamic=True, backend="eager")
    for sizes in ((2, 5), (3, 6)):
        args = given(*sizes)
        wanted = Positional()(*args)
        same(traced(*args), wanted)
        same(compiled(*args), wanted)
    torch._dynamo.reset()


def test_keras_graphs_and_predict_with_memory(tmp_path: Path) -> None:
    _, model = pair(tmp_path)
    described = {
        "input_ids": tf.TensorSpec((None, None), tf.int64),
        "attention_mask": tf.TensorSpec((None, None), tf.int64),
        "mems": [tf.TensorSpec((None, None, 32))] * 3,
    }
    traced = tf.function(lambda given: model(given), input_signature=[described])
    compiled = tf.function(lambda given: model(given), jit_compile=True)
    for rows, length in ((2, 5), (3, 6)):
        given = {
            "input_ids": words(rows, length),
            "attention_mask": (np.arange(length) >= np.arange(rows)[:, None]).astype(np.int64),
            "mems": [np.asarray(m) for m in model(words(rows, 4, 1)).mems],
        }
        wanted = model(given)
        same(traced(tf.nest.map_structure(tf.constant, given)), wanted)
    same(compiled(tf.nest.map_structure(tf.constant, given)), wanted)
    text = words(5, 4)
    found, wanted = model.predict(text, batch_size=2, verbose=0), model(text)
    assert found.mems[0].shape == (9, 5, 32)
    same(tuple(found), tuple(wanted))
    same(tuple(model(words(5, 3), mems=found.mems)), tuple(model(words(5, 3), mems=wanted.mems)))


# --- losses


def test_losses_of_tokens(tmp_path: Path) -> None:
    text, labels = words(2, 5), words(2, 5, 1)
    labels[0, 1], labels[1, 3] = -100, -1
    for call in each(tmp_path, lm=True):
        scores, mems = call(text)
        loss, *_, remembered = call(text, labels=labels, mems=None)
        same(remembered, mems)
        assert loss.shape == (2, 5)
        assert loss[0, 1] == loss[1, 3] == 0
        of_labels = -np.take_along_axis(scores, np.maximum(labels, 0)[:, :, None], -1)[:, :, 0]
        same(loss[labels >= 0], of_labels[labels >= 0])
        found, wanted = (call(text, mems=mems, **{name: labels}) for name in ("lm_labels", "labels"))
        same((found[0], found[-1]), (wanted[0], wanted[-1]))
        with pytest.raises(ValueError, match="labels"):
            call(text, lm_labels=labels, labels=labels)


def test_training_as_in_2019(tmp_path: Path) -> None:
    model = pair(tmp_path, lm=True)[0].train()
    data, target = tensors([words(2, 6), words(2, 6, 1)])
    mems, losses = None, []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    for _ in range(6):
        loss, _, mems = model(data, lm_labels=target, mems=mems)
        loss.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.mean().item())
        assert not any(m.requires_grad for m in mems)
    assert losses[-1] < losses[0]


# --- lengths


def test_lengths_take_effect(tmp_path: Path) -> None:
    one, two = pair(tmp_path, lm=True)
    for model, call in ((one, in_torch(one)), (two, in_tf(two))):
        text = words(2, 7)
        before, _ = call(text)
        model.clamp_len = 2
        clamped, _ = call(text)
        model.clamp_len = 20
        model.same_length = True
        window, _ = call(text)
        model.same_length = False
        assert min(np.abs(before - x).max() for x in (clamped, window)) > 1e-3
        same(call(text)[0], before)
        model.reset_length(5, 0, 4)
        assert (model.config.tgt_len, model.config.ext_len, model.mem_len) == (5, 0, 4)
        _, mems = call(text)
        assert mems[0].shape == (4, 2, 32)
        assert [tuple(m.shape) for m in model.init_mems(3)] == [(4, 3, 32)] * 3
        same(call(text, mems=[np.asarray(m) for m in model.init_mems(2)]), call(text))
        wanted = call(text[:, :5])[1]
        model.reset_length(5, 2, 4)
        same(call(text)[1], wanted)
        with pytest.raises(ValueError, match="ext_len"):
            model.generate(text if model is two else torch.from_numpy(text))
