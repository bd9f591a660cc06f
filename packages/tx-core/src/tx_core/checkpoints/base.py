"""What every checkpoint format shares: the interface, the error, bounded reading and lazily made arrays."""

from __future__ import annotations

import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import ml_dtypes
import numpy as np
import numpy.typing as npt

from tx_core.messages import nearest, quoted, shorten

Array = npt.NDArray[Any]
LazyArray = np.ndarray[Any, Any] | Callable[[], Array]
"""An array, or a function that makes it; writers call such a function once for its shape and once for its values."""

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
FLOAT8_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)
FLOAT8_E5M2 = np.dtype(ml_dtypes.float8_e5m2)

MAX_DIMENSIONS = 32
"""More axes than any layer has; also what NumPy 1 can hold."""
MAX_ELEMENTS = 1 << 59
"""NumPy refuses shapes beyond that, also those that hold nothing because another axis is 0."""


class CheckpointError(ValueError):
    """A checkpoint is damaged, dishonest or not a checkpoint; the message names the file, the key and the cure."""

    def __init__(self, path: str | os.PathLike[str], problem: str, key: str | None = None) -> None:
        self.path = Path(path)
        self.key = key
        self.problem = problem
        where = f"{path}" if key is None else f"{path}: {shorten(key)}"
        super().__init__(f"{where}: {problem}")


@dataclass(frozen=True, slots=True)
class ArrayInfo:
    """Shape and NumPy dtype name ("float32", "bfloat16", …); what NumPy cannot hold keeps the file's own name."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


class Checkpoint(ABC):
    """Arrays of a file by name, read one at a time; for one thread at a time.

    A context manager; `read` after `close` raises ValueError.
    """

    format: str

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metadata: dict[str, str] = {}

    @abstractmethod
    def names(self) -> list[str]:
        """The names of the arrays as the file spells them, in the file's order."""

    @abstractmethod
    def info(self, name: str) -> ArrayInfo:
        """Shape and dtype without reading the values. Raises CheckpointError for an unknown name."""

    @abstractmethod
    def read(self, name: str) -> Array:
        """A new array, not tied to the file. Raises CheckpointError for unknown names and damaged data."""

    def take(self, name: str) -> Array:
        """An array that the caller may keep and change: memory of the file itself, if it is mapped; else as `read`.

        Pages of a mapped file are read when they are first used, and copied when they are first changed. No two calls
        give the same memory. An array that was copied elsewhere should be given back.

        Raises:
            CheckpointError: as :meth:`read`.
        """
        return self.read(name)

    def give_back(self, name: str) -> None:  # noqa: B027  # formats that are never mapped have nothing to free
        """Free the memory of an array that was taken, and is neither changed nor needed any longer."""

    def same(self, name: str, other: str) -> bool:
        """Whether two names are known to stand for the same bytes of the file, so that nobody has to compare them."""
        return name == other

    def note(self, key: str) -> Any:
        """What a PyTorch file holds under a key of its own beside its arrays, e.g. how it was trained.

        Returns:
            Plain values: dictionaries, lists, numbers, texts; what is none of these is left out. None if there is
            nothing under the key.

        Raises:
            CheckpointError: it is of more values than any such file has.
        """
        return None

    @abstractmethod
    def close(self) -> None:
        """Close the underlying files. Arrays that were taken stay as they are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _unknown(self, name: str) -> CheckpointError:
        return CheckpointError(self.path, f"holds no array of this name{nearest(name, self.names())}", quoted(name))


def file_size(file: BinaryIO) -> int:
    """Size in bytes; the position moves to the end."""
    return file.seek(0, 2)


def read_bytes(file: BinaryIO, path: Path, offset: int, count: int, key: str | None = None) -> Array:
    """`count` bytes from `offset` as a new uint8 array. Raises CheckpointError if the file ends before."""
    buffer = np.empty(count, np.uint8)
    read_into(file, path, offset, buffer, key)
    return buffer


def read_into(file: BinaryIO, path: Path, offset: int, buffer: Array, key: str | None = None) -> None:
    """Fill a one-dimensional uint8 array from `offset`. Raises CheckpointError if the file ends before."""
    view = buffer.data
    count = len(buffer)
    file.seek(offset)
    done = 0
    while done < count:
        # One call of read(2) returns at most 2 GiB; smaller steps also keep Ctrl-C responsive.
        got = file.readinto(view[done : done + (1 << 28)])  # type: ignore[attr-defined]
        if not got:
            raise CheckpointError(path, f"the file ends {count - done} bytes too early; fetch or copy it again", key)
        done += got


def decode(raw: Array, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    """Little-endian bytes as an array of `shape`, in place; truth values other than 0 and 1 become 1, as in PyTorch."""
    if dtype == np.bool_:
        np.minimum(raw, 1, out=raw)
    values = raw.view(dtype).reshape(shape)
    return values.byteswap(inplace=True) if sys.byteorder == "big" else values


def encode(array: Array) -> memoryview:
    """The array's values in C order, little-endian; copied only when they do not lie like that already."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype.byteorder == ">" or (flat.dtype.byteorder == "=" and sys.byteorder == "big"):
        flat = flat.byteswap()
    return flat.view(np.uint8).data


def unlazy(value: LazyArray) -> Array:
    """The array itself."""
    return value if isinstance(value, np.ndarray) else np.asarray(value())


def measure(arrays: Mapping[str, LazyArray]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each array, holding one of them at a time."""
    found = {}
    for name, value in arrays.items():
        if not isinstance(name, str):
            raise TypeError(f"array names are strings, not {quoted(name)}")
        array = unlazy(value)
        found[name] = (array.shape, array.dtype)
        del array
    return found


def remake(path: Path, name: str, value: LazyArray, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """The array again, checked against what `measure` saw: the header already promises it."""
    array = unlazy(value)
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{path}: the function for {quoted(name)} gave {dtype} {shape} when first called and "
            f"{array.dtype} {array.shape} when called again"
        )
    return array


def is_plain_name(name: str) -> bool:
    """Whether this is the bare name of a file in the same folder: no separator, drive, parent or control character.

    No system has longer ones than 255 characters.
    """
    return 0 < len(name) <= 255 and name not in {".", ".."} and not any(c in "/\\:" or ord(c) < 32 for c in name)


def checked_shape(path: Path, sizes: Iterable[Any], key: str) -> tuple[int, ...]:
    """A shape from an untrusted file. Raises CheckpointError unless it is a few non-negative integers."""
    shape = tuple(sizes)
    if len(shape) > MAX_DIMENSIONS:
        raise CheckpointError(path, f"{len(shape)} axes; {MAX_DIMENSIONS} are the most an array can have", key)
    for size in shape:
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise CheckpointError(path, f"shape {quoted(shape)} is not made of non-negative sizes", key)
    if math.prod(size or 1 for size in shape) >= MAX_ELEMENTS:
        raise CheckpointError(path, f"shape {shape} has more elements than memory has addresses", key)
    return shape
