"""Bringing the rows of a batch to one length."""

from __future__ import annotations

from tx_core.messages import quoted

from .encoding import BatchEncoding
from .pretrained import UNLIMITED, checked_side
from .values import TOKEN_COLUMNS, as_ids, as_list, as_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .base import PreTrainedTokenizer

_PADDINGS = ("longest", "max_length", "do_not_pad")


def checked_padding(padding: bool | str) -> str:
    """``padding`` as "longest", "max_length" or "do_not_pad"; ValueError if it is nothing of the kind."""
    strategy = ("longest" if padding else "do_not_pad") if isinstance(padding, bool) else padding
    if strategy not in _PADDINGS:
        raise ValueError(f"padding={quoted(padding)} is not True, False or one of {', '.join(_PADDINGS)}")
    return strategy


def warn(message: str, *values: object) -> None:
    # Importing logging takes a third of the time that importing a tokenizer takes, so it waits until it is needed.
    import logging

    logging.getLogger(__name__).warning(message, *values)


def pad_columns(
    tokenizer: PreTrainedTokenizer,
    columns: Mapping[str, list[Any]],
    padding: str,
    length: int | None,
    multiple: int | None,
    side: str | None,
) -> None:
    """Pads every column of rows to one length, in place.

    Args:
        columns: rows by name. Columns of numbers a token are padded; those whose name begins with ``_`` are padded
            with None; others are left alone.
        padding: "longest" or "max_length".
        length: the length of "max_length"; None for the tokenizer's ``max_len``.
        multiple: rounds the length up to a multiple of this number.
        side: "left" or "right"; None for the tokenizer's ``padding_side``.

    Raises ValueError if something is to be padded and there is no ``pad_token``.
    """
    side = checked_side("padding_side", side or tokenizer.padding_side)
    if padding == "longest":
        length = max(map(len, columns["input_ids"]), default=0)
    elif length is None:
        if tokenizer.max_len >= UNLIMITED:
            warn("padding='max_length' without max_length= has no effect: the longest is not known")
            return
        length = tokenizer.max_len
    if multiple:
        length = -(-length // multiple) * multiple
    sizes = map(len, columns["input_ids"])
    short = [(number, length - size) for number, size in enumerate(sizes) if size < length]
    if not short:
        return
    pad = tokenizer.pad_token_id
    if pad is None:
        raise ValueError(
            "padding needs a pad_token: tokenizer.pad_token = tokenizer.eos_token, "
            "or tokenizer.add_special_tokens({'pad_token': '[PAD]'})"
        )
    fills: dict[str, Any] = dict(zip(TOKEN_COLUMNS, (pad, tokenizer.pad_token_type_id, 0, 1, (0, 0)), strict=True))
    for name, rows in columns.items():
        if name in fills or name.startswith("_"):
            fill = fills.get(name)
            for number, count in short:
                filling = [fill] * count
                rows[number] = filling + rows[number] if side == "left" else rows[number] + filling


def padded(
    tokenizer: PreTrainedTokenizer,
    encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    padding: bool | str,
    max_length: int | None,
    multiple: int | None,
    side: str | None,
    return_attention_mask: bool | None,
    return_tensors: str | None,
) -> BatchEncoding:
    """What ``PreTrainedTokenizer.pad`` answers."""
    columns = _columns(encoded_inputs)
    if "input_ids" not in columns:
        raise ValueError(f"an encoding to pad needs input_ids; this has {', '.join(columns) or 'nothing'}")
    ids = as_list(columns["input_ids"])
    single = len(ids) > 0 and isinstance(as_plain(ids[0]), int)
    if single:
        columns = {name: [column] for name, column in columns.items()}
    for name in TOKEN_COLUMNS:
        if name in columns:
            read = as_ids if name == "input_ids" else _plain
            columns[name] = [read(row) for row in columns[name]]
    if return_attention_mask is None:
        return_attention_mask = "attention_mask" in tokenizer.model_input_names
    if return_attention_mask and "attention_mask" not in columns:
        columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
    strategy = checked_padding(padding)
    if strategy != "do_not_pad":
        pad_columns(tokenizer, columns, strategy, max_length, multiple, side)
    if return_tensors is None:
        columns = {name: _plain(column) for name, column in columns.items()}
    shaped: dict[str, Any] = {name: column[0] for name, column in columns.items()} if single else columns
    return BatchEncoding(shaped).convert_to_tensors(return_tensors, prepend_batch_axis=single)


def _columns(encoded_inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of a dictionary of them, or of a list of rows; values as they are."""
    keyed: Any = encoded_inputs
    if hasattr(keyed, "keys"):
        return {name: keyed[name] for name in keyed}
    rows: list[Any] = list(keyed)
    names = list(rows[0]) if rows else []
    for number, row in enumerate(rows):
        if {*row} != {*names}:
            raise ValueError(
                f"row {number} to pad has {', '.join(row) or 'nothing'}, but row 0 has {', '.join(names) or 'nothing'}"
                ": drop what is not in all rows"
            )
    return {name: [row[name] for row in rows] for name in names}


def _plain(value: Any) -> Any:
    """Lists and Python's own numbers of what may hold arrays, tensors and their numbers."""
    value = as_plain(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
