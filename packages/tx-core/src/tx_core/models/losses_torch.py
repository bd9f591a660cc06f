"""Losses of the heads, as functions without parameters, in PyTorch. Mirrored by ``heads_tf``.

Labels of -100 and, by the convention of 2019, -1 are ignored in token-level losses.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tx_core.config import PretrainedConfig


def _precise(logits: Tensor) -> Tensor:
    """Half-precision numbers in float32: too coarse for a loss."""
    return logits.float() if logits.dtype.itemsize < 4 else logits


def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the tokens whose label is not ignored; 0 if all are.

    Args:
        logits: (..., classes). labels: (...), class indices; -100 and -1 are ignored.

    Raises:
        ValueError: if the labels have another shape, or are no integers.
    """
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"labels must have shape {tuple(logits.shape[:-1])} to fit the logits, not {tuple(labels.shape)}"
        )
    if labels.is_floating_point():
        raise ValueError(f"labels must be integers, the indices of classes, not {labels.dtype}")
    labels = labels.long()
    ignored = (labels == -1) | (labels == -100)
    targets = labels.masked_fill(ignored, -100).reshape(-1)
    total = F.cross_entropy(_precise(logits.reshape(-1, logits.shape[-1])), targets, ignore_index=-100, reduction="sum")
    return total / (~ignored).sum().clamp(min=1)


def causal_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each position's logits against the next position's label.

    Args:
        logits: (..., S, vocabulary). labels: (..., S), usually the input ids; -100 and -1 are ignored.
    """
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"labels must have shape {tuple(logits.shape[:-1])} to fit the logits, not {tuple(labels.shape)}"
        )
    return token_loss(logits[..., :-1, :], labels[..., 1:])


def sequence_loss(logits: Tensor, labels: Tensor, config: PretrainedConfig) -> Tensor:
    """The loss of a sequence classifier with logits (B, num_labels).

    Mean squared error if ``num_labels`` is 1, binary cross-entropy if ``problem_type`` is
    ``multi_label_classification`` (labels (B, num_labels)), cross-entropy otherwise (labels (B,)).
    """
    numbers = _precise(logits)
    if config.problem_type == "multi_label_classification":
        return F.binary_cross_entropy_with_logits(numbers, labels.to(numbers.dtype))
    if config.num_labels == 1 or config.problem_type == "regression":
        if labels.numel() != logits.numel():
            raise ValueError(f"labels must hold {logits.numel()} numbers, not {tuple(labels.shape)}")
        return F.mse_loss(numbers.reshape(-1), labels.reshape(-1).to(numbers.dtype))
    return token_loss(logits, labels.reshape(-1))


def span_loss(start_logits: Tensor, end_logits: Tensor, start_positions: Tensor, end_positions: Tensor) -> Tensor:
    """Mean of the cross-entropies of an answer's first and last position.

    Args:
        start_logits, end_logits: (B, S).
        start_positions, end_positions: (B,) or (B, 1); positions beyond the sequence are ignored.
    """
    length = start_logits.shape[-1]
    losses = []
    for logits, positions in ((start_logits, start_positions), (end_logits, end_positions)):
        positions = positions.reshape(-1).clamp(min=0)
        losses.append(token_loss(logits, torch.where(positions >= length, -100, positions)))
    return (losses[0] + losses[1]) / 2
