"""What the options of ``generate`` make of the scores of the next token, in PyTorch. Mirrored by ``scores_tf``.

Shapes: R rows, S sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .options import Options
from .prompts import Prompts

# Turns the scores (R, V) of the next token into others, given the tokens so far (R, S), -1 for padding.
Processor = Callable[[Tensor, Tensor], Tensor]


def _repetition_penalty(penalty: float) -> Processor:
    """The tokens so far become less likely (Keskar et al. 2019, §4.1, https://arxiv.org/abs/1909.05858).

    The paper divides their scores, which would make a token of negative score likelier: those are multiplied.
    """

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        ids = torch.where(ids < 0, ids[:, -1:], ids)
        found = scores.gather(1, ids)
        return scores.scatter(1, ids, torch.where(found < 0, found * penalty, found / penalty))

    return process


def _bad_words(words: Sequence[tuple[int, ...]], device: torch.device) -> Processor:
    """The last token of a word that is ruled out is ruled out after the others."""
    single = torch.tensor(sorted({word[0] for word in words if len(word) == 1}), dtype=torch.long, device=device)
    longer = [(torch.tensor(word[:-1], device=device), word[-1]) for word in words if len(word) > 1]

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        scores = scores.index_fill(1, single, -torch.inf)
        for beginning, last in longer:
            if len(beginning) <= ids.shape[1]:
                begun = (ids[:, -len(beginning) :] == beginning).all(1)
                scores[:, last].masked_fill_(begun, -torch.inf)
        return scores

    return process


def _min_length(least: Tensor, eos: Sequence[int]) -> Processor:
    """No end before ``least`` (R,) tokens, counted with padding."""
    ends = torch.tensor(eos, dtype=torch.long, device=least.device)
    longest = int(least.max())

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        if ids.shape[1] >= longest:
            return scores
        early = (ids.shape[1] < least)[:, None]
        return torch.where(early, scores.index_fill(1, ends, -torch.inf), scores)

    return process


def _temperature(temperature: float) -> Processor:
    return lambda scores, ids: scores / temperature


def _top_k(count: int) -> Processor:
    """Only the ``count`` likeliest tokens (Fan et al. 2018, https://arxiv.org/abs/1805.04833)."""

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        least = scores.topk(min(count, scores.shape[-1])).values[:, -1:]
        return scores.masked_fill(scores < least, -torch.inf)

    return process


def _top_p(probability: float, keep: int) -> Processor:
    """The likeliest tokens that together have the probability (Holtzman et al. 2019, https://arxiv.org/abs/1904.09751)."""

    def process(scores: Tensor, ids: Tensor) -> Tensor:
        ordered, order = scores.sort(-1)
        removed = ordered.softmax(-1).cumsum(-1) <= 1 - probability
        removed[:, -keep:] = False
        return scores.masked_fill(removed.scatter(1, order, removed), -torch.inf)

    return process


def processors(options: Options, prompts: Prompts, device: torch.device) -> list[Processor]:
    """What is done to the scores, in order; empty for plain greedy search."""
    out: list[Processor] = []
    if options.repetition_penalty != 1:
        out.append(_repetition_penalty(options.repetition_penalty))
    if options.bad_words:
        out.append(_bad_words(options.bad_words, device))
    if options.eos and options.min_length > prompts.lengths.min():
        padding = prompts.ids.shape[1] - prompts.lengths
        least = torch.as_tensor(options.min_length + padding, device=device)
        out.append(_min_length(least.repeat_interleave(options.rows_per_prompt), options.eos))
    if options.do_sample:
        if options.temperature != 1:
            out.append(_temperature(options.temperature))
        if options.top_k is not None:
            out.append(_top_k(max(options.top_k, options.least_choice)))
        if options.top_p is not None:
            out.append(_top_p(options.top_p, options.least_choice))
    return out
