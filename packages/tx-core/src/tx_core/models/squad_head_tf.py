"""Answers by a beam over their first and last tokens, as XLNet and XLM publish them, in Keras. Mirrors
``squad_head_torch``.

The start of an answer is scored first, its end for each start that is likely. Whether there is an answer is told from
the start and from a token that stands for the whole text (Yang et al. 2019, https://arxiv.org/abs/1906.08237, and the
authors' ``function_builder.py``).

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .attention_tf import is_set
from .inputs_tf import check_ids, undefined
from .layers_tf import LayerNorm, Linear, Module, summarize
from .losses import wrong_shape
from .losses_tf import by_row, fits, precise, span_loss

Tensor = Any

# The score of a token that cannot be in an answer. Its probability is exactly 0.
_NEVER = -1e30


class PoolerStartLogits(Module):
    """Scores of every token as an answer's first one."""

    def __init__(self, config: Any, initializer_range: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, 1, initializer_range, name="dense")

    def call(self, hidden_states: Tensor) -> Tensor:
        """(B, S, H) → (B, S)."""
        return ops.squeeze(self.dense(hidden_states), -1)


class PoolerEndLogits(Module):
    """Scores of every token as the last one of an answer whose first is known."""

    def __init__(self, config: Any, initializer_range: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width, std = config.hidden_size, initializer_range
        self.dense_0 = Linear(2 * width, width, std, name="dense_0")
        self.LayerNorm = LayerNorm(width, config.layer_norm_eps, name="LayerNorm")
        self.dense_1 = Linear(width, 1, std, name="dense_1")

    def call(self, hidden_states: Tensor, start_states: Tensor) -> Tensor:
        """(B, S, H), and the states of the first tokens (B, H) → (B, S)."""
        starts = ops.broadcast_to(ops.expand_dims(start_states, 1), ops.shape(hidden_states))
        pairs = ops.concatenate((hidden_states, starts), axis=-1)  # (B, S, 2·H)
        return ops.squeeze(self.dense_1(self.LayerNorm(ops.tanh(self.dense_0(pairs)))), -1)


class PoolerAnswerClass(Module):
    """The score of a question's having no answer in the text."""

    def __init__(self, config: Any, initializer_range: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width, std = config.hidden_size, initializer_range
        self.dense_0 = Linear(2 * width, width, std, name="dense_0")
        self.dense_1 = Linear(width, 1, std, use_bias=False, name="dense_1")

    def call(self, start_states: Tensor, cls_states: Tensor) -> Tensor:
        """The states of an answer's first token and of the one that stands for the text, (B, H) each → (B,)."""
        pairs = ops.concatenate((start_states, cls_states), axis=-1)
        return ops.squeeze(self.dense_1(ops.tanh(self.dense_0(pairs))), -1)


class SQuADHead(Module):
    """The three layers that find answers. :func:`answer_loss` and :func:`answer_beam` say how."""

    def __init__(self, config: Any, initializer_range: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_logits = PoolerStartLogits(config, initializer_range, name="start_logits")
        self.end_logits = PoolerEndLogits(config, initializer_range, name="end_logits")
        self.answer_class = PoolerAnswerClass(config, initializer_range, name="answer_class")


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
        head: :class:`SQuADHead`, or a layer that has its three.
        hidden_states: (B, S, H).
        start_positions, end_positions: (B,) or (B, 1). A row whose start is beyond the sequence is ignored, and an end
            that is; negative ones are 0.
        is_impossible: (B,) or (B, 1), 1 where there is no answer, else 0; needs ``cls_index``.
        cls_index: (B,) or (B, 1), the token that stands for the text.
        p_mask: (B, S), 1 for tokens that cannot be in an answer, padding among them. A label there costs 1e30.

    Raises:
        ValueError: if a shape does not fit, or a number is outside its range. In a graph that last error is
            TensorFlow's ``InvalidArgumentError``; under XLA the loss is NaN.
    """
    length = ops.shape(hidden_states)[1]
    allowed = _allowed(hidden_states, p_mask)
    start = ops.maximum(ops.cast(by_row("start_positions", start_positions, hidden_states), "int32"), 0)
    end = ops.cast(by_row("end_positions", end_positions, hidden_states), "int32")
    known = start < length
    start_states = _at(hidden_states, ops.minimum(start, length - 1))  # (B, H)
    start_logits = _masked(head.start_logits(hidden_states), allowed)
    end_logits = _masked(head.end_logits(hidden_states, start_states), allowed)
    loss = span_loss(start_logits, end_logits, start, ops.where(known, end, length))
    if is_impossible is None:
        return loss
    impossible = by_row("is_impossible", is_impossible, hidden_states)
    _, wrong = check_ids("is_impossible", ops.cast(impossible, "int32"), 2, "classes")
    cls_logits = precise(head.answer_class(start_states, _cls_states(hidden_states, cls_index)))
    losses = ops.binary_crossentropy(ops.cast(impossible, cls_logits.dtype), cls_logits, from_logits=True)
    counted = ops.cast(known, losses.dtype)
    if wrong is not None:
        losses = losses + undefined(wrong, keras.backend.standardize_dtype(losses.dtype))
    return loss + 0.5 * ops.sum(losses * counted) / ops.maximum(ops.sum(counted), 1)


def answer_beam(
    head: Any,
    config: Any,
    hidden_states: Tensor,
    cls_index: Tensor | None,
    p_mask: Tensor | None,
) -> dict[str, Tensor]:
    """The likeliest answers, by the names of their fields.

    Args:
        head: :class:`SQuADHead`, or a layer that has its three.
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
    likely = ops.expand_dims(ops.cast(likely, hidden_states.dtype), 1)
    expected = ops.squeeze(ops.matmul(likely, hidden_states), 1)  # (B, H), the mean of all starts
    many = (-1, config.end_n_top * config.start_n_top)
    return {
        "start_top_log_probs": ops.cast(start, logits.dtype),
        "start_top_index": start_index,
        "end_top_log_probs": ops.reshape(ops.cast(ops.stack([end for _, end, _ in ends], axis=-1), logits.dtype), many),
        "end_top_index": ops.reshape(ops.stack([index for _, _, index in ends], axis=-1), many),
        "cls_logits": head.answer_class(expected, _cls_states(hidden_states, cls_index)),
    }


def _allowed(hidden_states: Tensor, p_mask: Tensor | None) -> Tensor:
    """Boolean (B, S): the tokens that may be in an answer; all where a row has none."""
    batch, length = ops.shape(hidden_states)[:2]
    allowed = ops.ones((batch, length), dtype="bool")
    if p_mask is not None:
        if not fits(hidden_states.shape[:2], p_mask.shape):
            raise ValueError(wrong_shape("p_mask", hidden_states.shape[:2], p_mask.shape))
        allowed = ops.logical_and(allowed, ops.logical_not(is_set(p_mask)))
    return ops.logical_or(allowed, ops.logical_not(ops.any(allowed, axis=-1, keepdims=True)))


def _masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """Scores (B, S) in float32 at least, those of impossible tokens so low that their probability is 0."""
    numbers = precise(logits)
    return ops.where(allowed, numbers, ops.full((), _NEVER, numbers.dtype))


def _best(logits: Tensor, allowed: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The probabilities of all tokens (B, S), those of so many of the best (B, count), and their positions (B, count).

    Of equals the first is the better. Where fewer are possible, the best is repeated, with a probability of 0.
    """
    numbers = _masked(logits, allowed)
    likely = ops.softmax(numbers, axis=-1)
    room = ((0, 0), (0, count))
    more = ops.pad(numbers, room, constant_values=_NEVER)  # so that there are always as many to choose from
    order = ops.cast(ops.top_k(more, count)[1], "int32")
    possible = ops.take_along_axis(ops.pad(ops.cast(allowed, "int32"), room), order, axis=1) > 0
    best = ops.take_along_axis(ops.pad(likely, room), order, axis=1)
    return likely, best, ops.where(possible, order, order[:, :1])


def _at(hidden_states: Tensor, index: Tensor) -> Tensor:
    """The states of one token a row: (B, S, H), (B,) → (B, H)."""
    return ops.take_along_axis(hidden_states, ops.expand_dims(ops.cast(index, "int32"), (1, 2)), axis=1)[:, 0]


def _cls_states(hidden_states: Tensor, cls_index: Tensor | None) -> Tensor:
    """The states of the tokens that stand for the texts, (B, H). NaN where there is no such token."""
    if cls_index is None:
        return summarize(hidden_states, "cls_index", None, None)
    cls_index = by_row("cls_index", cls_index, hidden_states)
    cls_index, wrong = check_ids("cls_index", cls_index, ops.shape(hidden_states)[1], "tokens")
    states = summarize(hidden_states, "cls_index", cls_index, None)
    if wrong is None:
        return states
    return states + undefined(ops.expand_dims(wrong, -1), keras.backend.standardize_dtype(states.dtype))
