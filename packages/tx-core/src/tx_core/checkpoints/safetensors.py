"""The safetensors format: 8 bytes of header length, a JSON header, then the arrays without gaps.

The format is small enough to read and write here. Nothing is mapped before the whole header was checked, and the
writer holds one array at a time, where that of the `safetensors` library wants every array at once.
Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tx_core.checkpoints.base import (
    BFLOAT16,
    FLOAT8_E4M3,
    FLOAT8_E5M2,
    Array,
    ArrayInfo,
    Checkpoint,
    CheckpointError,
    LazyArray,
    checked_shape,
    decode,
    encode,
    file_size,
    measure,
    read_bytes,
    remake,
)
from tx_core.checkpoints.mapping import forget, map_file
from tx_core.checkpoints.sharded import files_of
from tx_core.files import atomic_write, remove, saving
from tx_core.json_files import parse_json
from tx_core.messages import quoted, shorten

MAX_HEADER = 100_000_000
"""Bytes; the limit of the format's reference implementation."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": BFLOAT16,
    "F8_E4M3": FLOAT8_E4M3,
    "F8_E5M2": FLOAT8_E5M2,
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "I16": np.dtype(np.int16),
    "I8": np.dtype(np.int8),
    "U64": np.dtype(np.uint64),
    "U32": np.dtype(np.uint32),
    "U16": np.dtype(np.uint16),
    "U8": np.dtype(np.uint8),
    "BOOL": np.dtype(np.bool_),
    "C64": np.dtype(np.complex64),
}
CODES = {dtype: code for code, dtype in DTYPES.items()}
ALIGNMENT = 64
"""Bytes, a line of the processor's cache. Products with few rows are slower where mapped weights straddle two."""
_SMALL = 1 << 16
"""Bytes. Up to so many, an array that straddles lines is copied: it costs nothing, and products stay as they were."""

_Entry = tuple[ArrayInfo, np.dtype[Any] | None, int, int]
"""Shape, dtype (None: no NumPy counterpart), first byte and end of the data."""


def looks_like_safetensors(head: bytes) -> bool:
    """Whether the first 9 bytes are a believable header length and the brace that must follow it."""
    return len(head) >= 9 and 2 <= int.from_bytes(head[:8], "little") <= MAX_HEADER and head[8:9] == b"{"


def _refuse_header(path: str | os.PathLike[str], problem: str) -> CheckpointError:
    return CheckpointError(path, f"the header {problem}")


class SafetensorsCheckpoint(Checkpoint):
    """One safetensors file. The header is checked whole before the first array is read.

    Args:
        mapped: let `take` give memory of the file.
    """

    format = "safetensors"

    def __init__(self, path: Path, mapped: bool = False) -> None:
        super().__init__(path)
        self._taken: set[str] = set()
        self._file = path.open("rb", buffering=0)
        try:
            self._entries = self._parse_header()
            self._map = map_file(self._file, self._size) if mapped else None
        except BaseException:
            self._file.close()
            raise

    def _parse_header(self) -> dict[str, _Entry]:
        size = self._size = file_size(self._file)
        length = int.from_bytes(read_bytes(self._file, self.path, 0, 8).tobytes(), "little")
        if length > min(MAX_HEADER, size - 8):
            raise CheckpointError(
                self.path,
                f"the header claims {length} bytes of a file of {size}; it is truncated or no safetensors file: "
                "fetch it again",
            )
        text = read_bytes(self._file, self.path, 8, length).tobytes()
        header = parse_json(self.path, text, _refuse_header)
        if not isinstance(header, dict):
            raise CheckpointError(self.path, "the header is not a JSON object; fetch the file again")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise CheckpointError(self.path, "the header's metadata is not a mapping of strings", "'__metadata__'")
        self.metadata = metadata
        self._data_start = 8 + length
        entries = {name: self._parse_entry(name, entry) for name, entry in header.items()}
        end = 0
        for name, (_, _, start, stop) in sorted(entries.items(), key=lambda item: item[1][2:]):
            if start != end:
                what = "overlaps the array before it" if start < end else "leaves a gap before it"
                raise CheckpointError(
                    self.path, f"the data at offset {start} {what} (which ends at {end})", quoted(name)
                )
            end = stop
        if self._data_start + end != size:
            raise CheckpointError(
                self.path,
                f"the header describes {self._data_start + end} bytes, the file has {size}; fetch or copy it again",
            )
        return entries

    def _parse_entry(self, name: str, entry: Any) -> _Entry:
        if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(self.path, "the header's entry is not {dtype, shape, data_offsets}", quoted(name))
        code, sizes, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(code, str) or not isinstance(sizes, list) or not isinstance(offsets, list):
            raise CheckpointError(self.path, f"the header's entry {quoted(entry)} has wrong types", quoted(name))
        shape = checked_shape(self.path, sizes, quoted(name))
        if len(offsets) != 2 or not all(type(offset) is int for offset in offsets) or not 0 <= offsets[0] <= offsets[1]:
            raise CheckpointError(self.path, f"data_offsets {quoted(offsets)} is not a range", quoted(name))
        start, stop = offsets
        dtype = DTYPES.get(code)
        if dtype is None:
            return ArrayInfo(shape, shorten(code, 40)), None, start, stop
        if math.prod(shape) * dtype.itemsize != stop - start:
            raise CheckpointError(
                self.path,
                f"shape {shape} of {dtype} takes {math.prod(shape) * dtype.itemsize} bytes, "
                f"data_offsets {quoted(offsets)} hold {quoted(stop - start)}",
                repr(name),
            )
        return ArrayInfo(shape, dtype.name), dtype, start, stop

    def names(self) -> list[str]:
        return list(self._entries)

    def info(self, name: str) -> ArrayInfo:
        if name not in self._entries:
            raise self._unknown(name)
        return self._entries[name][0]

    def read(self, name: str) -> Array:
        info = self.info(name)
        _, dtype, start, stop = self._entries[name]
        if dtype is None:
            raise CheckpointError(
                self.path, f"dtype {info.dtype} has no NumPy counterpart; convert the file to F32 or BF16", repr(name)
            )
        raw = read_bytes(self._file, self.path, self._data_start + start, stop - start, quoted(name))
        return decode(raw, dtype, info.shape)

    def take(self, name: str) -> Array:
        info = self.info(name)
        _, dtype, start, stop = self._entries[name]
        offset = self._data_start + start
        # What is taken twice is read the second time: the two must not see each other's changes. The format does not
        # align arrays, and truth values may have to be corrected.
        if (
            self._map is None
            or name in self._taken
            or dtype is None
            or dtype == np.bool_
            or offset % (ALIGNMENT if stop - start <= _SMALL else dtype.itemsize)
            or start == stop
        ):
            return self.read(name)
        self._taken.add(name)
        return np.frombuffer(self._map, dtype, info.size, offset).reshape(info.shape)

    def give_back(self, name: str) -> None:
        if self._map is not None and name in self._taken:
            self._taken.remove(name)
            _, _, start, stop = self._entries[name]
            forget(self._map, self._data_start + start, self._data_start + stop)

    def close(self) -> None:
        self._map = None
        self._file.close()


def write_safetensors(
    path: Path | str,
    arrays: Mapping[str, LazyArray],
    metadata: Mapping[str, str] | None = None,
    max_shard_size: int | None = None,
) -> Path:
    """Write arrays as one safetensors file, or as shards with an index.

    Args:
        path: the file, e.g. `folder/model.safetensors`. Shards are named `model-00001-of-00003.safetensors` beside it.
        arrays: name to array, or to a function that makes it. Functions are called once for the header and once for
            the values, one array at a time, so make them cheap (views, not conversions kept in memory).
        metadata: strings kept in the header, e.g. `{"format": "pt"}`.
        max_shard_size: bytes of arrays a file may hold; None for a single file. An array larger than that gets a file
            of its own.

    Returns:
        The file to open: `path`, or the index `path` + ".index.json".

    Raises:
        ValueError: a dtype that the format has no code for, metadata other than strings, or a function that gave two
            different arrays.

    All files appear at once, or none does. Those of an earlier save under this name are removed.
    """
    path = Path(path)
    unchecked: Mapping[Any, Any] = metadata or {}
    for key, text in unchecked.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ValueError(
                f"{path}: the metadata {quoted(key)}: {quoted(text)} is not made of strings, which the format wants"
            )
    headers = {}
    for name, (shape, dtype) in measure(arrays).items():
        code = CODES.get(dtype.newbyteorder("="))
        if code is None:
            raise ValueError(f"{path}: {quoted(name)} is {dtype}; safetensors holds {', '.join(DTYPES)}")
        if name == "__metadata__":
            raise ValueError(f"{path}: '__metadata__' is reserved by the format; rename the array")
        headers[name] = (shape, dtype, code)
    shards = _split(headers, max_shard_size)
    index_path = path.with_name(path.name + ".index.json")
    if len(shards) == 1:
        targets, result = [path], path
    else:
        count = len(shards)
        targets = [path.with_name(f"{path.stem}-{i:05}-of-{count:05}{path.suffix}") for i in range(1, count + 1)]
        result = index_path
    with saving(path.parent):
        for target, names in zip(targets, shards, strict=True):
            with atomic_write(target) as temporary:
                _write_file(temporary, {name: headers[name] for name in names}, arrays, metadata)
        if len(shards) > 1:
            places = {name: target.name for target, names in zip(targets, shards, strict=True) for name in names}
            index = {"metadata": {"total_size": sum(map(_nbytes, headers.values()))}, "weight_map": places}
            with atomic_write(index_path) as temporary:
                temporary.write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for other in files_of(path):
            if other not in (*targets, result):
                remove(other)
    return result


_Header = tuple[tuple[int, ...], np.dtype[Any], str]


def _nbytes(header: _Header) -> int:
    shape, dtype, _ = header
    return math.prod(shape) * dtype.itemsize


def _split(headers: Mapping[str, _Header], limit: int | None) -> list[list[str]]:
    """Names in order, cut before the array that would exceed the limit."""
    if limit is not None and limit <= 0:
        raise ValueError(f"max_shard_size is {limit} bytes; it has to be positive")
    shards: list[list[str]] = [[]]
    filled = 0
    for name, header in headers.items():
        size = _nbytes(header)
        if limit is not None and shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(name)
        filled += size
    return shards


def _write_file(
    path: Path, headers: Mapping[str, _Header], arrays: Mapping[str, LazyArray], metadata: Mapping[str, str] | None
) -> None:
    # Arrays that fill whole lines come first, so that all of them are aligned. The others follow, widest elements
    # first: every array then starts at a multiple of its item size.
    order = sorted(headers, key=lambda name: (_nbytes(headers[name]) % ALIGNMENT > 0, -headers[name][1].itemsize))
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name in order:
        shape, _, code = headers[name]
        end = offset + _nbytes(headers[name])
        header[name] = {"dtype": code, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    text += b" " * (-(8 + len(text)) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            shape, dtype, _ = headers[name]
            file.write(encode(remake(path, name, arrays[name], shape, dtype)))
