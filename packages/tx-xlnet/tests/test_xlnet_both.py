"""What only XLNet has, in both frameworks: the same numbers, and what Keras does with memories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_xlnet.config import XLNetConfig
from tx_xlnet.model_tf import TFXLNetLMHeadModel, TFXLNetModel
from tx_xlnet.model_torch import XLNetLMHeadModel, XLNetModel

SIZES: dict[str, Any] = {"vocab_size": 99, "d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 48, "mem_len": 9}
FLAGS = {"output_hidden_states": True, "output_attentions": True}


def pair(folder: Path, lm: bool = False, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = (XLNetLMHeadModel if lm else XLNetModel)(XLNetConfig(**{**SIZES, "initializer_range": 0.3, **changes}))
    model.save_pretrained(folder)
    return model.eval(), (TFXLNetLMHeadModel if lm else TFXLNetModel).from_pretrained(folder)


def inputs(*names: str, rows: int = 2, length: int = 5, memory: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(length)
    filled = np.ones((memory, rows, 1), np.float32)
    filled[:2, 0] = 0
    every = {
        "input_ids": rng.integers(5, 99, (rows, length)).astype(np.int32),
        "attention_mask": (np.arange(length) >= np.arange(rows)[:, None]).astype(np.int32),
        "mems": [filled * rng.normal(size=(memory, rows, 32)).astype(np.float32) for _ in range(3)],
        "perm_mask": (rng.random((rows, length, length)) > 0.5).astype(np.float32),
        "target_mapping": np.eye(length, dtype=np.float32)[rng.integers(0, length, (rows, 3))],
        "token_type_ids": rng.integers(-2, 3, (rows, length)).astype(np.int32),
    }
    return {name: every[name] for name in ("input_ids", *names)}


def flat(outputs: Any) -> list[Any]:
    return [np.asarray(each) for each in keras.tree.flatten(tuple(outputs))]


def same(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    found, wanted = flat(found), flat(wanted)
    assert len(found) == len(wanted)
    for one, two in zip(found, wanted, strict=True):
        assert one.shape == two.shape
        assert np.abs(one - two).max(initial=0) <= tolerance * np.abs(two).max(initial=0)


def in_torch(model: Any, given: Any, **flags: Any) -> Any:
    def tensors(x: Any) -> Any:
        return [tensors(each) for each in x] if isinstance(x, list) else torch.from_numpy(x)

    with torch.no_grad():
        return model(**{name: tensors(x) for name, x in given.items()}, **flags)


EVERYTHING = ("attention_mask", "mems", "perm_mask", "target_mapping", "token_type_ids")


@pytest.mark.parametrize("changes", [
    {}, {"attn_type": "uni"}, {"attn_type": "uni", "same_length": True}, {"clamp_len": 2, "reuse_len": 2},
    {"bi_data": True, "clamp_len": 4}, {"untie_r": False, "d_head": 6}, {"mem_len": None},
], ids=str)  # fmt: skip
def test_same_outputs(changes: dict[str, Any], tmp_path: Path) -> None:
    one, two = pair(tmp_path, **changes)
    for names in ((), ("mems",), ("perm_mask", "token_type_ids"), ("attention_mask", "target_mapping"), EVERYTHING):
        given = inputs(*names)
        wanted = in_torch(one, given, skip_padding=False, **FLAGS)
        found = two(given, **FLAGS)
        assert found._fields == wanted._fields
        same(found, wanted)


def test_same_losses(tmp_path: Path) -> None:
    one, two = pair(tmp_path, lm=True)
    given = {**inputs(*EVERYTHING), "labels": np.array([[5, -100, 7], [-1, 8, 9]])}
    same(two(given), in_torch(one, given))


def test_graphs_with_memory_and_targets(tmp_path: Path) -> None:
    """One trace serves every size; XLA gives the same."""
    model = pair(tmp_path)[1]
    described = {
        name: [tf.TensorSpec((None, None, 32))] * 3 if name == "mems" else tf.TensorSpec([None] * x.ndim, x.dtype)
        for name, x in inputs(*EVERYTHING).items()
    }
    traced = tf.function(lambda given: model(given), input_signature=[described])
    compiled = tf.function(lambda given: model(given), jit_compile=True)
    for sizes in ({}, {"rows": 3, "length": 6, "memory": 8}):
        given = tf.nest.map_structure(tf.constant, inputs(*EVERYTHING, **sizes))
        same(traced(given), model(given))
    same(compiled(given), model(given))


def test_functional_model_with_a_memory(tmp_path: Path) -> None:
    model = pair(tmp_path)[1]
    symbolic = {
        "input_ids": keras.Input((None,), dtype="int32"),
        "mems": [keras.Input(batch_shape=(None, None, 32)) for _ in range(3)],
    }
    outputs = model(symbolic)
    functional = keras.Model(symbolic, [outputs[0], *outputs.mems])
    given = inputs("mems")
    wanted = model(given)
    same(functional(given), [wanted[0], *wanted.mems])


def test_predict_joins_memories_by_rows(tmp_path: Path) -> None:
    """What it returns is the memory of the next call."""
    model = pair(tmp_path)[1]
    given = inputs("attention_mask", rows=5)
    found = model.predict(given, batch_size=2, verbose=0)
    assert [m.shape for m in found.mems] == [(5, 5, 32)] * 3
    wanted = model(given)
    same(found, wanted)
    following = inputs(rows=5, length=4)
    same(model({**following, "mems": found.mems}), model({**following, "mems": wanted.mems}))


def test_rows_are_reset_by_zeros_in_keras(tmp_path: Path) -> None:
    model = pair(tmp_path)[1]
    given, mems = inputs(rows=2, length=4), model(inputs(rows=2)).mems
    keep = tf.constant([0.0, 1.0])
    found = model({**given, "mems": [m * keep[None, :, None] for m in mems]})[0]
    same([found[:1]], [model(given["input_ids"][:1])[0]])
    same([found[1:]], [model({"input_ids": given["input_ids"][1:], "mems": [m[:, 1:] for m in mems]})[0]])


def test_memory_in_training(tmp_path: Path) -> None:
    model = pair(tmp_path)[1]
    words = inputs()["input_ids"]
    assert len(model(words, training=True)) == 2
    model.config.use_mems_train = False
    assert len(model(words, training=True)) == 1
    assert len(model(words)) == 2
    assert len(model(words, use_mems=False)) == 1


def test_mixed_precision_with_memory_and_targets(tmp_path: Path) -> None:
    pair(tmp_path)
    exact = TFXLNetModel.from_pretrained(tmp_path)
    mixed = TFXLNetModel.from_pretrained(tmp_path, dtype="mixed_bfloat16")
    given = inputs(*EVERYTHING)
    found, wanted = mixed(given)[0], exact(given)[0]
    assert found.dtype == tf.bfloat16
    assert np.abs(np.asarray(tf.cast(found, "float32")) - np.asarray(wanted)).mean() < 0.05


@pytest.mark.parametrize("wrong", [
    {"input_mask": np.zeros((2, 5), np.int32), "attention_mask": np.ones((2, 5), np.int32)},
    {"perm_mask": np.zeros((1, 5, 5), np.float32)},
    {"target_mapping": np.zeros((2, 3, 6), np.float32)},
    {"mems": [np.zeros((3, 1, 32), np.float32)] * 3},
], ids=lambda wrong: next(iter(wrong)))  # fmt: skip
def test_same_refusals(wrong: dict[str, Any], tmp_path: Path) -> None:
    messages = []
    for model, call in zip(pair(tmp_path), (in_torch, lambda model, given: model(given)), strict=True):
        with pytest.raises(ValueError) as caught:
            call(model, {**inputs(), **wrong})
        messages.append(str(caught.value))
    assert messages[0] in messages[1]


@pytest.mark.parametrize("lm", [False, True])
def test_files_of_pytorch_name_what_layers_share_in_each(lm: bool, tmp_path: Path) -> None:
    """As those of 2019 did; of the bare model too, whose names have no prefix."""
    prefix = "transformer." if lm else ""
    for number, model in enumerate(pair(tmp_path / "model", lm, untie_r=False)):
        model.save_pretrained(tmp_path / str(number), format="bin")
        state = torch.load(tmp_path / str(number) / "pytorch_model.bin", weights_only=True)
        for name in ("r_w_bias", "r_r_bias", "r_s_bias"):
            first, *others = (state[f"{prefix}layer.{i}.rel_attn.{name}"] for i in range(SIZES["n_layer"]))
            assert all(each.data_ptr() == first.data_ptr() for each in others)
