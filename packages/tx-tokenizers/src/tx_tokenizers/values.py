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
