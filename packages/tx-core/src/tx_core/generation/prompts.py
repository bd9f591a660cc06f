"""The prompts of ``generate``: checked, and put into one array. Needs no framework.

Shapes: B prompts, S longest prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tx_core.messages import quoted
from tx_core.models.inputs import outside

from .options import Options, token_ids

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
Rows = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Prompts:
    """Prompts of possibly different lengths, in one array.

    Attributes:
        ids: (B, S), padded on the left.
        mask: (B, S), what is to be attended to; None if that is everything.
        lengths: (B,), without the padding on the left.
        limits: (B,), how many tokens may follow each.
        extra: further inputs of the model by name, (B, S), 0 at the padding.
    """

    ids: IntArray
    mask: BoolArray | None
    lengths: IntArray
    limits: IntArray
    extra: Mapping[str, IntArray] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The length of prompts and new tokens together."""
        return int(self.ids.shape[1] + self.limits.max())

    @property
    def attended(self) -> BoolArray:
        """(B, S), what is to be attended to."""
        return np.ones(self.ids.shape, np.bool_) if self.mask is None else self.mask

    @property
    def marked(self) -> IntArray:
        """(B, S), the ids, but -1 for the padding and whatever else is not to be attended to."""
        return self.ids if self.mask is None else np.where(self.mask, self.ids, -1)

    @classmethod
    def check(
        cls,
        ids: Any,
        attention_mask: Any,
        options: Options,
        vocab_size: int,
        bos: int | None,
        max_positions: int | None,
        extra: Mapping[str, Any] | None = None,
    ) -> Prompts:
        """Check prompts and put them into one array, padded on the left: all go on at the same place.

        Args:
            ids: (B, S), or a list of lists of different lengths, or one list; None for the token that begins a text.
            attention_mask: of the same form, 0 for padding on either side; None for no padding.
            bos: the token that begins a text, if there is one.
            max_positions: how many positions the model knows; None for no limit.
            extra: further inputs of the same form, a whole number for each token; None for those not given.

        Raises:
            ValueError, TypeError: naming the argument and what is wrong with it.
        """
        rows = _checked_ids(ids, vocab_size, bos)
        masks = [np.ones(len(row), np.bool_) for row in rows]
        if attention_mask is not None:
            masks = [row > 0 for row in _rows("attention_mask", attention_mask)]
            _check_form("attention_mask", masks, rows)
            empty = [i for i, mask in enumerate(masks) if not mask.any()]
            if empty:
                raise ValueError(f"attention_mask leaves nothing of prompt {empty[0]}")
        # Without a padding token nothing has to be padded, which is checked below.
        padded = _on_the_right(rows, masks, options.pad or 0)
        attended = _on_the_right(masks, masks, 0).astype(np.bool_)
        lengths = attended.shape[1] - attended.argmax(1)
        if any(len(row) < padded.shape[1] for row in rows) and options.pad is None:
            raise ValueError("the prompts differ in length: give pad_token_id to fill the shorter ones up with")
        limits = _limits(lengths, options, max_positions)
        others = {name: _checked_extra(name, x, rows) for name, x in (extra or {}).items() if x is not None}
        aligned = {name: _on_the_right(each, masks, 0) for name, each in others.items()}
        return cls(padded, None if attended.all() else attended, lengths, limits, aligned)


def _rows(name: str, values: Any) -> Rows:
    """An array for each prompt."""
    if isinstance(values, Mapping):
        raise TypeError(f"{name} must hold numbers, not {type(values).__name__}: unpack it, generate(**inputs, …)")
    if isinstance(values, str) or not hasattr(values, "__len__") or getattr(values, "ndim", None) == 0:
        raise TypeError(f"{name} must hold the numbers of each prompt's tokens, not {quoted(values)}")
    return [np.asarray(row) for row in ([values] if len(values) and np.ndim(values[0]) == 0 else values)]


def _shape(rows: Rows) -> str:
    alike = len({row.shape for row in rows}) == 1
    return str((len(rows), *rows[0].shape)) if alike else f"rows of {', '.join(str(row.size) for row in rows[:9])}"


def _check_form(name: str, rows: Rows, ids: Rows) -> None:
    if [row.shape for row in rows] != [row.shape for row in ids]:
        raise ValueError(f"{name} must have the shape of input_ids, {_shape(ids)}, not {_shape(rows)}")


def _checked_ids(ids: Any, vocab_size: int, bos: int | None) -> Rows:
    if ids is None:
        if bos is None:
            raise ValueError("input_ids are not given, and there is no bos_token_id to begin with")
        ids = [token_ids("bos_token_id", (bos,), vocab_size)]
    rows = _rows("input_ids", ids)
    if not rows or any(row.ndim != 1 or row.size == 0 for row in rows):
        raise ValueError("input_ids must hold at least one prompt, (batch, sequence), each of at least one token")
    if not all(np.issubdtype(row.dtype, np.integer) for row in rows):
        raise TypeError(f"input_ids must hold token ids, not {next(r.dtype for r in rows if r.dtype.kind not in 'iu')}")
    low, high = min(int(row.min()) for row in rows), max(int(row.max()) for row in rows)
    if low < 0 or high >= vocab_size:
        before, after = outside("input_ids", vocab_size, "words", low >= 0)
        raise ValueError(f"{before} {low if low < 0 else high}, {after}")
    return rows


def _checked_extra(name: str, values: Any, ids: Rows) -> Rows:
    rows = _rows(name, values)
    _check_form(name, rows, ids)
    for row in rows:
        if not np.issubdtype(row.dtype, np.integer):
            raise TypeError(f"{name} must hold whole numbers, not {row.dtype}")
    return rows


def _on_the_right(rows: Sequence[np.ndarray[Any, Any]], masks: Sequence[BoolArray], fill: int) -> IntArray:
    """Rows in one array (B, S). Padding on their right goes to the left, where more is added to the shorter ones."""
    width = max(len(row) for row in rows)
    padded = np.full((len(rows), width), fill, np.int64)
    for i, (row, mask) in enumerate(zip(rows, masks, strict=True)):
        padded[i, width - len(row) :] = np.roll(row, int(mask[::-1].argmax()))
    return padded


def _limits(lengths: IntArray, options: Options, max_positions: int | None) -> IntArray:
    """How many tokens may follow each prompt: (B,)."""
    if options.max_new_tokens is not None:
        limits = np.full(len(lengths), options.max_new_tokens, np.int64)
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
    return limits
