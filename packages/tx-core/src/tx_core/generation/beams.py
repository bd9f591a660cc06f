"""Beam search, the half that needs no framework.

Shapes: B prompts, R rows (B times the beams of each), T new tokens, K candidates.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .options import Options
from .progress import EOS, LENGTH, STOP_STRING, stop_strings
from .prompts import BoolArray, IntArray

FloatArray = np.ndarray[Any, np.dtype[np.float32]]

# Far below any sum of log-probabilities, and finite: what is ruled out still compares.
_RULED_OUT = np.float32(-1e9)


class BeamSearch:
    """Which beams go on and which sequences are the best so far, for every prompt of a batch.

    A prompt's candidates are the best continuations of its beams. Those among the best ``num_beams`` that end are kept
    if their score, the sum of log-probabilities divided by ``length ** length_penalty``, is among the best kept; the
    best that do not end go on. A prompt is done when ``early_stopping`` is True and ``num_beams`` sequences are kept;
    when no beam's score can exceed the worst kept one (by its present length, or with "never" by the greatest length if
    that favours it); or when all its candidates end.

    Args:
        limits: (B,), how many tokens may follow each prompt.
        options: of ``generate``.
    """

    def __init__(self, limits: IntArray, options: Options) -> None:
        batch, beams, steps = len(limits), options.num_beams, int(limits.max())
        self._options = options
        self._limits = limits
        self._strings = stop_strings(options)
        self._step = 0
        # Of the beams that go on. At first all beams of a prompt are the same, so only one counts.
        self.scores: FloatArray = np.full((batch, beams), _RULED_OUT, np.float32)
        self.scores[:, 0] = 0
        self._tokens: IntArray = np.zeros((batch, beams, steps), np.int64)
        self._logprobs: FloatArray = np.zeros((batch, beams, steps), np.float32)
        # Of the sequences kept.
        self._kept_scores: FloatArray = np.full((batch, beams), _RULED_OUT, np.float32)
        self._kept: BoolArray = np.zeros((batch, beams), np.bool_)
        self._kept_tokens = self._tokens.copy()
        self._kept_logprobs = self._logprobs.copy()
        self._kept_lengths: IntArray = np.zeros((batch, beams), np.int64)
        self._kept_reasons: np.ndarray[Any, Any] = np.full((batch, beams), LENGTH, dtype=object)
        self.done: BoolArray = np.zeros(batch, np.bool_)

    @property
    def num_candidates(self) -> int:
        """K: enough that ``num_beams`` are left even if every beam's best continuations end."""
        return self._options.least_choice * self._options.num_beams

    def advance(self, scores: FloatArray, beams: IntArray, tokens: IntArray) -> tuple[IntArray, IntArray]:
        """Choose the beams that go on.

        Args:
            scores: (B, K), sums of log-probabilities, best first. beams: (B, K), the beam each continues, from 0.
            tokens: (B, K), the token it continues it with.

        Returns:
            (R,), the row each beam continues; and (R,), its new token.
        """
        options, step, beams_wanted = self._options, self._step, self._options.num_beams
        batch = np.arange(len(scores))[:, None]
        ended_by_eos = np.isin(tokens, options.eos)
        ended_by_string = np.zeros_like(ended_by_eos)
        if self._strings is not None:
            for b, k in np.argwhere(~ended_by_eos & ~self.done[:, None]):
                text = [*self._tokens[b, beams[b, k], :step], tokens[b, k]]
                ended_by_string[b, k] = self._strings.found(text)
        ended = ended_by_eos | ended_by_string | (step + 1 >= self._limits)[:, None]

        histories = self._tokens[batch, beams]  # (B, K, T)
        histories[:, :, step] = tokens
        logprobs = self._logprobs[batch, beams]
        with np.errstate(invalid="ignore"):  # of what is ruled out altogether, -inf: it is never kept
            logprobs[:, :, step] = scores - self.scores[batch, beams]

        self._keep(scores, ended, ended_by_eos, ended_by_string, histories, logprobs)
        running = scores + ended.astype(np.float32) * _RULED_OUT
        order = np.argsort(-running, axis=1, kind="stable")[:, :beams_wanted]
        self.scores = running[batch, order]
        self._tokens = histories[batch, order]
        self._logprobs = logprobs[batch, order]
        self._step += 1
        self.done |= ended.all(1) | self._cannot_improve()
        rows = beams[batch, order] + batch * beams_wanted
        return rows.reshape(-1), tokens[batch, order].reshape(-1)

    def _keep(
        self,
        scores: FloatArray,
        ended: BoolArray,
        by_eos: BoolArray,
        by_string: BoolArray,
        histories: IntArray,
        logprobs: FloatArray,
    ) -> None:
        beams = self._options.num_beams
        new = ended & ~self.done[:, None]
        new[:, beams:] = False
        if not new.any():
            return
        length = self._step + 1
        penalised = (scores / length**self._options.length_penalty).astype(np.float32)
        penalised += (~new).astype(np.float32) * _RULED_OUT
        reasons = np.where(by_eos, EOS, np.where(by_string, STOP_STRING, LENGTH)).astype(object)
        merged = np.concatenate((self._kept_scores, penalised), 1)
        batch = np.arange(len(scores))[:, None]
        order = np.argsort(-merged, axis=1, kind="stable")[:, :beams]

        def best(kept: np.ndarray[Any, Any], candidates: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            chosen: np.ndarray[Any, Any] = np.concatenate((kept, candidates), 1)[batch, order]
            return chosen

        self._kept_scores = merged[batch, order]
        self._kept = best(self._kept, new)
        self._kept_tokens = best(self._kept_tokens, histories)
        self._kept_logprobs = best(self._kept_logprobs, logprobs)
        self._kept_lengths = best(self._kept_lengths, np.full(new.shape, length, np.int64))
        self._kept_reasons = best(self._kept_reasons, reasons)

    def _cannot_improve(self) -> BoolArray:
        options = self._options
        lengths = np.full(len(self.scores), self._step, np.int64)
        if options.early_stopping == "never" and options.length_penalty > 0:
            lengths = self._limits
        # Powers of single numbers: those of arrays differ in the last digit between platforms.
        divisors = np.array([int(length) ** options.length_penalty for length in lengths], np.float32)
        best = self.scores[:, 0] / divisors
        worst = np.where(self._kept, self._kept_scores.min(1, keepdims=True), _RULED_OUT).min(1)
        hopeless: BoolArray = ~(best > worst)
        return hopeless | self._kept.all(1) if options.early_stopping is True else hopeless

    def result(self, pad: int | None) -> tuple[IntArray, tuple[str, ...], FloatArray, FloatArray]:
        """The best sequences of every prompt, best first.

        Returns:
            New tokens (B·num_return_sequences, T), stop reasons, scores, and the log-probabilities of the tokens.
        """
        count = self._options.num_return_sequences
        tokens, lengths = self._kept_tokens[:, :count], self._kept_lengths[:, :count]
        longest = int(lengths.max())
        beyond = np.arange(longest) >= lengths[:, :, None]
        tokens = np.where(beyond, pad or 0, tokens[:, :, :longest]).reshape(-1, longest)
        logprobs = np.where(beyond, np.float32(0), self._kept_logprobs[:, :count, :longest]).reshape(-1, longest)
        reasons = tuple(str(each) for each in self._kept_reasons[:, :count].reshape(-1))
        return tokens, reasons, self._kept_scores[:, :count].reshape(-1), logprobs
