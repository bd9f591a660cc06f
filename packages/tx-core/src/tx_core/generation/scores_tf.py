"""What the options of ``generate`` make of the scores of the next token, in Keras. Mirrors ``scores_torch``.

Tokens are known to Python here: what they rule out is worked out in NumPy.

Shapes: R rows, S sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from .options import Options
from .prompts import IntArray, Prompts

Tensor = Any

# Turns the scores (R, V) of the next token into others, given the tokens so far (R, S), -1 for padding.
Processor = Callable[[Tensor, IntArray], Tensor]


def _repetition_penalty(penalty: float) -> Processor:
    """The tokens so far become less likely (Keskar et al. 2019, §4.1, https://arxiv.org/abs/1909.05858).

    The paper divides their scores, which would make a token of negative score likelier: those are multiplied.
    """

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        seen = np.zeros(scores.shape, np.bool_)
        np.put_along_axis(seen, np.where(ids < 0, ids[:, -1:], ids), True, axis=1)
        return ops.where(seen, ops.where(scores < 0, scores * penalty, scores / penalty), scores)

    return process


def _bad_words(words: Sequence[tuple[int, ...]]) -> Processor:
    """The last token of a word that is ruled out is ruled out after the others."""
    single = sorted({word[0] for word in words if len(word) == 1})
    longer = [(np.array(word[:-1]), word[-1]) for word in words if len(word) > 1]

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        ruled_out = np.zeros(scores.shape, np.bool_)
        ruled_out[:, single] = True
        for beginning, last in longer:
            if len(beginning) <= ids.shape[1]:
                ruled_out[:, last] |= (ids[:, -len(beginning) :] == beginning).all(1)
        return ops.where(ruled_out, -np.inf, scores)

    return process


def _min_length(least: IntArray, eos: Sequence[int]) -> Processor:
    """No end before ``least`` (R,) tokens, counted with padding."""
    longest = int(least.max())

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        if ids.shape[1] >= longest:
            return scores
        ruled_out = np.zeros(scores.shape, np.bool_)
        ruled_out[:, list(eos)] = (ids.shape[1] < least)[:, None]
        return ops.where(ruled_out, -np.inf, scores)

    return process


def _temperature(temperature: float) -> Processor:
    return lambda scores, ids: scores / temperature


def _top_k(count: int) -> Processor:
    """Only the ``count`` likeliest tokens (Fan et al. 2018, https://arxiv.org/abs/1805.04833)."""

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        least = ops.top_k(scores, min(count, scores.shape[-1]))[0][:, -1:]
        return ops.where(scores < least, -np.inf, scores)

    return process


def _top_p(probability: float, keep: int) -> Processor:
    """The likeliest tokens that together have the probability (Holtzman et al. 2019, https://arxiv.org/abs/1904.09751)."""

    def process(scores: Tensor, ids: IntArray) -> Tensor:
        order = ops.argsort(scores, axis=-1)
        ordered = ops.take_along_axis(scores, order, axis=-1)
        removed = ops.cumsum(ops.softmax(ordered, axis=-1), axis=-1) <= 1 - probability
        kept = np.arange(scores.shape[-1]) >= scores.shape[-1] - keep
        removed = ops.logical_and(removed, np.logical_not(kept))
        back = ops.argsort(order, axis=-1)
        return ops.where(ops.take_along_axis(removed, back, axis=-1), -np.inf, scores)

    return process


def processors(options: Options, prompts: Prompts) -> list[Processor]:
    """What is done to the scores, in order; empty for plain greedy search."""
    out: list[Processor] = []
    if options.repetition_penalty != 1:
        out.append(_repetition_penalty(options.repetition_penalty))
    if options.bad_words:
        out.append(_bad_words(options.bad_words))
    if options.eos and options.min_length > prompts.lengths.min():
        least = options.min_length + prompts.ids.shape[1] - prompts.lengths
        out.append(_min_length(least.repeat(options.rows_per_prompt), options.eos))
    if options.do_sample:
        if options.temperature != 1:
            out.append(_temperature(options.temperature))
        if options.top_k is not None:
            out.append(_top_k(max(options.top_k, options.least_choice)))
        if options.top_p is not None:
            out.append(_top_p(options.top_p, options.least_choice))
    return out
