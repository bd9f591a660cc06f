"""Losses of the heads, as functions without parameters, in PyTorch. Mirrored by ``losses_tf``.

Labels of -100 are ignored. By the convention of 2019, -1 is too in losses of tokens and of pairs of sentences.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tx_core.config import PretrainedConfig

from .inputs_torch import check_ids
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


def precise(logits: Tensor) -> Tensor:
    """Half-precision numbers in float32: too coarse for a loss."""
    return logits.float() if logits.dtype.itemsize < 4 else logits


def by_row(name: str, labels: Tensor, predictions: Tensor) -> Tensor:
    """Labels (B,) or (B, 1) of predictions (B, …) as (B,).

    Raises:
        ValueError: if there is not one label a row; names the argument.
    """
    if labels.numel() != len(predictions):
        raise ValueError(wrong_shape(name, predictions.shape[:1], labels.shape))
    return labels.reshape(-1)


def token_loss(logits: Tensor, labels: Tensor, name: str = "labels", ignored: Sequence[int] = IGNORED) -> Tensor:
    """Mean cross-entropy over the tokens whose label is not ignored; 0 if all are.

    Args:
        logits: (..., classes). labels: (...), class indices.
        name: what the labels are called. ignored: labels that count for nothing.

    Raises:
        ValueError: if the labels have another shape, are no integers, or there is no such class.
    """
    if logits.shape[:-1] != labels.shape:
        raise ValueError(wrong_shape(name, logits.shape[:-1], labels.shape))
    if labels.is_floating_point():
        raise ValueError(no_indices(name, labels.dtype))
    labels = labels.long()
    without = functools.reduce(torch.logical_or, [labels == each for each in ignored])
    check_ids(name, labels.masked_fill(without, 0), logits.shape[-1], "classes")
    targets = labels.masked_fill(without, -100).reshape(-1)
    total = F.cross_entropy(precise(logits.reshape(-1, logits.shape[-1])), targets, ignore_index=-100, reduction="sum")
    return total / (~without).sum().clamp(min=1)


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
    if logits.shape[:-1] != labels.shape:
        raise ValueError(wrong_shape(name, logits.shape[:-1], labels.shape))
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
        if labels.shape != logits.shape:
            raise ValueError(no_numbers(kind, logits.shape, labels.shape))
        return F.binary_cross_entropy_with_logits(numbers, labels.to(numbers.dtype))
    if kind == REGRESSION:
        if labels.numel() != logits.numel():
            raise ValueError(no_numbers(kind, logits.shape, labels.shape))
        return F.mse_loss(numbers.reshape(-1), labels.reshape(-1).to(numbers.dtype))
    if labels.numel() != len(logits) or labels.is_floating_point():
        found = f"{tuple(labels.shape)} of {labels.dtype}"
        raise ValueError(no_classes(len(logits), logits.shape[-1], found))
    return class_loss(logits, labels)


def span_loss(start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor) -> Tensor:
    """Mean of the cross-entropies of an answer's first and last position.

    Args:
        start_logits, end_logits: (B, S).
        start_positions, end_positions: (B,) or (B, 1); positions beyond the sequence are ignored, negative
            ones are 0.
    """
    length = start_logits.shape[-1]
    losses = []
    for name, logits, positions in (
        ("start_positions", start_logits, start_positions),
        ("end_positions", end_logits, end_positions),
    ):
        positions = positions.reshape(-1).clamp(min=0)
        losses.append(token_loss(logits, torch.where(positions >= length, -100, positions), name))
    return (losses[0] + losses[1]) / 2
