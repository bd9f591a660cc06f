"""Attention, activations and losses as functions, in Keras."""

import math
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from tx_core.config import ACTIVATIONS as NAMES
from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import (
    LOWEST,
    allowed_by_mask,
    allowed_to_bias,
    attend,
    attention_bias,
    causal,
    first_token,
    layer_head_masks,
    left_padding,
    merge_heads,
    position_ids,
    split_heads,
)
from tx_core.models.layers_tf import summarize
from tx_core.models.losses_tf import causal_loss, sequence_loss, span_loss, token_loss

RNG = np.random.default_rng(0)
MASK = np.array([[1, 1, 1, 0], [0, 0, 1, 1], [0, 0, 0, 0]])


def normal(*shape: int) -> Any:
    return tf.constant(RNG.standard_normal(shape), tf.float32)


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# --- attention


def test_heads_are_split_and_merged() -> None:
    x = normal(2, 5, 12)
    split = split_heads(x, 3)
    assert split.shape == (2, 3, 5, 4)
    np.testing.assert_array_equal(split[1, 2, 3], x[1, 3, 8:12])
    np.testing.assert_array_equal(merge_heads(split), x)


@pytest.mark.parametrize("scale", [True, False])
def test_attend(scale: bool) -> None:
    query, key, value, bias = normal(2, 3, 4, 8), normal(2, 3, 5, 8), normal(2, 3, 5, 8), normal(2, 1, 1, 5)
    scores = np.einsum("bnqd,bnkd->bnqk", query, key) / (math.sqrt(8) if scale else 1) + bias.numpy()
    wanted = softmax(scores)
    context, weights = attend(query, key, value, bias, need_weights=True, scale=scale)
    np.testing.assert_allclose(weights, wanted, atol=1e-6)
    np.testing.assert_allclose(context, np.einsum("bnqk,bnkd->bnqd", wanted, value), atol=1e-5)
    context, weights = attend(query, key, value, bias, scale=scale)
    assert weights is None
    head_mask = tf.constant([1.0, 0.0, 0.5])[None, :, None, None]
    masked, weights = attend(query, key, value, bias, head_mask, need_weights=True, scale=scale)
    np.testing.assert_allclose(weights, wanted * head_mask.numpy(), atol=1e-6)
    np.testing.assert_allclose(masked, context * head_mask, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_single_key_has_all_attention() -> None:
    value = normal(2, 3, 1, 4)
    context, weights = attend(normal(2, 3, 5, 4), normal(2, 3, 1, 4), value, need_weights=True)
    assert weights.shape == (2, 3, 5, 1)
    np.testing.assert_array_equal(weights, 1)
    np.testing.assert_array_equal(context, np.repeat(value, 5, 2))


def test_attend_drops_probabilities() -> None:
    query = normal(1, 1, 2, 4)
    context, weights = attend(query, query, query, dropout=lambda x: x * 0, need_weights=True)
    assert not np.any(weights)
    assert not np.any(context)


@pytest.mark.parametrize("dtype", list(LOWEST))
def test_lowest_numbers(dtype: str) -> None:
    bias = allowed_to_bias(tf.constant([True, False]), dtype)
    assert keras.backend.standardize_dtype(bias.dtype) == dtype
    assert bias[0] == 0
    assert bias[1] == tf.as_dtype(dtype).min
    assert np.isfinite(float(bias[1]))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_a_row_without_anything_to_attend_to_is_finite(dtype: str) -> None:
    query = tf.cast(normal(1, 1, 2, 4) * 10, dtype)
    context, _ = attend(query, query, query, allowed_to_bias(tf.zeros((1, 1, 1, 2), tf.bool), dtype))
    assert np.isfinite(np.asarray(tf.cast(context, "float32"))).all()
    # Where every key is masked none is masked more than another.
    np.testing.assert_array_equal(tf.cast(context, "float32"), tf.cast(attend(query, query, query)[0], "float32"))


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32"])
def test_masks(dtype: str) -> None:
    mask = tf.cast(MASK, dtype)
    np.testing.assert_array_equal(allowed_by_mask(mask), MASK[:, None, None, :] > 0)
    np.testing.assert_array_equal(allowed_by_mask(mask[:, None, :]), MASK[:, None, None, :] > 0)
    np.testing.assert_array_equal(left_padding(mask), [[0], [2], [4]])
    np.testing.assert_array_equal(position_ids(mask, 4, 4), [[0, 1, 2, 3], [0, 0, 0, 1], [0, 0, 0, 0]])
    np.testing.assert_array_equal(position_ids(mask, 1, 4), [[3], [1], [0]])
    states = normal(3, 4, 2)
    np.testing.assert_array_equal(first_token(states, mask), [states[0, 0], states[1, 2], states[2, 3]])


def test_no_mask() -> None:
    np.testing.assert_array_equal(position_ids(None, 3, 5), [[2, 3, 4]])
    np.testing.assert_array_equal(position_ids(tf.ones((2, 3, 3)), 3, 3), [[0, 1, 2]])
    states = normal(3, 4, 2)
    for mask in (None, tf.ones((3, 4, 4))):
        np.testing.assert_array_equal(first_token(states, mask), states[:, 0])
    assert attention_bias(None, False, 3, 3, "float32") is None


def test_masks_of_another_rank_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(batch, keys\) or \(batch, queries, keys\), not \(2, 1, 1, 4\)"):
        allowed_by_mask(tf.ones((2, 1, 1, 4)))


def test_causality() -> None:
    np.testing.assert_array_equal(causal(2, 4)[0, 0], [[1, 1, 1, 0], [1, 1, 1, 1]])
    bias = attention_bias(tf.constant([[0, 1, 1]]), True, 3, 3, "float32")
    np.testing.assert_array_equal(bias[0, 0] == 0, [[1, 1, 1], [0, 1, 0], [0, 1, 1]])
    unpadded = attention_bias(None, True, 3, 3, "float32")
    np.testing.assert_array_equal(unpadded[0, 0] == 0, np.tri(3))


def test_sizes_may_be_unknown_before_the_run() -> None:
    @tf.function(input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, None, 6))])
    def run(mask: Any, x: Any) -> Any:
        length = ops.shape(mask)[1]
        heads = split_heads(x, 2)
        bias = attention_bias(mask, True, length, length, "float32")
        return merge_heads(attend(heads, heads, heads, bias)[0]), position_ids(mask, length, length)

    for batch, length in ((2, 3), (1, 5)):
        context, positions = run(tf.ones((batch, length)), normal(batch, length, 6))
        assert context.shape == (batch, length, 6)
        assert positions.shape == (batch, length)


def test_a_mask_of_another_length_fails_in_a_graph_too() -> None:
    """TensorFlow's product on CPUs, with the bias added to it, does not see it."""

    @tf.function(input_signature=[tf.TensorSpec((None, None)), tf.TensorSpec((None, 2, None, 8))])
    def run(mask: Any, x: Any) -> Any:
        length = ops.shape(x)[2]
        return attend(x, x, x, attention_bias(mask, False, length, length, "float32"))[0]

    x = normal(2, 2, 6, 8)
    assert run(tf.ones((2, 6)), x).shape == x.shape
    for length in (4, 12):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Incompatible shapes"):
            run(tf.ones((2, length)), x)


def test_summaries_leave_padding_out() -> None:
    """Whatever numbers a mask has; one mask may serve all rows."""
    states = normal(3, 4, 2)
    wanted = {"first": states[:, 1], "last": states[:, 2], "mean": tf.reduce_mean(states[:, 1:3], 1)}
    for kind, vectors in wanted.items():
        for mask in ([[0, 1, 1, 0]], [[0.0, 0.5, 0.5, 0.0]], [[False, True, True, False]], [[-1, 1, 1, -1]]):
            found = summarize(states, kind, None, tf.constant(mask))
            np.testing.assert_allclose(found, vectors, rtol=1e-6)


def test_head_masks() -> None:
    kept = {0: [0, 1, 2], 1: [0, 2]}
    config: Any = SimpleNamespace(num_hidden_layers=2, num_attention_heads=3, kept_heads=kept.__getitem__)
    assert layer_head_masks(None, config, "float32") == [None, None]
    one, two = layer_head_masks(tf.constant([0.1, 0.2, 0.3]), config, "float32")
    assert one.shape == (1, 3, 1, 1)
    np.testing.assert_allclose(np.ravel(two), [0.1, 0.3])
    one, two = layer_head_masks(tf.constant([[0, 1, 1], [1, 1, 0]]), config, "bfloat16")
    assert one.dtype == "bfloat16"
    np.testing.assert_array_equal(np.ravel(tf.cast(two, "float32")), [1, 0])
    for shape in ((2,), (3, 3), (1, 2, 3)):
        with pytest.raises(ValueError, match=r"head_mask must have shape \(3,\) or \(2, 3\)"):
            layer_head_masks(tf.ones(shape), config, "float32")


# --- activations


def test_activations_are_those_of_the_configuration() -> None:
    assert set(ACTIVATIONS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_activations(name: str) -> None:
    tanh_gelu = [0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) for x in (-2.0, 0.0, 1.5)]
    wanted = {
        "gelu": [0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in (-2.0, 0.0, 1.5)],
        "gelu_new": tanh_gelu,
        "gelu_pytorch_tanh": tanh_gelu,
        "gelu_fast": tanh_gelu,
        "quick_gelu": [x / (1 + math.exp(-1.702 * x)) for x in (-2.0, 0.0, 1.5)],
        "relu": [0.0, 0.0, 1.5],
        "swish": [x / (1 + math.exp(-x)) for x in (-2.0, 0.0, 1.5)],
        "silu": [x / (1 + math.exp(-x)) for x in (-2.0, 0.0, 1.5)],
        "tanh": [math.tanh(x) for x in (-2.0, 0.0, 1.5)],
        "sigmoid": [1 / (1 + math.exp(-x)) for x in (-2.0, 0.0, 1.5)],
        "mish": [x * math.tanh(math.log1p(math.exp(x))) for x in (-2.0, 0.0, 1.5)],
        "linear": [-2.0, 0.0, 1.5],
    }[name]
    np.testing.assert_allclose(ACTIVATIONS[name](tf.constant([-2.0, 0.0, 1.5])), wanted, atol=1e-6)


# --- losses


def cross_entropy(logits: Any, label: int) -> float:
    return float(-np.log(softmax(logits)[label]))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_token_loss(dtype: str) -> None:
    logits = normal(2, 3, 5)
    labels = tf.constant([[4, -100, 0], [-1, 2, -100]], dtype)
    wanted = [cross_entropy(logits.numpy()[i], k) for i, k in (((0, 0), 4), ((0, 2), 0), ((1, 1), 2))]
    np.testing.assert_allclose(token_loss(logits, labels), np.mean(wanted), rtol=1e-6)
    assert token_loss(logits, tf.constant([[-100] * 3, [-1] * 3])) == 0
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = token_loss(logits, labels)
    gradient = tape.gradient(loss, logits)
    assert np.isfinite(gradient).all()
    assert not np.any(gradient[0, 1])


def test_numbers_are_no_classes() -> None:
    with pytest.raises(ValueError, match="labels must be integers, the indices of classes, not float32"):
        token_loss(normal(2, 3), tf.constant([0.5, 1.0]))


def test_losses_are_computed_in_the_precision_of_the_logits() -> None:
    exact, labels = tf.cast(normal(2, 3), "float64"), tf.constant([2, 0])
    for config in (
        SimpleNamespace(num_labels=3, problem_type=None),
        SimpleNamespace(num_labels=3, problem_type="multi_label_classification"),
        SimpleNamespace(num_labels=3, problem_type="regression"),
    ):
        targets = labels if config.problem_type is None else tf.ones((2, 3), "int32")
        for dtype in ("float16", "float32", "float64"):
            loss = sequence_loss(tf.cast(exact, dtype), targets, config)  # type: ignore[arg-type]
            assert loss.dtype == ("float64" if dtype == "float64" else "float32")
    wanted = [cross_entropy(exact.numpy()[0], 2), cross_entropy(exact.numpy()[1], 0)]
    np.testing.assert_allclose(token_loss(exact, labels), np.mean(wanted), rtol=1e-14)


def test_causal_loss() -> None:
    logits = normal(1, 3, 5)
    wanted = [cross_entropy(logits.numpy()[0, 0], 1), cross_entropy(logits.numpy()[0, 1], 2)]
    np.testing.assert_allclose(causal_loss(logits, tf.constant([[4, 1, 2]])), np.mean(wanted), rtol=1e-6)


@pytest.mark.parametrize("loss", [token_loss, causal_loss])
def test_labels_of_another_shape_are_refused(loss: Any) -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3\) to fit the logits, not \(2,\)"):
        loss(normal(2, 3, 5), tf.constant([1, 2]))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) to fit the logits, not \(2, 4\)"):
        loss(normal(2, 3, 5), tf.ones((2, 4), tf.int32))


def test_sequence_loss() -> None:
    config: Any = SimpleNamespace(num_labels=3, problem_type=None)
    logits = normal(2, 3)
    wanted = [cross_entropy(logits.numpy()[0], 2), cross_entropy(logits.numpy()[1], 0)]
    for labels in ([2, 0], [[2], [0]]):
        np.testing.assert_allclose(sequence_loss(logits, tf.constant(labels), config), np.mean(wanted), rtol=1e-6)
    config.problem_type = "multi_label_classification"
    targets = np.array([[1, 0, 1], [0, 0, 1]])
    p = 1 / (1 + np.exp(-logits.numpy()))
    wanted = -np.mean(targets * np.log(p) + (1 - targets) * np.log(1 - p))
    np.testing.assert_allclose(sequence_loss(logits, tf.constant(targets), config), wanted, rtol=1e-5)
    config = SimpleNamespace(num_labels=1, problem_type=None)
    for labels in ([0.5, 2.0], [[0.5], [2.0]]):
        found = sequence_loss(tf.constant([[1.0], [4.0]]), tf.constant(labels), config)
        np.testing.assert_allclose(found, (0.25 + 4) / 2)
    with pytest.raises(ValueError, match="2 numbers"):
        sequence_loss(tf.constant([[1.0], [4.0]]), tf.constant([1.0, 2.0, 3.0]), config)


def test_span_loss() -> None:
    start, end = normal(2, 4), normal(2, 4)
    firsts = [cross_entropy(start.numpy()[0], 1), cross_entropy(start.numpy()[1], 0)]
    wanted = (np.mean(firsts) + cross_entropy(end.numpy()[0], 3)) / 2
    # The second answer ends beyond the sequence.
    for shape in ((2,), (2, 1)):
        positions = [tf.reshape(tf.constant(p), shape) for p in ([1, 0], [3, 9])]
        np.testing.assert_allclose(span_loss(start, end, *positions), wanted, rtol=1e-6)
