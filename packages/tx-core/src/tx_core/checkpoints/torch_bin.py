"""PyTorch's `.bin` / `.pt` files without PyTorch: the zip format (since 1.6), the stream before it, and a writer.

A state dict is a pickle that refers to raw storages by key. The pickle goes through `unpickle`, which runs nothing;
the storages are read when asked for. Nested dictionaries and lists (a training checkpoint's `{"model": {…}}`) are
flattened: their arrays are named "model.<name>"; what is no tensor is no array, and told by `TorchCheckpoint.note`.
So are the whole modules that some authors published, see `pickled_modules`.
Format: torch/serialization.py and torch/_utils.py of PyTorch.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tx_core.checkpoints import pickled_modules
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
from tx_core.checkpoints.plain_values import plain
from tx_core.checkpoints.unpickle import SAVE_TENSORS, Global, Record, Unpickler
from tx_core.files import atomic_write
from tx_core.messages import quoted, shorten

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
MAX_DEPTH = 32
MAX_NODES = 1_000_000
MAX_NAME = 4096
"""Characters of a flattened name."""
MAX_NAMES = 64 << 20
"""Characters of all names together: containers that share parts could spell them out at any length."""
ALIGNMENT = 64
"""Bytes; what torch.save aligns storages to."""
SMALL = 16 << 20
"""Bytes that an expanded tensor may always take, however small its file is."""

STORAGES: dict[str, np.dtype[Any]] = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
    "ComplexFloatStorage": np.dtype(np.complex64),
    "ComplexDoubleStorage": np.dtype(np.complex128),
}
STORAGE_OF = {dtype: name for name, dtype in STORAGES.items()}

# torch.<name>: dtypes, as arguments of newer tensors and in training state.
DTYPES: dict[str, np.dtype[Any]] = {
    "float64": np.dtype(np.float64),
    "float32": np.dtype(np.float32),
    "float16": np.dtype(np.float16),
    "bfloat16": BFLOAT16,
    "float8_e4m3fn": FLOAT8_E4M3,
    "float8_e5m2": FLOAT8_E5M2,
    "int64": np.dtype(np.int64),
    "int32": np.dtype(np.int32),
    "int16": np.dtype(np.int16),
    "int8": np.dtype(np.int8),
    "uint64": np.dtype(np.uint64),
    "uint32": np.dtype(np.uint32),
    "uint16": np.dtype(np.uint16),
    "uint8": np.dtype(np.uint8),
    "bool": np.dtype(np.bool_),
    "complex64": np.dtype(np.complex64),
    "complex128": np.dtype(np.complex128),
}


@dataclass(frozen=True, slots=True)
class _Storage:
    """A storage that a pickle refers to; `dtype` None is raw bytes."""

    key: str
    dtype: np.dtype[Any] | None
    nbytes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Tensor:
    """A view of a storage; offset and strides in elements."""

    storage: _Storage
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> int:
        """Elements from the first to behind the last."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


def looks_like_torch_stream(head: bytes) -> bool:
    """Whether a file starts with the pickled magic number of the format before PyTorch 1.6."""
    number = b"\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")
    return head[:1] == b"\x80" and (head[2:14] == number or (head[2:3] == b"\x95" and head[11:23] == number))


class TorchCheckpoint(Checkpoint):
    """A PyTorch file of either format. The pickle is read and checked when opened, storages when asked for."""

    format = "torch"
    _cure = SAVE_TENSORS

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = path.open("rb")
        try:
            self._size = file_size(self._file)
            self._storages: dict[str, _Storage] = {}
            value, self._offsets = self._open()
            self._tensors = self._collect(value)
            self._value: Any = value if isinstance(value, dict | Record) else {}
        except BaseException:
            self._file.close()
            raise

    def _error(self, problem: str, key: str | None = None) -> CheckpointError:
        return CheckpointError(self.path, problem, key)

    # The two containers: each returns the pickled value and where each storage's bytes lie.

    def _open(self) -> tuple[Any, dict[str, int]]:
        self._file.seek(0)
        return self._open_zip() if self._file.read(2) == b"PK" else self._open_stream()

    def _open_zip(self) -> tuple[Any, dict[str, int]]:
        entries = _zip_entries(self._file, self.path, self._size)
        pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise self._error(
                "a zip archive, but not one that torch.save wrote (no data.pkl); if it packs a checkpoint, unpack it"
            )
        root = pickles[0][: -len("data.pkl")]
        if root + "byteorder" in entries:
            start, size = entries[root + "byteorder"]
            order = read_bytes(self._file, self.path, start, min(size, 16)).tobytes()
            if order != b"little":
                raise self._error(
                    f"byte order {quoted(order)}; only little-endian files are read: save it again on another machine"
                )
        start, size = entries[pickles[0]]
        self._file.seek(start)
        value = self._unpickler().load()
        if self._file.tell() > start + size:
            raise self._error("the pickle runs over its end; the file is damaged")
        offsets = {}
        for key, storage in self._storages.items():
            if f"{root}data/{key}" not in entries:
                raise self._error(f"the archive has no storage {quoted(key, 80)}; it is incomplete: fetch it again")
            offsets[key], size = entries[f"{root}data/{key}"]
            if size != storage.nbytes:
                raise self._error(f"storage {key} has {size} bytes, not the pickle's {storage.nbytes}: a damaged file")
        return value, offsets

    def _open_stream(self) -> tuple[Any, dict[str, int]]:
        self._file.seek(0)
        magic, protocol, system = (Unpickler(self._file, self.path).load() for _ in range(3))
        if type(magic) is not int or magic != MAGIC_NUMBER or type(protocol) is not int or protocol != PROTOCOL_VERSION:
            raise self._error("not a PyTorch file, or one of an unknown version")
        if not isinstance(system, dict) or system.get("little_endian") is not True:
            raise self._error("only little-endian files are read; save it again on such a machine")
        value = self._unpickler().load()
        keys = Unpickler(self._file, self.path).load()
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) != len(keys):
            raise self._error("the list of storages is damaged")
        if set(keys) != self._storages.keys():
            raise self._error("the list of storages is not that of the pickle; the file is damaged")
        offsets = {}
        position = self._file.tell()
        for key in keys:
            storage = self._storages[key]
            itemsize = storage.dtype.itemsize if storage.dtype is not None else 1
            (count,) = struct.unpack("<q", read_bytes(self._file, self.path, position, 8).tobytes())
            if count * itemsize != storage.nbytes:
                raise self._error(
                    f"storage {shorten(key, 80)} has {count} elements, the pickle says {storage.nbytes // itemsize}; "
                    "the file is damaged"
                )
            offsets[key] = position + 8
            position += 8 + storage.nbytes
            if position > self._size:
                raise self._error(f"the file ends {position - self._size} bytes too early; fetch or copy it again")
        return value, offsets

    # The pickle: what its names stand for.

    def _unpickler(self) -> Unpickler:
        handlers: dict[tuple[str, str], Callable[..., Any]] = {
            ("torch._utils", "_rebuild_tensor"): self._rebuild,
            ("torch._utils", "_rebuild_tensor_v2"): self._rebuild_v2,
            ("torch._utils", "_rebuild_tensor_v3"): self._rebuild_v3,
            ("torch._utils", "_rebuild_parameter"): self._rebuild_parameter,
            ("torch._utils", "_rebuild_parameter_with_state"): self._rebuild_parameter_with_state,
        }
        return Unpickler(
            self._file, self.path, handlers, _is_torch_name, self._find_storage, self._is_record, self._cure
        )

    def _is_record(self, module: str, name: str) -> bool:
        """Whether objects of a class may stand in the file as records, beside those that always may."""
        return pickled_modules.is_of_module(module)

    def _find_storage(self, pid: Any) -> _Storage | Global:
        if not isinstance(pid, tuple) or len(pid) not in (5, 6) or pid[0] != "storage":
            if isinstance(pid, tuple) and len(pid) > 1 and pid[0] == "module":
                # A class and its source, which PyTorch before 1.6 saved along.
                if isinstance(pid[1], Global) and pickled_modules.is_of_module(pid[1].module):
                    return pid[1]
                raise self._error(
                    "holds a whole pickled module with its code; nothing was run. Open it where it was made and save "
                    "only its tensors: torch.save(model.state_dict(), …)"
                )
            raise self._error("the pickle refers to something that is no storage")
        _, kind, key, location, count = pid[:5]
        if len(pid) == 6 and pid[5] is not None:
            raise self._error(
                "holds views of storages as PyTorch before 0.4 wrote them; save it again with a later one"
            )
        if isinstance(kind, Global) and (kind.module, kind.name) == ("torch.storage", "UntypedStorage"):
            dtype = None
        elif isinstance(kind, Global) and kind.module == "torch" and kind.name in STORAGES:
            dtype = STORAGES[kind.name]
        else:
            raise self._error("the pickle refers to a storage of unknown type")
        if not isinstance(key, str) or not isinstance(location, str) or type(count) is not int or count < 0:
            raise self._error("the pickle's reference to a storage is damaged")
        storage = _Storage(key, dtype, count * (dtype.itemsize if dtype is not None else 1))
        if storage.nbytes > self._size:
            raise self._error(
                f"storage {shorten(key, 80)} would take {storage.nbytes} bytes of a file of {self._size}; "
                "the file is truncated or damaged"
            )
        known = self._storages.setdefault(key, storage)
        if known.nbytes != storage.nbytes:
            raise self._error(f"storage {shorten(key, 80)} is given two sizes; the file is damaged")
        return storage

    def _rebuild_v3(
        self,
        storage: Any,
        offset: Any,
        size: Any,
        stride: Any,
        gradient: Any,
        hooks: Any,
        dtype: Any,
        metadata: Any = None,
    ) -> _Tensor:
        if not isinstance(dtype, Global) or dtype.module != "torch" or dtype.name not in DTYPES:
            raise self._error("holds a tensor of a dtype that NumPy has no counterpart of")
        return self._view(storage, DTYPES[dtype.name], offset, size, stride)

    def _rebuild_v2(
        self, storage: Any, offset: Any, size: Any, stride: Any, gradient: Any, hooks: Any, metadata: Any = None
    ) -> _Tensor:
        return self._rebuild(storage, offset, size, stride)

    def _rebuild(self, storage: Any, offset: Any, size: Any, stride: Any) -> _Tensor:
        return self._view(storage, storage.dtype if isinstance(storage, _Storage) else None, offset, size, stride)

    def _rebuild_parameter(self, data: Any, gradient: Any, hooks: Any) -> Any:
        return data

    def _rebuild_parameter_with_state(self, data: Any, gradient: Any, hooks: Any, state: Any) -> Any:
        return data

    def _view(self, storage: Any, dtype: np.dtype[Any] | None, offset: Any, size: Any, stride: Any) -> _Tensor:
        if not isinstance(storage, _Storage) or dtype is None:
            raise self._error("a tensor of the pickle has no storage; the file is damaged")
        if type(offset) is not int or offset < 0 or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise self._error("the pickle describes a tensor by wrong types; the file is damaged")
        where = f"a tensor in storage {shorten(storage.key, 80)}"
        shape = checked_shape(self.path, size, where)
        if len(stride) != len(shape) or not all(type(step) is int and step >= 0 for step in stride):
            raise self._error(f"shape {shape} with strides that are not as many non-negative numbers", where)
        # The stride of an axis of size 1 is never taken, so it may be anything: also more than NumPy can hold.
        strides = tuple(step if length > 1 else 1 for step, length in zip(stride, shape, strict=True))
        tensor = _Tensor(storage, dtype, offset, shape, strides)
        if (offset + tensor.span) * dtype.itemsize > storage.nbytes:
            raise self._error(
                f"shape {shape}, strides {strides}, offset {offset} leave the storage of {storage.nbytes} bytes", where
            )
        if math.prod(shape) * dtype.itemsize > max(self._size, SMALL):
            raise self._error(
                f"shape {shape} of {dtype} is larger than the file; if it was expanded, save tensor.contiguous()", where
            )
        return tensor

    # From the pickled value to names.

    def _collect(self, value: Any) -> dict[str, _Tensor]:
        found: dict[str, _Tensor] = {}
        visited = spelt = 0
        path: list[int] = []
        inside: Any = _Tensor | dict | list | tuple
        if (kind := pickled_modules.kind_of(value)) is not None:
            if not pickled_modules.is_published(value):
                raise self._error(
                    f"holds a whole pickled module, {kind}; nothing was run. Open it where it was made and save only "
                    "its tensors: torch.save(model.state_dict(), …)"
                )
            inside = _Tensor | Record

        def walk(node: Any, prefix: str) -> None:
            nonlocal visited, spelt
            items: Iterator[tuple[Any, Any]] | None = None
            if isinstance(node, dict):
                items = iter(node.items())
            elif isinstance(node, list | tuple):
                items = enumerate(node)
            elif isinstance(node, Record):
                items = pickled_modules.members(node)
            if items is None:
                return
            if id(node) in path or len(path) >= MAX_DEPTH:
                raise self._error(f"containers inside of containers deeper than {MAX_DEPTH}", shorten(prefix))
            path.append(id(node))
            for key, child in items:
                visited += 1
                if visited > MAX_NODES:
                    raise self._error(f"holds more than {MAX_NODES} values")
                if not isinstance(key, str | int) or not isinstance(child, inside):
                    continue
                name = f"{prefix}.{key}" if prefix else str(key)
                if len(name) > MAX_NAME:
                    raise self._error(f"a name has more than {MAX_NAME} characters", quoted(name))
                spelt += len(name)
                if spelt > MAX_NAMES:
                    raise self._error(f"spells out names of more than {MAX_NAMES} characters")
                if not isinstance(child, _Tensor):
                    walk(child, name)
                elif name in found:
                    raise self._error("two tensors flatten to this name", quoted(name))
                else:
                    found[name] = child
            path.pop()

        walk(value, "")
        if not found:
            what = "a single tensor without a name" if isinstance(value, _Tensor) else "no tensors"
            raise self._error(f"holds {what}; save a state dict: torch.save(model.state_dict(), …)")
        return found

    def names(self) -> list[str]:
        return list(self._tensors)

    def info(self, name: str) -> ArrayInfo:
        if name not in self._tensors:
            raise self._unknown(name)
        tensor = self._tensors[name]
        return ArrayInfo(tensor.shape, tensor.dtype.name)

    def read(self, name: str) -> Array:
        self.info(name)
        tensor = self._tensors[name]
        itemsize = tensor.dtype.itemsize
        count = math.prod(tensor.shape)
        start = self._offsets[tensor.storage.key] + tensor.offset * itemsize
        raw = read_bytes(self._file, self.path, start, tensor.span * itemsize, quoted(name))
        flat = decode(raw, tensor.dtype, (tensor.span,))
        if count == 0:
            return flat.reshape(tensor.shape)
        strides = [stride * itemsize for stride in tensor.strides]
        view: Array = np.ndarray(tensor.shape, tensor.dtype, flat.view(np.uint8).data, strides=strides)
        # A transposed array keeps its memory; one that repeats or skips elements gets memory of its own.
        return view if tensor.span == count and _is_dense(tensor) else view.copy()

    def same(self, name: str, other: str) -> bool:
        one, two = self._tensors[name], self._tensors[other]
        views = ((each.dtype, each.offset, each.shape, each.strides) for each in (one, two))
        return one.storage.key == two.storage.key and next(views) == next(views)

    def note(self, key: str) -> Any:
        value = self._value
        found = pickled_modules.attribute(value, key) if isinstance(value, Record) else value.get(key)
        return plain(found, self.path)

    def close(self) -> None:
        self._value = {}
        self._file.close()


def _is_dense(tensor: _Tensor) -> bool:
    """Whether the strides visit each element of the span once."""
    expected = 1
    for stride, size in sorted(zip(tensor.strides, tensor.shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def _is_torch_name(module: str, name: str) -> bool:
    if module == "torch":
        return name in STORAGES or name in DTYPES
    return (module, name) == ("torch.storage", "UntypedStorage")


def _zip_entries(file: BinaryIO, path: Path, size: int) -> dict[str, tuple[int, int]]:
    """Name to (first byte, bytes) of a zip archive whose entries are stored as they are, as torch.save writes them."""
    entries: dict[str, tuple[int, int]] = {}
    ranges = []
    try:
        with zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OverflowError, OSError) as error:
        raise CheckpointError(path, f"a damaged or truncated zip archive ({error}); fetch or copy it again") from error
    if any(entry.filename.endswith("/constants.pkl") for entry in listed):
        raise CheckpointError(path, "a TorchScript archive, which is a program; save its state_dict() instead")
    for entry in listed:
        name = entry.filename
        if name in entries:
            raise CheckpointError(path, "stands twice in the archive", quoted(name))
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
            raise CheckpointError(
                path,
                "is compressed or encrypted, which torch.save never does; unpack the archive and pack it with `zip -0`",
                quoted(name),
            )
        if not 0 <= entry.header_offset <= size - 30:
            raise CheckpointError(path, "lies outside of the archive, which is damaged", quoted(name))
        local = read_bytes(file, path, entry.header_offset, 30).tobytes()
        name_length, extra_length = struct.unpack("<HH", local[26:])
        start = entry.header_offset + 30 + name_length + extra_length
        if local[:4] != b"PK\x03\x04" or start + entry.file_size > size:
            raise CheckpointError(path, "lies outside of the archive, which is damaged", quoted(name))
        entries[name] = (start, entry.file_size)
        ranges.append((entry.header_offset, start + entry.file_size, name))
    ranges.sort()
    for (_, end, _), (start, _, name) in pairwise(ranges):
        if start < end:
            raise CheckpointError(path, "overlaps another entry of the archive", quoted(name))
    return entries


def write_torch_bin(
    path: Path | str, arrays: Mapping[str, LazyArray], aliases: Mapping[str, str] | None = None
) -> None:
    """Write a state dict that `torch.load(path, weights_only=True)` reads, without PyTorch.

    Args:
        path: the file, e.g. `folder/pytorch_model.bin`.
        arrays: name to array, or to a function that makes it; functions are called once for shape and dtype and once
            for the values, one array at a time.
        aliases: further names, each with the name in `arrays` whose storage it shares (tied parameters).

    Raises:
        ValueError: a dtype that PyTorch has no storage for, or an alias of nothing.
    """
    path = Path(path)
    aliases = aliases or {}
    headers = measure(arrays)
    for alias, name in aliases.items():
        if name not in headers or alias in headers:
            raise ValueError(
                f"{path}: the alias {quoted(alias)} of {quoted(name)} is an array itself, or {quoted(name)} is none"
            )
    keys = {name: str(i) for i, name in enumerate(headers)}
    entries = [*((name, name) for name in headers), *aliases.items()]
    parts = [b"\x80\x02", _global("collections", "OrderedDict"), b")R("]
    for alias, name in entries:
        shape, dtype = headers[name]
        storage = STORAGE_OF.get(dtype.newbyteorder("="))
        if storage is None:
            raise ValueError(
                f"{path}: {quoted(name)} is {dtype}; PyTorch has storages of {', '.join(map(str, STORAGE_OF))}"
            )
        strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
        count = _int(math.prod(shape))
        pid = [_string("storage"), _global("torch", storage), _string(keys[name]), _string("cpu"), count]
        parts += [_string(alias), _global("torch._utils", "_rebuild_tensor_v2"), b"((", *pid, b"tQK\x00"]
        parts += [b"(", *map(_int, shape), b"t(", *map(_int, strides), b"t\x89", _global("collections", "OrderedDict")]
        parts.append(b")RtR")
    parts.append(b"u.")
    with atomic_write(path) as temporary, temporary.open("wb") as file, zipfile.ZipFile(file, "w") as archive:
        _store(file, archive, "archive/data.pkl", b"".join(parts))
        _store(file, archive, "archive/byteorder", b"little")
        for name, (shape, dtype) in headers.items():
            _store(file, archive, f"archive/data/{keys[name]}", encode(remake(path, name, arrays[name], shape, dtype)))
        _store(file, archive, "archive/version", b"3\n")


def _store(file: BinaryIO, archive: zipfile.ZipFile, name: str, data: bytes | memoryview) -> None:
    """Append an entry whose data starts at a multiple of ALIGNMENT; its date is fixed: equal input, equal files."""
    entry = zipfile.ZipInfo(name)
    entry.file_size = len(data)
    zip64 = len(data) * 1.05 > zipfile.ZIP64_LIMIT  # zipfile's own rule: such an entry gets 20 more bytes of header
    start = file.tell() + 30 + len(name) + (20 if zip64 else 0)
    padding = -(start + 4) % ALIGNMENT
    entry.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    with archive.open(entry, "w", force_zip64=zip64) as target:
        target.write(data)


def _global(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode("ascii")


def _string(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def _int(value: int) -> bytes:
    if value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)
