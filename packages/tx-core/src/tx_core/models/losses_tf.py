"""Losses of the heads, as functions without parameters, in ``keras.ops``. Mirrors ``heads_torch``.

Labels of -100 and, by the convention of 2019, -1 are ignored in token-level losses.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from tx_core.config import PretrainedConfig

Tensor = Any


def _check(logits: Tensor, labels: Tensor) -> None:
    wanted, found = tuple(logits.shape[:-1]), tuple(labels.shape)
    # A size of None is not known before the run.
    same = (w == f or w is None or f is None for w, f in zip(wanted, found, strict=False))
    if len(wanted) != len(found) or not all(same):
        raise ValueError(f"labels must have shape {wanted} to fit the logits, not {found}")


def _precise(logits: Tensor) -> Tensor:
    """Half-precision numbers in float32: too coarse for a loss."""
    return logits if keras.backend.standardize_dtype(logits.dtype) == "float64" else ops.cast(logits, "float32")


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the tokens whose label is not ignored; 0 if all are.

    Args:
        logits: (..., classes). labels: (...), class indices; -100 and -1 are ignored.

    Raises:
        ValueError: if the labels have another shape, or are no integers.
    """
    _check(logits, labels)
    dtype = keras.backend.standardize_dtype(labels.dtype)
    if "float" in dtype:
        raise ValueError(f"labels must be integers, the indices of classes, not {dtype}")
    labels = ops.cast(labels, "int32")
    ignored = ops.logical_or(labels == -1, labels == -100)
    targets = ops.where(ignored, 0, labels)
    losses = ops.sparse_categorical_crossentropy(targets, _precise(logits), from_logits=True)
    kept = ops.cast(ops.logical_not(ignored), losses.dtype)
    return ops.sum(losses * kept) / ops.maximum(ops.sum(kept), 1.0)


def causal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each position's logits against the next position's label.

    Args:
        logits: (..., S, vocabulary). labels: (..., S), usually the input ids; -100 and -1 are ignored.
    """
    _check(logits, labels)
    return token_loss(logits[..., :-1, :], labels[..., 1:])


def sequence_loss(logits: Tensor, labels: Tensor, config: PretrainedConfig) -> Tensor:
    """The loss of a sequence classifier with logits (B, num_labels).

    Mean squared error if ``num_labels`` is 1, binary cross-entropy if ``problem_type`` is
    ``multi_label_classification`` (labels (B, num_labels)), cross-entropy otherwise (labels (B,)).
    """
    numbers = _precise(logits)
    if config.problem_type == "multi_label_classification":
        targets = ops.cast(labels, numbers.dtype)
        return ops.mean(ops.binary_crossentropy(targets, numbers, from_logits=True))
    if config.num_labels == 1 or config.problem_type == "regression":
        numbers, targets = (ops.reshape(ops.cast(x, numbers.dtype), (-1,)) for x in (numbers, labels))
        if numbers.shape[0] != targets.shape[0] and None not in (numbers.shape[0], targets.shape[0]):
            raise ValueError(f"labels must hold {numbers.shape[0]} numbers, not {tuple(labels.shape)}")
        return ops.mean(ops.square(numbers - targets))
    return token_loss(logits, ops.reshape(labels, (-1,)))


def span_loss(start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor) -> Tensor:
    """Mean of the cross-entropies of an answer's first and last position.

    Args:
        start_logits, end_logits: (B, S).
        start_positions, end_positions: (B,) or (B, 1); positions beyond the sequence are ignored.
    """
    length = ops.shape(start_logits)[-1]
    losses = []
    for logits, positions in ((start_logits, start_positions), (end_logits, end_positions)):
        positions = ops.maximum(ops.reshape(ops.cast(positions, "int32"), (-1,)), 0)
        losses.append(token_loss(logits, ops.where(positions >= length, -100, positions)))
    return (losses[0] + losses[1]) / 2
