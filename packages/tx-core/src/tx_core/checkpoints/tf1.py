"""TensorFlow's checkpoint files (TensorBundle, the V2 format) without TensorFlow.

A checkpoint `bert_model.ckpt` is an index `bert_model.ckpt.index`, a LevelDB table from names to BundleEntryProto, and
data files `bert_model.ckpt.data-00000-of-00001` that hold the values. CRC-32Cs guard every block and every array.
Format: tensorflow/core/util/tensor_bundle, tensorflow/core/protobuf/tensor_bundle.proto, LevelDB's doc/table_format.md.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

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
    is_plain_name,
    measure,
    read_bytes,
    remake,
)
from tx_core.checkpoints.crc32c import crc32c, mask
from tx_core.files import atomic_write, saving
from tx_core.messages import quoted

TABLE_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
FOOTER = 48
MAX_INDEX = 16 << 20
MAX_KEYS = 16 << 20
"""Bytes of all names together: prefixes are stored once, so that a small index could spell out large names."""
MAX_SHARDS = 100_000
STATE_FILE = "checkpoint"
MAX_STATE = 1 << 20
"""Bytes of a folder's `checkpoint` file."""

# DataType of tensorflow/core/framework/types.proto
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    8: np.dtype(np.complex64),
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    14: BFLOAT16,
    17: np.dtype(np.uint16),
    18: np.dtype(np.complex128),
    19: np.dtype(np.float16),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
    24: FLOAT8_E5M2,
    25: FLOAT8_E4M3,
}
CODES = {dtype: code for code, dtype in DTYPES.items()}
STRING = 7


@dataclass(frozen=True, slots=True)
class _Entry:
    info: ArrayInfo
    dtype: np.dtype[Any]
    shard: int
    offset: int
    nbytes: int
    crc: int


def looks_like_tf1_index(path: Path) -> bool:
    """Whether the file ends as a LevelDB table does."""
    with path.open("rb") as file:
        size = file_size(file)
        return size >= FOOTER and read_bytes(file, path, size - 8, 8).tobytes() == TABLE_MAGIC


def read_state_file(path: Path) -> Path:
    """The prefix that a folder's `checkpoint` file names as the latest; it has to lie in the same folder.

    Raises CheckpointError if the file names none, or one elsewhere.
    """
    with path.open("rb") as file:
        text = file.read(MAX_STATE).decode("utf-8", "replace")
    # No part of the pattern goes beyond a line: it would try all that follows from each line anew.
    found = re.search(r'^[ \t]*model_checkpoint_path:[ \t]*"([^"\\\n]*)"', text, re.MULTILINE)
    if found is None:
        raise CheckpointError(path, "names no model_checkpoint_path; give the checkpoint's own path, e.g. model.ckpt")
    if not is_plain_name(found[1]):
        raise CheckpointError(
            path,
            f"names {quoted(found[1])}, which is not a plain name in the same folder; "
            "give the checkpoint's own path instead",
        )
    return path.with_name(found[1])


class TF1Checkpoint(Checkpoint):
    """A TensorBundle. Opening reads the index; arrays are read and checked against their CRC when asked for.

    `path` is the prefix. String tensors (as the object graph of TensorFlow 2's checkpoints) are left out.
    """

    format = "tf1"

    def __init__(self, prefix: Path) -> None:
        super().__init__(prefix)
        self._index = prefix.with_name(prefix.name + ".index")
        self._data: dict[int, BinaryIO] = {}
        self._entries = self._parse_index()

    def _error(self, problem: str, key: str | None = None) -> CheckpointError:
        return CheckpointError(self._index, problem, key)

    def _parse_index(self) -> dict[str, _Entry]:
        with self._index.open("rb") as file:
            size = file_size(file)
            if size > MAX_INDEX:
                raise self._error(f"an index of {size} bytes; {MAX_INDEX} are the most that is read")
            table = read_bytes(file, self._index, 0, size).tobytes()
        records = _read_table(self._index, table)
        header = _parse_message(self._index, records.pop(b"", b""), "header")
        (self._shards,) = header.get(1, [0])[-1:]
        if type(self._shards) is not int or not 0 < self._shards <= MAX_SHARDS:
            raise self._error(f"the header names {quoted(self._shards, 40)} data files; the index is damaged")
        if header.get(2, [0])[-1] != 0:
            raise self._error("holds big-endian data; save it again on a little-endian machine")
        entries = {}
        for raw_name, raw_entry in records.items():
            if raw_name.startswith(b"\0"):  # a slice of a partitioned variable, which is refused under its own name
                continue
            try:
                name = raw_name.decode("utf-8")
            except UnicodeDecodeError as error:
                raise self._error("a name is not UTF-8; the index is damaged", quoted(raw_name)) from error
            entry = self._parse_entry(name, raw_entry)
            if entry is not None:
                entries[name] = entry
        self._check_data(entries)
        return entries

    def _check_data(self, entries: Mapping[str, _Entry]) -> None:
        """Every data file is there and long enough, so that a broken copy is noticed before anything is assigned."""
        sizes: dict[int, int] = {}
        for name, entry in entries.items():
            path = self._data_path(entry.shard)
            if entry.shard not in sizes:
                if not path.is_file():
                    raise self._error(f"its data file {path.name} is not beside the index; fetch it", quoted(name))
                sizes[entry.shard] = path.stat().st_size
            if entry.offset + entry.nbytes > sizes[entry.shard]:
                raise CheckpointError(path, "the data lies behind the file's end; fetch or copy it again", quoted(name))

    def _data_path(self, shard: int) -> Path:
        return self.path.with_name(f"{self.path.name}.data-{shard:05}-of-{self._shards:05}")

    def _parse_entry(self, name: str, raw: bytes) -> _Entry | None:
        key = repr(name)
        fields = _parse_message(self._index, raw, key)
        if 7 in fields:
            raise self._error("is a partitioned variable; save the checkpoint again with whole variables", key)
        code, shard, offset, nbytes, crc = (fields.get(number, [0])[-1] for number in (1, 3, 4, 5, 6))
        if code == STRING:
            return None
        dtype = DTYPES.get(code) if isinstance(code, int) else None
        if dtype is None:
            raise self._error(f"has the data type {quoted(code, 40)}, which NumPy has no counterpart of", key)
        shape_fields = _parse_message(self._index, _bytes(self._index, fields.get(2, [b""])[-1], key), key)
        if shape_fields.get(3, [0])[-1] != 0:
            raise self._error("has no known shape; the index is damaged", key)
        sizes = []
        for dimension in shape_fields.get(2, []):
            size = _parse_message(self._index, _bytes(self._index, dimension, key), key).get(1, [0])[-1]
            sizes.append(size)
        shape = checked_shape(self._index, sizes, key)
        if not all(type(number) is int for number in (shard, offset, nbytes, crc)) or not shard < self._shards:
            raise self._error(f"stands in data file {quoted(shard, 40)} of {self._shards}; a damaged index", key)
        if math.prod(shape) * dtype.itemsize != nbytes:
            raise self._error(f"shape {shape} of {dtype} does not take {nbytes} bytes; the index is damaged", key)
        return _Entry(ArrayInfo(shape, dtype.name), dtype, shard, offset, nbytes, crc)

    def names(self) -> list[str]:
        return list(self._entries)

    def info(self, name: str) -> ArrayInfo:
        if name not in self._entries:
            raise self._unknown(name)
        return self._entries[name].info

    def read(self, name: str) -> Array:
        self.info(name)
        entry = self._entries[name]
        path = self._data_path(entry.shard)
        if entry.shard not in self._data:
            self._data[entry.shard] = path.open("rb", buffering=0)
        raw = read_bytes(self._data[entry.shard], path, entry.offset, entry.nbytes, quoted(name))
        if mask(crc32c(raw)) != entry.crc:
            raise CheckpointError(
                path, "the data does not fit its checksum; fetch or copy the file again", quoted(name)
            )
        return decode(raw, entry.dtype, entry.info.shape)

    def close(self) -> None:
        for file in self._data.values():
            file.close()


# LevelDB table


def _read_table(path: Path, table: bytes) -> dict[bytes, bytes]:
    """The table's records, keys strictly ascending. Raises CheckpointError for damage and for compressed blocks."""
    if len(table) < FOOTER or table[-8:] != TABLE_MAGIC:
        raise CheckpointError(path, "not a TensorFlow checkpoint index, or truncated; fetch or copy it again")
    _, position = _read_handle(path, table, len(table) - FOOTER)
    (offset, size), _ = _read_handle(path, table, position)
    records: dict[bytes, bytes] = {}
    last = None
    spelt = done = 0

    def count(key: bytes) -> None:
        nonlocal spelt
        spelt += len(key)
        if spelt > MAX_KEYS:
            raise CheckpointError(path, f"the names take more than {MAX_KEYS} bytes; the index is damaged")

    for separator, handle in _read_block(path, table, offset, size):
        count(separator)
        (offset, size), _ = _read_handle(path, handle, 0)
        if offset < done:
            raise CheckpointError(path, "blocks overlap or are out of order; the index is damaged")
        done = offset + size
        for key, value in _read_block(path, table, offset, size):
            count(key)
            if last is not None and key <= last:
                raise CheckpointError(path, "names are out of order; the index is damaged", quoted(key))
            records[key] = value
            last = key
    return records


def _read_block(path: Path, table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    end = offset + size
    if size < 4 or end + 5 > len(table) - FOOTER:
        raise CheckpointError(path, "a block lies outside of the index, which is damaged; fetch or copy it again")
    (crc,) = struct.unpack_from("<I", table, end + 1)
    if mask(crc32c(table[offset : end + 1])) != crc:
        raise CheckpointError(path, "a block of the index does not fit its checksum; fetch or copy it again")
    if table[end] != 0:
        raise CheckpointError(
            path, "the index is snappy-compressed, which is not read; save it again with TensorFlow's tf.train.Saver"
        )
    (restarts,) = struct.unpack_from("<I", table, end - 4)
    stop = end - 4 - 4 * restarts
    if stop < offset:
        raise CheckpointError(path, "a block's restart points do not fit into it; the index is damaged")
    key = b""
    position = offset
    while position < stop:
        shared, position = _read_varint(path, table, position)
        unshared, position = _read_varint(path, table, position)
        length, position = _read_varint(path, table, position)
        if shared > len(key) or position + unshared + length > stop:
            raise CheckpointError(path, "an entry runs out of its block; the index is damaged")
        key = key[:shared] + table[position : position + unshared]
        position += unshared
        yield key, table[position : position + length]
        position += length


def _read_varint(path: Path, raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(raw) and shift < 70:
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, position
        shift += 7
    raise CheckpointError(path, "a number does not end; the index is damaged")


def _read_handle(path: Path, raw: bytes, position: int) -> tuple[tuple[int, int], int]:
    """(offset, size) of a block."""
    offset, position = _read_varint(path, raw, position)
    size, position = _read_varint(path, raw, position)
    return (offset, size), position


def _parse_message(path: Path, raw: bytes, key: str) -> dict[int, list[Any]]:
    """A protocol buffer's fields by number: integers, or bytes for what has a length."""
    fields: dict[int, list[Any]] = {}
    position = 0
    while position < len(raw):
        tag, position = _read_varint(path, raw, position)
        value: int | bytes
        match tag & 7:
            case 0:
                value, position = _read_varint(path, raw, position)
            case 1 | 5 as kind:
                width = 8 if kind == 1 else 4
                value = int.from_bytes(raw[position : position + width], "little")
                position += width
            case 2:
                length, position = _read_varint(path, raw, position)
                value = raw[position : position + length]
                position += length
            case _:
                raise CheckpointError(path, "an entry is no protocol buffer; the index is damaged", key)
        if position > len(raw):
            raise CheckpointError(path, "an entry ends too early; the index is damaged", key)
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _bytes(path: Path, value: Any, key: str) -> bytes:
    if not isinstance(value, bytes):
        raise CheckpointError(path, "an entry has a field of the wrong type; the index is damaged", key)
    return value


# Writing


def write_tf1(prefix: Path | str, arrays: Mapping[str, LazyArray], state_file: bool = False) -> None:
    """Write a checkpoint that `tf.train.load_checkpoint(prefix)` and `tf.compat.v1.train.Saver` read.

    Args:
        prefix: e.g. `folder/bert_model.ckpt`; `.index` and `.data-00000-of-00001` are appended.
        arrays: name to array, or to a function that makes it; functions are called once for shape and dtype and once
            for the values, one array at a time.
        state_file: also write the folder's `checkpoint` file, which names this prefix as the latest.

    Raises:
        ValueError: a dtype that TensorFlow has no code for, or an empty name.
    """
    prefix = Path(prefix)
    headers = measure(arrays)
    for name, (_, dtype) in headers.items():
        if dtype.newbyteorder("=") not in CODES:
            raise ValueError(f"{prefix}: {quoted(name)} is {dtype}; TensorFlow holds {', '.join(map(str, CODES))}")
        if not name:
            raise ValueError(f"{prefix}: an array has the empty name, which the format keeps for itself")
    # BundleHeaderProto: num_shards 1, little-endian by default, version {producer: 1}
    records = [(b"", b"\x08\x01\x1a\x02\x08\x01")]
    offset = 0
    with saving(prefix.parent):
        with atomic_write(prefix.with_name(prefix.name + ".data-00000-of-00001")) as data, data.open("wb") as file:
            for name in sorted(headers, key=lambda name: name.encode("utf-8")):
                shape, dtype = headers[name]
                values = encode(remake(prefix, name, arrays[name], shape, dtype))
                file.write(values)
                crc = mask(crc32c(np.frombuffer(values, np.uint8)))
                entry = _field(1, CODES[dtype.newbyteorder("=")]) + _field(2, b"".join(map(_dimension, shape)))
                entry += _field(4, offset) + _field(5, len(values)) + b"\x35" + struct.pack("<I", crc)
                records.append((name.encode("utf-8"), entry))
                offset += len(values)
        with atomic_write(prefix.with_name(prefix.name + ".index")) as index:
            index.write_bytes(_make_table(records))
        if state_file:
            own = f'"{prefix.name}"'
            text = f"model_checkpoint_path: {own}\nall_model_checkpoint_paths: {own}\n"
            with atomic_write(prefix.with_name(STATE_FILE)) as temporary:
                temporary.write_text(text, encoding="utf-8")


def _varint(value: int) -> bytes:
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    raw.append(value)
    return bytes(raw)


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value) if value else b""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _dimension(size: int) -> bytes:
    return _field(2, _field(1, size))


def _make_table(records: list[tuple[bytes, bytes]]) -> bytes:
    """A LevelDB table with one data block; keys are stored whole, each a restart point, so any reader can seek."""
    table = bytearray()

    def append(items: list[tuple[bytes, bytes]]) -> bytes:
        block = bytearray()
        restarts = []
        for key, value in items:
            restarts.append(len(block))
            block += b"\0" + _varint(len(key)) + _varint(len(value)) + key + value
        restarts = restarts or [0]
        block += struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", len(restarts))
        handle = _varint(len(table)) + _varint(len(block))
        block += b"\0"  # not compressed
        table.extend(block + struct.pack("<I", mask(crc32c(bytes(block)))))
        return handle

    data = append(records)
    meta = append([])
    index = append([(records[-1][0], data)])
    return bytes(table + (meta + index).ljust(FOOTER - 8, b"\0") + TABLE_MAGIC)
