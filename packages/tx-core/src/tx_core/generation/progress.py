"""How far ``generate`` has come: which sequences have ended, and why. Needs no framework.

Shapes: B prompts, R rows (B times the sequences or beams of each), S longest prompt, T new tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .options import Decodes, Options
from .prompts import BoolArray, IntArray, Prompts

# Why a sequence ended.
EOS, STOP_STRING, LENGTH = "eos", "stop_string", "length"


class StopStrings:
    """Tells which texts contain one of some strings, by looking at the last tokens only."""

    def __init__(self, strings: Sequence[str], tokenizer: Decodes) -> None:
        self._strings = strings
        self._tokenizer = tokenizer
        # A token stands for at least one byte; the margin is for special tokens and pieces of a character.
        self._window = max(len(each.encode()) for each in strings) + 8

    def found(self, tokens: Sequence[int]) -> bool:
        """Whether one of the strings ends in the last of the new tokens of a text (or is in the last few)."""
        text = self._tokenizer.decode([int(token) for token in tokens[-self._window :]])
        return any(each in text for each in self._strings)


def stop_strings(options: Options) -> StopStrings | None:
    """The stop strings of some options, if there are any."""
    if not options.stop_strings:
        return None
    assert options.tokenizer is not None
    return StopStrings(options.stop_strings, options.tokenizer)


class Progress:
    """Rows that become longer by a token at a time. What comes after a row's end does not count.

    Attributes:
        length: the length of all rows, with prompts and padding.
        new: how many of these tokens are new.
        most: how many new tokens there will be at most.
        limits: (R,), how many tokens may follow each prompt.
        watched: whether rows may end before the others. If not, nobody has to look at their tokens.
        ended: (R,), which have.
        reasons: (R,), why each ended, or will.
    """

    def __init__(self, prompts: Prompts, options: Options) -> None:
        self.prompts = prompts
        self.options = options
        self.limits = prompts.limits.repeat(options.rows_per_prompt)
        self.most = int(self.limits.max())
        self.width: int = prompts.ids.shape[1]  # S
        self.length: int = self.width
        self.ended: BoolArray = np.zeros(len(self.limits), np.bool_)
        self.reasons: np.ndarray[Any, Any] = np.full(len(self.limits), LENGTH, dtype=object)
        self._all_ended = False
        self._eos = np.array(options.eos, np.int64)
        self._strings = stop_strings(options)
        self._texts: list[list[int]] = [[] for _ in self.limits]
        self._lengths = self.limits.copy()  # of the new tokens of each row
        self._same_limits = bool((self.limits == self.most).all())
        self.watched = bool(options.eos) or self._strings is not None or not self._same_limits

    @property
    def new(self) -> int:
        """How many tokens follow the prompts."""
        return self.length - self.width

    def note(self, tokens: IntArray | None) -> bool:
        """One more token (R,) a row has come; None where nobody looks at them. Returns whether this was the last."""
        self.length += 1
        if tokens is not None and self.watched:
            if self.options.eos:
                self._end((tokens[:, None] == self._eos).any(1), EOS)
            if self._strings is not None:
                self._end(self._end_in_strings(tokens, self._strings), STOP_STRING)
            if not self._same_limits:
                self._end(self.limits <= self.new, LENGTH)
        return self._all_ended or self.new >= self.most

    def _end_in_strings(self, tokens: IntArray, strings: StopStrings) -> BoolArray:
        for text, token in zip(self._texts, tokens.tolist(), strict=True):
            text.append(token)
        found = [not over and strings.found(text) for over, text in zip(self.ended, self._texts, strict=True)]
        return np.array(found)

    def _end(self, now: BoolArray, reason: str) -> None:
        if not now.any():
            return
        now = now & ~self.ended
        self.reasons[now] = reason
        self._lengths[now] = self.new
        self.ended |= now
        self._all_ended = bool(self.ended.all())

    def beyond(self) -> BoolArray:
        """(R, T), which of the new tokens came after the ends of their rows."""
        ends = np.where(self.ended, self._lengths, self.new)
        beyond: BoolArray = np.arange(self.new) >= ends[:, None]
        return beyond
