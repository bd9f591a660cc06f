"""Answers by a beam: what they are, and that both frameworks find the same."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models import squad_head_tf, squad_head_torch
from tx_core.models.variables_tf import named_parameters

CONFIG = SimpleNamespace(hidden_size=6, layer_norm_eps=1e-12, start_n_top=3, end_n_top=2)
RNG = np.random.default_rng(0)
STATES = RNG.standard_normal((4, 9, 6)).astype(np.float32)
MASK = (np.arange(9) < np.array([[9], [6], [4], [2]])).astype(np.int64)
LABELS: dict[str, Any] = {
    "start_positions": np.array([2, 0, 3, 1]),
    "end_positions": np.array([8, 5, 3, 1]),
    "is_impossible": np.array([0.0, 1.0, 1.0, 0.0], np.float32),
    "cls_index": np.array([0, 5, 2, 1]),
}


def heads(dtype: str = "float32") -> tuple[torch.nn.Module, Any]:
    """The same head in both frameworks; the same in every call."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    one, two = squad_head_torch.SQuADHead(CONFIG).eval(), squad_head_tf.SQuADHead(CONFIG, 0.02)
    two.build()
    keras.config.set_dtype_policy(before)
    values = {parameter.name: parameter for parameter in named_parameters(two)}
    assert values.keys() == one.state_dict().keys()
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for name, parameter in one.named_parameters():
            parameter.copy_(torch.from_numpy(rng.standard_normal(parameter.shape) * 0.7))
            values[name].assign(parameter.numpy())
    return one.to(getattr(torch, dtype)), two


def given(tensor: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Every argument of a call, as tensors."""
    return {name: None if value is None else tensor(value) for name, value in values.items()}


def found(values: dict[str, Any], dtype: str = "float32", jit: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """The beams of both."""
    one, two = heads(dtype)
    values = {"hidden_states": STATES.astype(dtype), "cls_index": None, "p_mask": None} | values
    with torch.no_grad():
        first = squad_head_torch.answer_beam(one, CONFIG, **given(torch.from_numpy, values))
    tensors = given(tf.constant, values)
    run = tf.function(lambda: squad_head_tf.answer_beam(two, CONFIG, **tensors), jit_compile=jit, autograph=False)
    return (
        {name: value.numpy() for name, value in first.items()},
        {name: np.asarray(value) for name, value in run().items()},
    )


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"p_mask": 1 - MASK},
    "left-padded": {"p_mask": 1 - MASK[:, ::-1]},
    "p_mask": {"p_mask": 1 - MASK.astype(np.float32), "cls_index": LABELS["cls_index"][:, None]},
    "booleans": {"p_mask": MASK[::-1] == 0},
    "nothing": {"p_mask": np.ones_like(MASK)},
    "one token": {"hidden_states": STATES[:, :1]},
    "no row": {"hidden_states": STATES[:0]},
}


@pytest.mark.parametrize(
    ("case", "jit"), [*((case, False) for case in CASES), ("left-padded", True), ("p_mask", True), ("one token", True)]
)
def test_same_beams(case: str, jit: bool) -> None:
    one, two = found(CASES[case], jit=jit)
    rows = len(CASES[case].get("hidden_states", STATES))
    assert list(one) == list(two)
    for name, value in one.items():
        assert value.shape == (rows, *{"s": (3,), "e": (6,), "c": ()}[name[0]]), name
        np.testing.assert_allclose(two[name], value, rtol=0, atol=2e-6, err_msg=name)


def test_beams_hold_what_is_likeliest() -> None:
    """By a loop over every start and end."""
    head, _ = heads()
    states = torch.from_numpy(STATES)
    with torch.no_grad():
        beam = squad_head_torch.answer_beam(
            head, CONFIG, states, torch.from_numpy(MASK.sum(-1) - 1), torch.from_numpy(1 - MASK)
        )
        for row, length in enumerate(MASK.sum(-1)):
            text = states[row : row + 1, :length]
            starts = head.start_logits(text)[0].softmax(-1)
            best = starts.argsort(descending=True)[:3].tolist()
            assert beam["start_top_index"][row].tolist() == best + [best[0]] * (3 - len(best))
            wanted = [*starts[best].tolist(), 0.0, 0.0, 0.0][:3]
            np.testing.assert_allclose(beam["start_top_log_probs"][row], wanted, rtol=1e-5)
            for i, start in enumerate(best):
                ends = head.end_logits(text, text[:, start])[0].softmax(-1)
                last = ends.argsort(descending=True)[:2].tolist()
                assert beam["end_top_index"][row, i::3].tolist() == last
                np.testing.assert_allclose(beam["end_top_log_probs"][row, i::3], ends[last], rtol=1e-5)
            score = head.answer_class(starts @ text[0], text[0, -1])
            np.testing.assert_allclose(beam["cls_logits"][row], score, rtol=1e-4, atol=1e-6)


def test_the_first_of_equals_is_the_better() -> None:
    same = np.repeat(STATES[:, :1], 9, axis=1)
    for beam in found({"hidden_states": same, "p_mask": (np.arange(9) < 2).astype(np.int64)[None].repeat(4, 0)}):
        assert beam["start_top_index"].tolist() == [[2, 3, 4]] * 4
        assert beam["end_top_index"].tolist() == [[2, 2, 2, 3, 3, 3]] * 4


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions(dtype: str) -> None:
    beams = found({"p_mask": 1 - MASK}, dtype)
    for beam in beams:
        for name in ("start_top_log_probs", "end_top_log_probs", "cls_logits"):
            assert beam[name].dtype == dtype
            assert np.isfinite(beam[name]).all()
    tolerance = 1e-12 if dtype == "float64" else 5e-3
    for name in ("start_top_log_probs", "cls_logits"):
        np.testing.assert_allclose(beams[0][name], beams[1][name], rtol=0, atol=tolerance)


def losses(changes: dict[str, Any]) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    """The losses of both, and their gradients by names."""
    one, two = heads()
    values = {"hidden_states": STATES, "p_mask": 1 - MASK, **LABELS, **changes}
    first = squad_head_torch.answer_loss(one, **given(torch.from_numpy, values))
    first.backward()
    parameters = {parameter.name: parameter for parameter in named_parameters(two)}
    with tf.GradientTape() as tape:
        second = squad_head_tf.answer_loss(two, **given(tf.constant, values))
    gradients = tape.gradient(second, [each.variable.value for each in parameters.values()])
    return (
        first.item(),
        float(second),
        {name: p.grad for name, p in one.named_parameters()},
        {
            name: None if g is None else (g.numpy().T if each.transposed else g.numpy())
            for (name, each), g in zip(parameters.items(), gradients, strict=True)
        },
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"p_mask": None},
        {"is_impossible": None, "cls_index": None},
        {name: label[:, None] for name, label in LABELS.items()},
        {"is_impossible": LABELS["is_impossible"].astype(np.int64)},
        {"is_impossible": LABELS["is_impossible"] > 0},
        {"start_positions": np.array([2, 9, -1, 1]), "end_positions": np.array([9, 0, 3, 40])},
        {"start_positions": np.array([9, 9, 9, 9])},
    ],
)
def test_same_losses_and_gradients(changes: dict[str, Any]) -> None:
    one, two, first, second = losses(changes)
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-7)
    for name, gradient in first.items():
        if gradient is None:
            assert second[name] is None
        else:
            np.testing.assert_allclose(second[name], gradient, rtol=0, atol=2e-6, err_msg=name)


def test_rows_whose_start_is_beyond_the_sequence_are_ignored() -> None:
    late = losses({"start_positions": np.array([2, 0, 9, 9])})
    kept = {name: label[:2] for name, label in LABELS.items()}
    alone = losses({"hidden_states": STATES[:2], "p_mask": 1 - MASK[:2], **kept})
    np.testing.assert_allclose(late[:2], alone[:2], rtol=1e-6)


@pytest.mark.parametrize("ignored", ["start_positions", "end_positions"])
def test_an_answer_that_is_excluded_costs_much(ignored: str) -> None:
    one, two, *_ = losses({ignored: np.array([0, 0, 8, 0])})
    assert one == pytest.approx(1e30 / 8, rel=1e-5)
    assert two == pytest.approx(one)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"start_positions": np.array([1, 2])}, r"start_positions must have shape \(4,\).* not \(2,\)"),
        ({"end_positions": np.array([[1, 2]] * 4)}, r"end_positions must have shape \(4,\).* not \(4, 2\)"),
        ({"is_impossible": np.array([1, 0])}, r"is_impossible must have shape \(4,\).* not \(2,\)"),
        ({"is_impossible": np.array([1, 0, 2, 0])}, "is_impossible holds 2, but there are only the classes 0 to 1"),
        ({"cls_index": np.array([1, 0, 2])}, r"cls_index must have shape \(4,\).* not \(3,\)"),
        ({"cls_index": np.array([1, 0, 9, 0])}, "cls_index holds 9, but the sequence has only the positions 0 to 8"),
        ({"cls_index": np.array([1, 0, -1, 0])}, "cls_index holds -1, but the sequence"),
        ({"p_mask": MASK[:, 1:]}, r"p_mask must have shape \(4, 9\).* not \(4, 8\)"),
    ],
)
def test_wrong_labels_are_refused_in_the_same_words(changes: dict[str, Any], match: str) -> None:
    one, two = heads()
    values = {"hidden_states": STATES, "p_mask": 1 - MASK, **LABELS, **changes}
    with pytest.raises(ValueError, match=match):
        squad_head_torch.answer_loss(one, **given(torch.from_numpy, values))
    with pytest.raises(ValueError, match=match):
        squad_head_tf.answer_loss(two, **given(tf.constant, values))
