"""Which types of numbers a format holds, and arrays that are cast to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tx_core.checkpoints.base import BFLOAT16
from tx_core.messages import quoted
from tx_core.weights import Array

#: The types that weights are written in, by their names.
TYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": BFLOAT16,
}
# What each format can be asked for, and what it holds without a cast; all else becomes float32. The authors' programs
# of TensorFlow 1 have variables of float32, and so have Keras's models unless they are told otherwise.
_ASKED = {
    "safetensors": ("float64", "float32", "float16", "bfloat16"),
    "bin": ("float64", "float32", "float16", "bfloat16"),
    "h5": ("float64", "float32", "float16"),
    "tf1": ("float32",),
    "keras": ("float32", "float16", "bfloat16"),
}
_KEPT = {**_ASKED, "tf1": ("float64", "float32"), "keras": ("float32",)}


def check_dtype(dtype: str | None, to: str) -> None:
    """Raise ValueError if a format cannot be asked for a type."""
    if dtype is not None and dtype not in _ASKED[to]:
        raise ValueError(f"dtype is {quoted(dtype)}; as {to} there can be {', '.join(_ASKED[to])}")


def type_in(to: str, found: str, dtype: str | None) -> str:
    """The type that an array of a type has in a format."""
    return dtype or (found if found in _KEPT[to] else "float32")


def cast(array: Array, dtype: str, name: str) -> Array:
    """The array in another type.

    Raises:
        ValueError: a number is too large for it.
    """
    wanted = TYPES[dtype]
    if array.dtype == wanted:
        return array
    with np.errstate(over="ignore"):
        values = array.astype(wanted)
    if not np.array_equal(np.isfinite(values), np.isfinite(array)):
        raise ValueError(f"{name} has numbers that are too large for {dtype}: convert to bfloat16 or float32")
    return values
