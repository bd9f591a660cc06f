"""What callers give, as plain Python: numbers and lists of arrays and tensors of any framework."""

from __future__ import annotations

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Columns that have a value for each token. They are padded.
TOKEN_COLUMNS = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask", "offset_mapping")


def as_plain(value: Any) -> Any:
    """A number or (nested) list of what an array or tensor holds; anything else as it is."""
    if hasattr(value, "numpy") and not hasattr(value, "tolist"):
        value = value.numpy()
    return value.tolist() if hasattr(value, "tolist") else value


def as_list(value: Any) -> list[Any]:
    """A list of a list, tuple, array or tensor."""
    return list(as_plain(value))


def as_rows(value: Any) -> Any:
    """A list of the rows of a column (an array, a Series, whatever has a length and places); anything else as it is."""
    if isinstance(value, str | list | tuple | bytes | bytearray) or hasattr(value, "keys"):
        return value if not hasattr(value, "to_list") else value.to_list()
    value = as_plain(value)
    places = hasattr(value, "__len__") and hasattr(value, "__getitem__") and hasattr(value, "__iter__")
    return list(value) if places and not isinstance(value, str | list) else value


def as_batch(value: Any) -> Any:
    """The same of anything with items, such as a generator. A text is no batch of its characters."""
    rows = as_rows(value)
    return rows if isinstance(rows, str | list | tuple) or not hasattr(rows, "__iter__") else list(rows)


def as_ids(value: Any) -> list[int]:
    """A row of ids. Raises ValueError if it is none."""
    ids = [as_plain(item) for item in value] if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    for index in ids:
        if isinstance(index, list | tuple):
            raise ValueError(
                f"one row of ids is wanted, not rows of them ({quoted(value)}): batch_decode takes several"
            )
        if not isinstance(index, int):
            raise ValueError(f"ids are whole numbers, not {quoted(index)}")
    return ids
