"""The arguments of ``generate``, checked. Needs no framework."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from tx_core.messages import quoted


class Decodes(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, token_ids: list[int]) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Options:
    """The checked arguments of ``generate``; see there. ``None`` stands for "not given".

    Attributes:
        bad_words: ``bad_words_ids``. eos, pad: ``eos_token_id`` and ``pad_token_id``, or the configuration's.
    """

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

    @classmethod
    def check(cls, config: Any, given: Mapping[str, Any]) -> Options:
        """Check the arguments of ``generate``, and take what is not given from the configuration.

        Args:
            config: the model's.
            given: the arguments by name.

        Raises:
            TypeError, ValueError: naming the argument, its value, and what would be right. An argument that would have
                no effect is an error too.
        """
        vocab_size = int(config.vocab_size)
        _check_numbers(given)
        _check_sampling(given)
        _check_beams(given)
        bad_words = _bad_words(given["bad_words_ids"], vocab_size)
        eos, pad = _special_tokens(config, given, vocab_size)
        early, temperature, penalty = given["early_stopping"], given["temperature"], given["length_penalty"]
        checked: dict[str, Any] = {
            "temperature": 1.0 if temperature is None else float(temperature),
            "top_p": None if given["top_p"] == 1 else given["top_p"],
            "repetition_penalty": float(given["repetition_penalty"]),
            "length_penalty": 1.0 if penalty is None else float(penalty),
            "early_stopping": early if isinstance(early, str) else bool(early),
            "bad_words": bad_words,
            "eos": eos,
            "pad": pad,
            "stop_strings": _stop_strings(given["stop_strings"], given["tokenizer"]),
        }
        return cls(**{each.name: given[each.name] for each in fields(cls) if each.name not in checked}, **checked)

    @property
    def rows_per_prompt(self) -> int:
        """How many sequences are written for each prompt at a time."""
        return self.num_beams if self.num_beams > 1 else self.num_return_sequences

    @property
    def least_choice(self) -> int:
        """How many tokens sampling always has to choose from.

        Beams have to have something left if their best tokens end them.
        """
        return 1 if self.num_beams == 1 else max(2, 1 + len(self.eos))


def token_ids(name: str, value: Any, vocab_size: int) -> tuple[int, ...]:
    """An argument that is one id or several, as a tuple.

    Raises:
        TypeError, ValueError: if these are not whole numbers, or not in the vocabulary.
    """
    # A tensor of no axes is an Iterable that cannot be iterated over.
    ids = tuple(value) if isinstance(value, Iterable) and getattr(value, "ndim", None) != 0 else (value,)
    for each in ids:
        if isinstance(each, bool) or not hasattr(each, "__index__"):
            raise TypeError(f"{name} must be given as token ids, whole numbers, not {quoted(each)}")
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
        raise TypeError(f"{name} must be a whole number, not {quoted(value)}")
    if least is not None and value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")


def _finite(name: str, value: Any) -> None:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise TypeError(f"{name} must be a number, not {quoted(value)}")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, not {value}")


def _check_numbers(given: Mapping[str, Any]) -> None:
    longest, least, penalty = given["max_length"], given["min_length"], given["repetition_penalty"]
    if (longest is None) == (given["max_new_tokens"] is None):
        both = "" if longest is None else ", not both"
        raise ValueError(f"give either max_length (with the prompt) or max_new_tokens{both}")
    _whole("min_length", least, 0)
    _whole("num_beams", given["num_beams"], 1)
    _whole("num_return_sequences", given["num_return_sequences"], 1)
    for name in ("max_length", "max_new_tokens", "top_k"):
        if given[name] is not None:
            _whole(name, given[name], 1)
    if given["seed"] is not None:
        _whole("seed", given["seed"])
    _finite("repetition_penalty", penalty)
    for name in ("temperature", "top_p", "length_penalty"):
        if given[name] is not None:
            _finite(name, given[name])
    if longest is not None and least > longest:
        raise ValueError(f"min_length is {least}, but max_length is {longest}")
    if not penalty > 0:
        raise ValueError(f"repetition_penalty must be above 0 (1 for none), not {penalty}")


def _check_sampling(given: Mapping[str, Any]) -> None:
    temperature, top_p, samples = given["temperature"], given["top_p"], given["do_sample"]
    for name in ("temperature", "top_k", "top_p"):
        if given[name] is not None and not samples:
            raise ValueError(f"{name}={given[name]} has an effect on sampling only: give do_sample=True")
    sources = [given[name] for name in ("generator", "seed") if given[name] is not None]
    if len(sources) > 1:
        raise ValueError("give either a generator or a seed, not both")
    if sources and not samples:
        raise ValueError("a generator or seed has an effect on sampling only: give do_sample=True")
    if temperature is not None and not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}: leave out do_sample for the likeliest")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}")


def _check_beams(given: Mapping[str, Any]) -> None:
    beams, returned, early = given["num_beams"], given["num_return_sequences"], given["early_stopping"]
    if beams == 1:
        for name in ("length_penalty", "early_stopping"):
            if given[name] is not None:
                raise ValueError(f"{name}={quoted(given[name])} has an effect on beam search only: give num_beams")
        if returned > 1 and not given["do_sample"]:
            raise ValueError(
                f"num_return_sequences={returned} would return one sequence several times: "
                "give do_sample=True or num_beams"
            )
    elif returned > beams:
        raise ValueError(f"num_return_sequences is {returned}, but num_beams is only {beams}")
    elif given["stream"]:
        raise ValueError(f"stream=True needs tokens that stay: num_beams must be 1, not {beams}")
    if early not in (None, True, False, "never"):
        raise ValueError(f"early_stopping must be True, False or 'never', not {quoted(early)}")


def _bad_words(given: Any, vocab_size: int) -> tuple[tuple[int, ...], ...]:
    words = given or ()
    if not all(isinstance(word, Iterable) for word in words):
        raise TypeError(f"bad_words_ids must be a list of lists of ids, one for each word, not {quoted(given)}")
    bad_words = tuple(token_ids("bad_words_ids", word, vocab_size) for word in words)
    if () in bad_words:
        raise ValueError("bad_words_ids holds an empty word")
    if len({word for word in bad_words if len(word) == 1}) >= vocab_size:
        raise ValueError("bad_words_ids forbids the whole vocabulary")
    return bad_words


def _special_tokens(config: Any, given: Mapping[str, Any], vocab_size: int) -> tuple[tuple[int, ...], int | None]:
    eos, pad, least = given["eos_token_id"], given["pad_token_id"], given["min_length"]
    if eos is not None:
        eos = token_ids("eos_token_id", eos, vocab_size)
    else:
        eos = _configured(config, "eos_token_id", vocab_size)
    if least > 0 and not eos:
        raise ValueError(f"min_length={least} has an effect on eos_token_id only: there is none")
    if pad is not None:
        pads = token_ids("pad_token_id", (pad,), vocab_size)
    else:
        pads = _configured(config, "pad_token_id", vocab_size) or eos
    return eos, pads[0] if pads else None


def _stop_strings(given: Any, tokenizer: Decodes | None) -> tuple[str, ...]:
    several = isinstance(given, Iterable) and not isinstance(given, str)
    strings: tuple[Any, ...] = () if given is None else tuple(given) if several else (given,)
    if not all(isinstance(each, str) and each for each in strings):
        raise ValueError(f"stop_strings must be texts that are not empty, not {quoted(given)}")
    if strings and tokenizer is None:
        raise ValueError("stop_strings are looked for in decoded text: give tokenizer=")
    if tokenizer is not None and not strings:
        raise ValueError("tokenizer= is for stop_strings, which are not given")
    return strings
