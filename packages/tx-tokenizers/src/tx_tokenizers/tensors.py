"""Columns of an encoding as tensors of NumPy, PyTorch or TensorFlow."""

from __future__ import annotations

from tx_core.messages import quoted, shorten

from .values import TOKEN_COLUMNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INT32 = 1 << 31


def to_tensor(column: Any, tensor_type: str, key: str = "input_ids") -> Any:
    """A column as a tensor.

    Whole numbers become int64, in TensorFlow int32 where they fit. Booleans stay booleans, and texts strings, which
    PyTorch does not have. Python's floats become float32, in NumPy float64. Floats of arrays and tensors keep their
    width.

    Args:
        column: a list of values or of (nested) lists, or an array or tensor of any framework, or a list of them.
        tensor_type: 'pt', 'tf' or 'np'.
        key: the column's name, for messages.

    Raises:
        ValueError: another ``tensor_type``, rows of different lengths, or values that make no tensor.
        ImportError: the framework is not installed.
    """
    if tensor_type not in ("pt", "tf", "np"):
        raise ValueError(f"return_tensors={quoted(tensor_type)} is not 'pt', 'tf', 'np' or None")
    _check_lengths(column, key)
    make = {"pt": _to_torch, "tf": _to_tensorflow, "np": _to_numpy}[tensor_type]
    try:
        return make(column)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        cure = "; PyTorch has no texts, so take them out" if isinstance(_first(column), str) else ""
        reason = f"return_tensors={quoted(tensor_type)}: {shorten(str(error))}"
        raise ValueError(f"{key}: the values make no tensor of {reason}{cure}") from None


def _check_lengths(column: Any, key: str) -> None:
    """Raises ValueError unless the nested lists are rectangular."""
    if isinstance(column, list) and column and isinstance(column[0], list):
        lengths = {len(row) if isinstance(row, list) else -1 for row in column}
        if len(lengths) > 1:
            cure = (
                "ask for padding=True (and truncation=True with max_length= to shorten)"
                if key in TOKEN_COLUMNS
                else f"only {', '.join(TOKEN_COLUMNS)} are padded, so bring these rows to one length first"
            )
            raise ValueError(f"{key}: rows of {min(lengths)} to {max(lengths)} tokens make no tensor: {cure}")


def _first(column: Any) -> Any:
    """The first value of nested lists; an array or tensor counts as one."""
    while isinstance(column, list | tuple) and column:
        column = column[0]
    return column


def _is_typed(column: Any) -> bool:
    """Whether the values carry a type: those of arrays and tensors."""
    return hasattr(_first(column), "dtype")


def _to_torch(column: Any) -> Any:
    try:
        import torch
    except ModuleNotFoundError:
        raise ImportError("return_tensors='pt' needs PyTorch: pip install torch") from None

    def stacked(values: Any) -> Any:
        return values if isinstance(values, torch.Tensor) else torch.stack([*map(stacked, values)])

    if isinstance(_first(column), torch.Tensor):
        tensor = stacked(column)
    elif _is_typed(column):
        tensor = torch.from_numpy(_array(column))
    else:
        tensor = torch.tensor(column)
        if not tensor.numel():
            return tensor.long()
    whole = not (tensor.dtype.is_floating_point or tensor.dtype.is_complex or tensor.dtype == torch.bool)
    return tensor.long() if whole else tensor


def _to_tensorflow(column: Any) -> Any:
    try:
        import tensorflow as tf
    except ModuleNotFoundError:
        raise ImportError("return_tensors='tf' needs TensorFlow: pip install tensorflow") from None
    if isinstance(column, tf.Tensor) and not column.dtype.is_integer:
        return column
    array = _to_numpy(column)
    if array.dtype.kind == "f" and not _is_typed(column):
        array = array.astype("float32")
    if array.dtype.kind == "i" and (not array.size or -_INT32 <= array.min() <= array.max() < _INT32):
        array = array.astype("int32")
    return tf.constant(array)


def _to_numpy(column: Any) -> Any:
    array = _array(column)
    kind = array.dtype.kind
    if kind in "iu" or (not array.size and not _is_typed(column)):
        return array.astype("int64", copy=False)
    if kind not in "bfU":
        raise ValueError("they are not all numbers, booleans or texts")
    if kind == "U" and not all(isinstance(value, str) for value in _values(column)):
        raise ValueError("texts are mixed with other values")
    return array


def _values(column: Any) -> list[Any]:
    """The values of nested lists, one after the other."""
    if isinstance(column, list | tuple):
        return [value for row in column for value in _values(row)]
    return list(column.flat) if hasattr(column, "flat") else [column]


def _array(column: Any) -> Any:
    """A NumPy array of the values."""
    import numpy as np

    if isinstance(column, list | tuple):
        return np.array([_array(row) for row in column] if hasattr(_first(column), "numpy") else column)
    if hasattr(column, "detach"):
        column = column.detach().cpu()
        # NumPy has no bfloat16.
        return np.asarray(column.float() if str(column.dtype) == "torch.bfloat16" else column)
    return np.array(column)
