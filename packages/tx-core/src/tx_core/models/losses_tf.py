"""Losses of the heads, as functions without parameters, in ``keras.ops``. Mirrors ``losses_torch``.

Labels of -100 are ignored. By the convention of 2019, -1 is too in losses of tokens and of pairs of sentences.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tx_core.config import PretrainedConfig

from .inputs_tf import check_ids, undefined
from .losses import (
    IGNORED,
    IGNORED_CLASS,
    MULTI_LABEL,
    REGRESSION,
    no_classes,
    no_indices,
    no_numbers,
    problem_type,
    wrong_shape,
)

Tensor = Any


def fits(wanted: Sequence[int | None], found: Sequence[int | None]) -> bool:
    """Whether two shapes may be one. A size of None is not known before the run."""
    same = (w == f or w is None or f is None for w, f in zip(wanted, found, strict=False))
    return len(wanted) == len(found) and all(same)


def _count(shape: Sequence[int | None]) -> int | None:
    """How many numbers a tensor of a shape has; None if that is not known before the run."""
    return None if None in shape else math.prod(shape)  # type: ignore[arg-type]


def _one_a_row(logits: Tensor, labels: Tensor) -> bool:
    """Whether there is one label for each row of the logits (B, classes), as far as that is known."""
    if None in (logits.shape[0], *labels.shape[:1]):
        return _count(labels.shape[1:]) in (1, None)
    return _count(labels.shape) in (logits.shape[0], None)


def _check(logits: Tensor, labels: Tensor, name: str) -> None:
    if not fits(logits.shape[:-1], labels.shape):
        raise ValueError(wrong_shape(name, logits.shape[:-1], labels.shape))


def precise(logits: Tensor) -> Tensor:
    """Half-precision numbers in float32: too coarse for a loss."""
    return logits if keras.backend.standardize_dtype(logits.dtype) == "float64" else ops.cast(logits, "float32")


def by_row(name: str, labels: Tensor, predictions: Tensor) -> Tensor:
    """Labels (B,) or (B, 1) of predictions (B, …) as (B,).

    Raises:
        ValueError: if there is not one label a row; names the argument.
    """
    if not _one_a_row(predictions, labels):
        raise ValueError(wrong_shape(name, predictions.shape[:1], labels.shape))
    return ops.reshape(labels, (-1,))


def token_loss(logits: Tensor, labels: Tensor, name: str = "labels", ignored: Sequence[int] = IGNORED) -> Tensor:
    """Mean cross-entropy over the tokens whose label is not ignored; 0 if all are.

    Args:
        logits: (..., classes). labels: (...), class indices.
        name: what the labels are called. ignored: labels that count for nothing.

    Raises:
        ValueError: if the labels have another shape, are no integers, or there is no such class. In a graph that last
            error is TensorFlow's ``InvalidArgumentError``; under XLA the loss is NaN.
    """
    _check(logits, labels, name)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "float" in dtype:
        raise ValueError(no_indices(name, dtype))
    labels = ops.cast(labels, "int32")
    without = functools.reduce(ops.logical_or, [labels == each for each in ignored])
    targets, wrong = check_ids(name, ops.where(without, 0, labels), ops.shape(logits)[-1], "classes")
    losses = ops.sparse_categorical_crossentropy(targets, precise(logits), from_logits=True)
    kept = ops.cast(ops.logical_not(without), losses.dtype)
    if wrong is not None:
        kept = kept + undefined(wrong, keras.backend.standardize_dtype(losses.dtype))
    return ops.sum(losses * kept) / ops.maximum(ops.sum(kept), 1.0)


def class_loss(logits: Tensor, labels: Tensor, name: str = "labels", ignored: Sequence[int] = IGNORED_CLASS) -> Tensor:
    """As :func:`token_loss`, with one label a row.

    Args:
        logits: (B, classes). labels: (B,) or (B, 1).
    """
    return token_loss(logits, by_row(name, labels, logits), name, ignored)


def causal_loss(logits: Tensor, labels: Tensor, name: str = "labels") -> Tensor:
    """Mean cross-entropy of each position's logits against the next position's label.

    Args:
        logits: (..., S, vocabulary). labels: (..., S), usually the input ids; -100 and -1 are ignored.
        name: what the labels are called.
    """
    _check(logits, labels, name)
    return token_loss(logits[..., :-1, :], labels[..., 1:], name)


def sequence_loss(logits: Tensor, labels: Tensor, config: PretrainedConfig) -> Tensor:
    """The loss of a sequence classifier with logits (B, num_labels).

    Mean squared error if ``problem_type`` is ``regression`` (labels (B, num_labels)), binary cross-entropy if it is
    ``multi_label_classification`` (labels (B, num_labels)), cross-entropy otherwise (labels (B,), -100 is ignored).
    Without one, ``num_labels`` of 1 is regression.

    Raises:
        ValueError: if the labels are not such labels.
    """
    numbers, kind = precise(logits), problem_type(config)
    if kind == MULTI_LABEL:
        if not fits(logits.shape, labels.shape):
            raise ValueError(no_numbers(kind, logits.shape, labels.shape))
        targets = ops.cast(labels, numbers.dtype)
        return ops.mean(ops.binary_crossentropy(targets, numbers, from_logits=True))
    if kind == REGRESSION:
        if _count(labels.shape) != _count(logits.shape) and None not in (_count(labels.shape), _count(logits.shape)):
            raise ValueError(no_numbers(kind, logits.shape, labels.shape))
        numbers, targets = (ops.reshape(ops.cast(x, numbers.dtype), (-1,)) for x in (numbers, labels))
        return ops.mean(ops.square(numbers - targets))
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if not _one_a_row(logits, labels) or "float" in dtype:
        raise ValueError(no_classes(logits.shape[0], logits.shape[1], f"{tuple(labels.shape)} of {dtype}"))
    return class_loss(logits, labels)


def span_loss(start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor) -> Tensor:
    """Mean of the cross-entropies of an answer's first and last position.

    Args:
        start_logits, end_logits: (B, S).
        start_positions, end_positions: (B,) or (B, 1); positions beyond the sequence are ignored, negative
            ones are 0.
    """
    length = ops.shape(start_logits)[-1]
    losses = []
    for name, logits, positions in (
        ("start_positions", start_logits, start_positions),
        ("end_positions", end_logits, end_positions),
    ):
        positions = ops.maximum(ops.reshape(ops.cast(positions, "int32"), (-1,)), 0)
        losses.append(token_loss(logits, ops.where(positions >= length, -100, positions), name))
    return (losses[0] + losses[1]) / 2
