"""Answers by a beam over their first and last tokens, as XLNet and XLM publish them, in PyTorch. Mirrored by
``squad_head_tf``.

The start of an answer is scored first, its end for each start that is likely. Whether there is an answer is told from
the start and from a token that stands for the whole text (Yang et al. 2019, https://arxiv.org/abs/1906.08237, and the
authors' ``function_builder.py``).

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .inputs_torch import check_ids
from .layers_torch import summarize
from .losses import wrong_shape
from .losses_torch import by_row, precise, span_loss

# The score of a token that cannot be in an answer. Its probability is exactly 0.
_NEVER = -1e30


class PoolerStartLogits(nn.Module):
    """Scores of every token as an answer's first one."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """(B, S, H) → (B, S)."""
        return self.dense(hidden_states).squeeze(-1)


class PoolerEndLogits(nn.Module):
    """Scores of every token as the last one of an answer whose first is known."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense_0 = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dense_1 = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden_states: Tensor, start_states: Tensor) -> Tensor:
        """(B, S, H), and the states of the first tokens (B, H) → (B, S)."""
        pairs = torch.cat((hidden_states, start_states[:, None].expand_as(hidden_states)), dim=-1)  # (B, S, 2·H)
        return self.dense_1(self.LayerNorm(self.dense_0(pairs).tanh())).squeeze(-1)


class PoolerAnswerClass(nn.Module):
    """The score of a question's having no answer in the text."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.dense_0 = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.dense_1 = nn.Linear(config.hidden_size, 1, bias=False)

    def forward(self, start_states: Tensor, cls_states: Tensor) -> Tensor:
        """The states of an answer's first token and of the one that stands for the text, (B, H) each → (B,)."""
        return self.dense_1(self.dense_0(torch.cat((start_states, cls_states), dim=-1)).tanh()).squeeze(-1)


class SQuADHead(nn.Module):
    """The three layers that find answers. :func:`answer_loss` and :func:`answer_beam` say how."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.start_logits = PoolerStartLogits(config)
        self.end_logits = PoolerEndLogits(config)
        self.answer_class = PoolerAnswerClass(config)


def answer_loss(
    head: Any,
    hidden_states: Tensor,
    start_positions: Tensor,
    end_positions: Tensor,
    is_impossible: Tensor | None,
    cls_index: Tensor | None,
    p_mask: Tensor | None,
) -> Tensor:
    """The loss of an answer's first token, and of its last one where the first is known; their mean.

    With ``is_impossible``, half the binary cross-entropy of there being no answer is added.

    Args:
        head: :class:`SQuADHead`, or a module that has its three layers.
        hidden_states: (B, S, H).
        start_positions, end_positions: (B,) or (B, 1). A row whose start is beyond the sequence is ignored, and an end
            that is; negative ones are 0.
        is_impossible: (B,) or (B, 1), 1 where there is no answer, else 0; needs ``cls_index``.
        cls_index: (B,) or (B, 1), the token that stands for the text.
        p_mask: (B, S), 1 for tokens that cannot be in an answer, padding among them. A label there costs 1e30.

    Raises:
        ValueError: if a shape does not fit, or a number is outside its range.
    """
    length = hidden_states.shape[1]
    allowed = _allowed(hidden_states, p_mask)
    start = by_row("start_positions", start_positions, hidden_states).clamp(min=0)
    end = by_row("end_positions", end_positions, hidden_states)
    known = start < length
    start_states = _at(hidden_states, start.clamp(max=length - 1))  # (B, H)
    start_logits = _masked(head.start_logits(hidden_states), allowed)
    end_logits = _masked(head.end_logits(hidden_states, start_states), allowed)
    loss = span_loss(start_logits, end_logits, start, torch.where(known, end, length))
    if is_impossible is None:
        return loss
    impossible = by_row("is_impossible", is_impossible, hidden_states)
    check_ids("is_impossible", impossible.long(), 2, "classes")
    cls_logits = precise(head.answer_class(start_states, _cls_states(hidden_states, cls_index)))
    losses = F.binary_cross_entropy_with_logits(cls_logits, impossible.to(cls_logits.dtype), reduction="none")
    return loss + 0.5 * (losses * known).sum() / known.sum().clamp(min=1)


def answer_beam(
    head: Any,
    config: Any,
    hidden_states: Tensor,
    cls_index: Tensor | None,
    p_mask: Tensor | None,
) -> dict[str, Tensor]:
    """The likeliest answers, by the names of their fields.

    Args:
        head: :class:`SQuADHead`, or a module that has its three layers.
        config: its ``start_n_top`` and ``end_n_top``.
        hidden_states: (B, S, H).
        cls_index: (B,) or (B, 1), the token that stands for the text; the last by default.
        p_mask: (B, S), 1 for tokens that cannot be in an answer, padding among them.

    Returns:
        ``start_top_log_probs`` and ``start_top_index``, (B, start_n_top), best first; ``end_top_log_probs`` and
        ``end_top_index``, (B, end_n_top·start_n_top), the j-th end for the i-th start at j·start_n_top + i;
        ``cls_logits``, (B,).
    """
    allowed = _allowed(hidden_states, p_mask)
    logits = head.start_logits(hidden_states)
    likely, start, start_index = _best(logits, allowed, config.start_n_top)
    ends = [
        _best(head.end_logits(hidden_states, _at(hidden_states, start_index[:, i])), allowed, config.end_n_top)
        for i in range(config.start_n_top)
    ]
    expected = (likely.to(hidden_states.dtype)[:, None] @ hidden_states).squeeze(1)  # (B, H), the mean of all starts
    return {
        "start_top_log_probs": start.to(logits.dtype),
        "start_top_index": start_index,
        "end_top_log_probs": torch.stack([end for _, end, _ in ends], dim=-1).flatten(1).to(logits.dtype),
        "end_top_index": torch.stack([index for _, _, index in ends], dim=-1).flatten(1),
        "cls_logits": head.answer_class(expected, _cls_states(hidden_states, cls_index)),
    }


def _allowed(hidden_states: Tensor, p_mask: Tensor | None) -> Tensor:
    """Boolean (B, S): the tokens that may be in an answer; all where a row has none."""
    batch, length = hidden_states.shape[:2]
    allowed = torch.ones(batch, length, dtype=torch.bool, device=hidden_states.device)
    if p_mask is not None:
        if p_mask.shape != allowed.shape:
            raise ValueError(wrong_shape("p_mask", allowed.shape, p_mask.shape))
        allowed = allowed & (p_mask <= 0)
    return allowed | ~allowed.any(-1, keepdim=True)


def _masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """Scores (B, S) in float32 at least, those of impossible tokens so low that their probability is 0."""
    return precise(logits).masked_fill(~allowed, _NEVER)


def _best(logits: Tensor, allowed: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The probabilities of all tokens (B, S), those of so many of the best (B, count), and their positions (B, count).

    Of equals the first is the better. Where fewer are possible, the best is repeated, with a probability of 0.
    """
    numbers = _masked(logits, allowed)
    likely = numbers.softmax(-1)
    more = F.pad(numbers, (0, count), value=_NEVER)  # so that there are always as many to choose from
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        # ONNX has no sorting that keeps the order of equals, but its operation for this prefers the first.
        order = more.topk(count).indices
    else:
        order = more.argsort(dim=-1, descending=True, stable=True)[:, :count]
    possible = F.pad(allowed, (0, count)).gather(1, order)
    best = F.pad(likely, (0, count)).gather(1, order)
    return likely, best, torch.where(possible, order, order[:, :1])


def _at(hidden_states: Tensor, index: Tensor) -> Tensor:
    """The states of one token a row: (B, S, H), (B,) → (B, H)."""
    batch, _, width = hidden_states.shape
    return hidden_states.gather(1, index.long()[:, None, None].expand(batch, 1, width))[:, 0]


def _cls_states(hidden_states: Tensor, cls_index: Tensor | None) -> Tensor:
    """The states of the tokens that stand for the texts, (B, H)."""
    if cls_index is not None:
        cls_index = by_row("cls_index", cls_index, hidden_states)
        check_ids("cls_index", cls_index, hidden_states.shape[1], "tokens")
    return summarize(hidden_states, "cls_index", cls_index, None)
