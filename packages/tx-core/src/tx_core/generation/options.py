"""Text generation, the half that no framework is needed for: arguments, prompts, beams, stop strings, results.

``generation_torch`` and ``generation_tf`` do the rest, with the same arguments and the same greedy and beam results.

Shapes: B prompts, R rows (B times the sequences or beams of each), S longest prompt, T new tokens, V vocabulary,
K candidates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tx_core.outputs import output

IntArray = np.ndarray[Any, np.dtype[np.int64]]
FloatArray = np.ndarray[Any, np.dtype[np.float32]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]

# Why a sequence ended.
EOS, STOP_STRING, LENGTH = "eos", "stop_string", "length"

# Far below any sum of log-probabilities, and finite: what is ruled out still compares.
_RULED_OUT = np.float32(-1e9)


class Decodes(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, token_ids: list[int]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked arguments of ``generate``; see there. ``None`` stands for "not given"."""

    max_length: int | None
    max_new_tokens: int | None
    min_length: int
    do_sample: bool
    temperature: float
    top_k: int | None
    top_p: float | None
    repetition_penalty: float
    num_beams: int
    length_penalty: float
    early_stopping: bool | str
    num_return_sequences: int
    bad_words: tuple[tuple[int, ...], ...]
    eos: tuple[int, ...]
    pad: int | None
    stop_strings: tuple[str, ...]
    tokenizer: Decodes | None
    output_scores: bool
    stream: bool

    @property
    def rows_per_prompt(self) -> int:
        """How many sequences are written for each prompt at a time."""
        return self.num_beams if self.num_beams > 1 else self.num_return_sequences


def _ids(name: str, value: Any, vocab_size: int) -> tuple[int, ...]:
    # A tensor of no axes is an Iterable that cannot be iterated over.
    ids = tuple(value) if isinstance(value, Iterable) and getattr(value, "ndim", None) != 0 else (value,)
    for each in ids:
        if isinstance(each, bool) or not hasattr(each, "__index__"):
            raise TypeError(f"{name} must be given as token ids, whole numbers, not {each!r}")
        if not 0 <= each < vocab_size:
            raise ValueError(f"{name} is {each}, but the vocabulary has only the ids 0 to {vocab_size - 1}")
    return tuple(each.__index__() for each in ids)


def _configured(config: Any, name: str, vocab_size: int) -> tuple[int, ...]:
    # Published configurations of small models name tokens of the large one's vocabulary; these never come up.
    found: int | list[int] | None = getattr(config, name, None)
    ids = [found] if isinstance(found, int) else found or []
    return tuple(each for each in ids if 0 <= each < vocab_size)


def _whole(name: str, value: Any, least: int | None = None) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _finite(name: str, value: Any) -> None:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")


def check_options(
    config: Any,
    *,
    max_length: int | None,
    max_new_tokens: int | None,
    min_length: int,
    do_sample: bool,
    temperature: float | None,
    top_k: int | None,
    top_p: float | None,
    repetition_penalty: float,
    num_beams: int,
    length_penalty: float | None,
    early_stopping: bool | str | None,
    num_return_sequences: int,
    bad_words_ids: Sequence[Sequence[int]] | None,
    eos_token_id: int | Sequence[int] | None,
    pad_token_id: int | None,
    stop_strings: str | Sequence[str] | None,
    tokenizer: Decodes | None,
    output_scores: bool,
    stream: bool,
    generator: Any,
    seed: int | None,
) -> Options:
    """Check the arguments of ``generate``, and take what is not given from the configuration.

    Raises:
        TypeError, ValueError: naming the argument, its value, and what would be right. An argument that would have no
            effect is an error too.
    """
    vocab_size = int(config.vocab_size)
    if (max_length is None) == (max_new_tokens is None):
        both = "" if max_length is None else ", not both"
        raise ValueError(f"give either max_length (with the prompt) or max_new_tokens{both}")
    _whole("min_length", min_length, 0)
    _whole("num_beams", num_beams, 1)
    _whole("num_return_sequences", num_return_sequences, 1)
    for name, whole in (("max_length", max_length), ("max_new_tokens", max_new_tokens), ("top_k", top_k)):
        if whole is not None:
            _whole(name, whole, 1)
    if seed is not None:
        _whole("seed", seed)
    _finite("repetition_penalty", repetition_penalty)
    for name, number in (("temperature", temperature), ("top_p", top_p), ("length_penalty", length_penalty)):
        if number is not None:
            _finite(name, number)
    if max_length is not None and min_length > max_length:
        raise ValueError(f"min_length is {min_length}, but max_length is {max_length}")
    if not repetition_penalty > 0:
        raise ValueError(f"repetition_penalty must be above 0 (1 for none), not {repetition_penalty}")

    for name, value in (("temperature", temperature), ("top_k", top_k), ("top_p", top_p)):
        if value is not None and not do_sample:
            raise ValueError(f"{name}={value} has an effect on sampling only: give do_sample=True")
    if generator is not None and seed is not None:
        raise ValueError("give either a generator or a seed, not both")
    if (generator is not None or seed is not None) and not do_sample:
        raise ValueError("a generator or seed has an effect on sampling only: give do_sample=True")
    if temperature is not None and not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}: leave out do_sample for the likeliest")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}")

    if num_beams == 1:
        for name, other in (("length_penalty", length_penalty), ("early_stopping", early_stopping)):
            if other is not None:
                raise ValueError(f"{name}={other!r} has an effect on beam search only: give num_beams")
        if num_return_sequences > 1 and not do_sample:
            raise ValueError(
                f"num_return_sequences={num_return_sequences} would return one sequence several times: "
                "give do_sample=True or num_beams"
            )
    elif num_return_sequences > num_beams:
        raise ValueError(f"num_return_sequences is {num_return_sequences}, but num_beams is only {num_beams}")
    elif stream:
        raise ValueError(f"stream=True needs tokens that stay: num_beams must be 1, not {num_beams}")
    if early_stopping not in (None, True, False, "never"):
        raise ValueError(f"early_stopping must be True, False or 'never', not {early_stopping!r}")

    if not all(isinstance(word, Iterable) for word in bad_words_ids or ()):
        raise TypeError(f"bad_words_ids must be a list of lists of ids, one for each word, not {bad_words_ids!r}")
    bad_words = tuple(_ids("bad_words_ids", word, vocab_size) for word in bad_words_ids or ())
    if () in bad_words:
        raise ValueError("bad_words_ids holds an empty word")
    if len({word for word in bad_words if len(word) == 1}) >= vocab_size:
        raise ValueError("bad_words_ids forbids the whole vocabulary")

    if eos_token_id is not None:
        eos = _ids("eos_token_id", eos_token_id, vocab_size)
    else:
        eos = _configured(config, "eos_token_id", vocab_size)
    if min_length > 0 and not eos:
        raise ValueError(f"min_length={min_length} has an effect on eos_token_id only: there is none")
    if pad_token_id is not None:
        pads = _ids("pad_token_id", (pad_token_id,), vocab_size)
    else:
        pads = _configured(config, "pad_token_id", vocab_size) or eos

    several = isinstance(stop_strings, Iterable) and not isinstance(stop_strings, str)
    strings: tuple[Any, ...] = () if stop_strings is None else tuple(stop_strings) if several else (stop_strings,)
    if not all(isinstance(each, str) and each for each in strings):
        raise ValueError(f"stop_strings must be texts that are not empty, not {stop_strings!r}")
    if strings and tokenizer is None:
        raise ValueError("stop_strings are looked for in decoded text: give tokenizer=")
    if tokenizer is not None and not strings:
        raise ValueError("tokenizer= is for stop_strings, which are not given")

    return Options(
        max_length=max_length,
        max_new_tokens=max_new_tokens,
        min_length=min_length,
        do_sample=do_sample,
        temperature=1.0 if temperature is None else float(temperature),
        top_k=top_k,
        top_p=None if top_p == 1 else top_p,
        repetition_penalty=float(repetition_penalty),
        num_beams=num_beams,
        length_penalty=1.0 if length_penalty is None else float(length_penalty),
        early_stopping=early_stopping if isinstance(early_stopping, str) else bool(early_stopping),
        num_return_sequences=num_return_sequences,
        bad_words=bad_words,
        eos=eos,
        pad=pads[0] if pads else None,
        stop_strings=strings,
        tokenizer=tokenizer,
        output_scores=output_scores,
        stream=stream,
    )


@dataclass(frozen=True)
class Prompts:
    """Prompts of possibly different lengths, in one array.

    Attributes:
        ids: (B, S), padded on the left.
        mask: (B, S), what is to be attended to; None if that is everything.
        lengths: (B,), without the padding on the left.
        limits: (B,), how many tokens may follow each.
    """

    ids: IntArray
    mask: BoolArray | None
    lengths: IntArray
    limits: IntArray

    @property
    def total(self) -> int:
        """The length of prompts and new tokens together."""
        return int(self.ids.shape[1] + self.limits.max())


def _rows(name: str, values: Any) -> list[np.ndarray[Any, Any]]:
    """An array for each prompt."""
    if isinstance(values, Mapping):
        raise TypeError(f"{name} must hold numbers, not {type(values).__name__}: unpack it, generate(**inputs, …)")
    if isinstance(values, str) or not hasattr(values, "__len__") or getattr(values, "ndim", None) == 0:
        raise TypeError(f"{name} must hold the numbers of each prompt's tokens, not {values!r}")
    return [np.asarray(row) for row in ([values] if len(values) and np.ndim(values[0]) == 0 else values)]


def _shape(rows: list[np.ndarray[Any, Any]]) -> str:
    alike = len({row.shape for row in rows}) == 1
    return str((len(rows), *rows[0].shape)) if alike else f"rows of {', '.join(str(row.size) for row in rows[:9])}"


def check_prompts(
    ids: Any, attention_mask: Any, options: Options, vocab_size: int, bos: int | None, max_positions: int | None
) -> Prompts:
    """Check prompts and put them into one array, padded on the left: all go on at the same position.

    Args:
        ids: (B, S), or a list of lists of different lengths, or one list; None for the token that begins a text.
        attention_mask: of the same form, 0 for padding on either side; None for no padding.
        bos: the token that begins a text, if there is one.
        max_positions: how many positions the model knows; None for no limit.

    Raises:
        ValueError, TypeError: naming the argument and what is wrong with it.
    """
    if ids is None:
        if bos is None:
            raise ValueError("input_ids are not given, and there is no bos_token_id to begin with")
        ids = [_ids("bos_token_id", (bos,), vocab_size)]
    rows = _rows("input_ids", ids)
    if not rows or any(row.ndim != 1 or row.size == 0 for row in rows):
        raise ValueError("input_ids must hold at least one prompt, (batch, sequence), each of at least one token")
    if not all(np.issubdtype(row.dtype, np.integer) for row in rows):
        raise TypeError(f"input_ids must hold token ids, not {next(r.dtype for r in rows if r.dtype.kind not in 'iu')}")
    low, high = min(int(row.min()) for row in rows), max(int(row.max()) for row in rows)
    if low < 0 or high >= vocab_size:
        wrong = low if low < 0 else high
        raise ValueError(f"input_ids holds {wrong}, but the vocabulary has only the ids 0 to {vocab_size - 1}")

    masks = [np.ones(len(row), np.bool_) for row in rows]
    if attention_mask is not None:
        masks = [row > 0 for row in _rows("attention_mask", attention_mask)]
        if [mask.shape for mask in masks] != [row.shape for row in rows]:
            raise ValueError(f"attention_mask must have the shape of input_ids, {_shape(rows)}, not {_shape(masks)}")
        if not all(mask.any() for mask in masks):
            raise ValueError(f"attention_mask leaves nothing of prompt {[bool(m.any()) for m in masks].index(False)}")
    width = max(len(row) for row in rows)
    # Without a padding token nothing has to be padded, which is checked below.
    padded = np.full((len(rows), width), options.pad or 0, np.int64)
    attended = np.zeros((len(rows), width), np.bool_)
    lengths = np.empty(len(rows), np.int64)
    for i, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        right = int(mask[::-1].argmax())  # padding on the right goes to the left
        row, mask = np.roll(row, right), np.roll(mask, right)
        padded[i, width - len(row) :] = row
        attended[i, width - len(row) :] = mask
        lengths[i] = width - int(attended[i].argmax())
    if any(len(row) < width for row in rows) and options.pad is None:
        raise ValueError("the prompts differ in length: give pad_token_id to fill the shorter ones up with")

    if options.max_new_tokens is not None:
        limits = np.full(len(rows), options.max_new_tokens, np.int64)
    else:
        assert options.max_length is not None
        limits = options.max_length - lengths
        if limits.min() < 1:
            raise ValueError(
                f"max_length is {options.max_length}, but a prompt has {lengths.max()} tokens already; "
                "max_new_tokens counts without the prompt"
            )
        if len(set(limits.tolist())) > 1 and options.pad is None:
            raise ValueError("max_length lets the prompts' continuations differ in length: give pad_token_id")
    longest = int((lengths + limits).max())
    if max_positions is not None and longest > max_positions:
        raise ValueError(
            f"prompt and new tokens would be {longest} tokens, but the model knows only {max_positions} positions: "
            "shorten the prompt, or ask for fewer tokens"
        )
    return Prompts(padded, None if attended.all() else attended, lengths, limits)


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
        return max(2, 1 + len(self._options.eos)) * self._options.num_beams

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


def generation_output(
    sequences: Any, stop_reasons: tuple[str, ...], scores: Any = None, sequence_scores: Any = None
) -> tuple[Any, ...]:
    """What ``generate`` returns: ``(sequences, stop_reasons)``, with scores asked for also ``scores`` and, from beam
    search, ``sequence_scores``.
    """
    result: tuple[Any, ...] = output(
        "GenerationOutput",
        sequences=sequences,
        stop_reasons=stop_reasons,
        scores=scores,
        sequence_scores=sequence_scores,
    )
    return result


class TokenStream(Iterator[tuple[int | None, ...]]):
    """The tokens of a ``generate(..., stream=True)`` as they come: one a row, None for a row that has ended.

    ``output`` is the whole result, once the stream is exhausted.
    """

    def __init__(self, steps: Generator[tuple[int | None, ...], None, Callable[[], tuple[Any, ...]]]) -> None:
        self._steps = steps
        self._output: tuple[Any, ...] | None = None

    def __next__(self) -> tuple[int | None, ...]:
        try:
            return next(self._steps)
        except StopIteration as end:
            if self._output is None and end.value is not None:
                self._output = end.value()
            raise StopIteration from None

    @property
    def output(self) -> Any:
        """The GenerationOutput.

        Raises:
            RuntimeError: if there are tokens still to come.
        """
        if self._output is None:
            raise RuntimeError("the stream has not ended: take all its tokens before its output")
        return self._output
