"""Weight files of Keras 2 (`tf_model.h5`) through h5py.

The root's attribute `layer_names` lists the layers, each layer's group lists its weights in `weight_names`, and the
values lie at `<layer>/<weight name>`. A list above 64 KB is cut into `layer_names0`, `layer_names1`, ….
Format: `save_weights_to_hdf5_group` of Keras 2, keras/saving/legacy/hdf5_format.py. HDF5 itself: a file can point into
other files (external links, external storage, virtual datasets); such pointers are refused, never followed.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import accumulate
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np

from tx_core.checkpoints.base import (
    Array,
    ArrayInfo,
    Checkpoint,
    CheckpointError,
    LazyArray,
    checked_shape,
    unlazy,
)
from tx_core.files import atomic_write
from tx_core.messages import quoted, shorten

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
HEAP_MAGIC = b"GCOL\x01"
HEAP_REFERENCE = 16
"""Bytes that a string of variable length takes where it is referred to."""
TOP_LEVEL = "top_level_model_weights"
ATTRIBUTE_LIMIT = 64512
"""Bytes of an attribute, as Keras cuts them; HDF5 cannot hold more than 64 KB in an object's header."""
MAX_NAMES = 1_000_000
MAX_CHUNKS = 10_000
REFERENCE_LENGTH = 4
"""Bytes of such a reference that say how long the string is; the address and number of the heap's object follow."""
VARIABLE_LENGTH = 9
"""The class of their type."""
MAX_STRINGS = 64 << 20
"""Bytes of an attribute's strings together: many references to one string would spell it out many times."""
MAX_RATIO = 1100
"""Bytes that one stored byte may unpack to; deflate reaches 1032."""
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Filters that h5py brings along. HDF5 would search others in plug-in folders of the machine."""

# h5py reports the HDF5 library's errors as any of these, depending on the call.
_H5_ERRORS = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, OverflowError)


class KerasH5Checkpoint(Checkpoint):
    """Arrays named "<layer>/<weight name>", e.g. "bert/tf_bert_model/bert/pooler/dense/kernel:0"."""

    format = "keras_h5"

    def __init__(self, path: Path) -> None:
        import h5py

        super().__init__(path)
        self._h5py = h5py
        self._size = path.stat().st_size
        try:
            self._file = h5py.File(path, "r")
        except _H5_ERRORS as error:
            raise self._error(f"a damaged or truncated HDF5 file ({error}); fetch or copy it again") from error
        try:
            self._datasets = self._collect()
        except BaseException:
            self.close()
            raise

    def _error(self, problem: str, key: str | None = None) -> CheckpointError:
        return CheckpointError(self.path, problem, key)

    def _collect(self) -> dict[str, tuple[Any, ArrayInfo]]:
        try:
            if not any(name in self._file.attrs for name in ("layer_names", "layer_names0")):
                raise self._error(
                    "an HDF5 file without the attribute layer_names, so not one that Keras 2's save_weights wrote "
                    "(Keras 3's .weights.h5 has another layout); convert it to safetensors"
                )
            for name in ("backend", "keras_version"):
                if name in self._file.attrs:
                    self.metadata[name] = shorten("".join(self._strings(self._file, name, "the file")[:1]))
            layers = self._names(self._file, "layer_names", "the file")
            if TOP_LEVEL in self._file and TOP_LEVEL not in layers:
                layers.append(TOP_LEVEL)
            found: dict[str, tuple[Any, ArrayInfo]] = {}
            groups: set[int] = set()
            for layer in layers:
                group = self._walk(self._file, layer, layer)
                self._check_once(group, groups, layer)
                if isinstance(group, self._h5py.Dataset):  # a shard lists its weights, and has no layers
                    found[layer] = group, self._check(group, layer)
                    continue
                for weight in self._names(group, "weight_names", layer):
                    name = f"{layer}/{weight}"
                    if name in found:
                        raise self._error("is listed twice", quoted(name))
                    dataset = self._walk(group, weight, name)
                    self._check_once(dataset, groups, name)
                    found[name] = dataset, self._check(dataset, name)
                    if len(found) > MAX_NAMES:
                        raise self._error(f"lists more than {MAX_NAMES} weights")
            return found
        except CheckpointError:
            raise
        except _H5_ERRORS as error:
            raise self._error(f"a damaged HDF5 file ({error}); fetch or copy it again") from error

    def _check_once(self, item: Any, seen: set[int], key: str) -> None:
        """Groups and arrays stand under one name: links to themselves would list them without end."""
        address = self._h5py.h5o.get_info(item.id).addr
        if address in seen:
            raise self._error("is linked under two names; save the weights again, as plain datasets", quoted(key))
        seen.add(address)

    def _names(self, group: Any, attribute: str, where: str) -> list[str]:
        """An attribute that lists names, joined from its pieces."""
        if not isinstance(group, self._h5py.Group):
            raise self._error("is no group; the file is damaged", quoted(where))
        pieces = [attribute] if attribute in group.attrs else []
        while not pieces or pieces[0] != attribute:
            piece = f"{attribute}{len(pieces)}"
            if piece not in group.attrs:
                break
            pieces.append(piece)
            if len(pieces) > MAX_CHUNKS:
                raise self._error(f"cuts {attribute} into more than {MAX_CHUNKS} pieces", quoted(where))
        if not pieces:
            raise self._error(f"has no attribute {attribute}; the file is damaged", quoted(where))
        names: list[str] = []
        for piece in pieces:
            names += self._strings(group, piece, where)
        return names

    def _strings(self, group: Any, attribute: str, where: str) -> list[str]:
        """An attribute of text, whatever its shape."""
        attribute_id = group.attrs.get_id(attribute)
        count = math.prod(attribute_id.shape)
        if count == 0:  # Keras: an empty list of floats
            return []
        kind = self._h5py.check_string_dtype(attribute_id.dtype)
        if kind is None:
            raise self._error(f"has an attribute {attribute} that lists no names", quoted(where))
        if count * (kind.length or HEAP_REFERENCE) > self._size:
            raise self._error(f"has an attribute {attribute} larger than the file", quoted(where))
        if kind.length is None and count * self._longest_heap_object > MAX_STRINGS:
            raise self._error(
                f"has an attribute {attribute} that may spell out more than {MAX_STRINGS} bytes", quoted(where)
            )
        if kind.length is None:
            if attribute_id.get_type().committed():
                raise self._error(f"has an attribute {attribute} whose type stands elsewhere", quoted(where))
            self._check_references(attribute, where)
        values = np.asarray(group.attrs[attribute]).reshape(-1).tolist()
        return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]

    def _check_references(self, attribute: str, where: str) -> None:
        """No reference to a string of variable length says that it is longer than any that is there.

        The HDF5 library makes room for what the reference says before it looks at the string. Layout: HDF5 File Format
        Specification, Attribute Message.
        """
        name = attribute.encode("utf-8") + b"\0"
        with self.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as raw:
            at = raw.find(name)
            while at >= 0:
                for each in _references(raw, at, len(name)):
                    length = int.from_bytes(raw[each : each + REFERENCE_LENGTH], "little")
                    if length > self._longest_heap_object:
                        raise self._error(
                            f"has an attribute {attribute} with a string of {length} bytes, longer than any in the "
                            "file; it is damaged: fetch it again",
                            quoted(where),
                        )
                at = raw.find(name, at + 1)

    @cached_property
    def _longest_heap_object(self) -> int:
        """Bytes of the longest string of variable length, after a look at the heaps that hold them.

        The HDF5 library walks through a heap from object to object, and never comes back from one whose objects have
        the size 0. Layout: HDF5 File Format Specification, Global Heap.
        """
        if self._file.id.get_create_plist().get_sizes() != (8, 8):
            raise self._error("an HDF5 file whose addresses do not take 8 bytes; save the weights again")
        longest = 0
        # Heaps do not overlap: together they have at most as many objects as fit into the file.
        left = self._size // 16
        with self.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as raw:
            at = raw.find(HEAP_MAGIC)
            while at >= 0:
                for size in self._heap_objects(raw, at):
                    left -= 1
                    if left < 0:
                        raise self._error("the heaps that hold its names overlap; the file is damaged: fetch it again")
                    longest = max(longest, size)
                at = raw.find(HEAP_MAGIC, at + 1)
        return longest

    def _heap_objects(self, raw: mmap, start: int) -> Iterator[int]:
        """The bytes of each object of the heap that begins at `start`; 0 for what is free."""
        end = start + int.from_bytes(raw[start + 8 : start + 16], "little")
        at = start + 16
        while at + 16 <= end:
            used = raw[at : at + 2] != b"\0\0"  # index 0 is what is free, its header included
            size = int.from_bytes(raw[at + 8 : at + 16], "little")
            step = 16 + (size + 7) // 8 * 8 if used else size
            if step < 16 or at + step > min(end, len(raw)):
                raise self._error(f"the heap at byte {start}, which holds its names, is damaged; fetch the file again")
            yield size if used else 0
            at += step

    def _walk(self, group: Any, path: str, key: str) -> Any:
        """The object at `path`, through hard links only: the others may lead out of the file."""
        for part in path.split("/"):
            if not isinstance(group, self._h5py.Group) or part in ("", ".") or part not in group:
                raise self._error("is listed, but not in the file; it is incomplete: fetch it again", quoted(key))
            link = group.get(part, getlink=True)
            if not isinstance(link, self._h5py.HardLink):
                raise self._error(
                    f"{quoted(part)} is a {type(link).__name__}, which may lead out of the file; save the weights "
                    "again, as plain datasets",
                    quoted(key),
                )
            group = group[part]
        return group

    def _check(self, dataset: Any, name: str) -> ArrayInfo:
        key = quoted(name)
        if not isinstance(dataset, self._h5py.Dataset) or dataset.shape is None:
            raise self._error("is no array", key)
        if dataset.is_virtual or dataset.external:
            raise self._error("keeps its values in other files; save the weights again, as plain datasets", key)
        dtype = dataset.dtype
        if dtype.kind not in "biufc" or dtype.fields is not None:
            raise self._error(f"holds {dtype}, not numbers", key)
        shape = checked_shape(self.path, dataset.shape, key)
        if dataset.chunks and len(dataset.chunks) != len(shape):
            raise self._error(f"has chunks {dataset.chunks} of shape {shape}; it is damaged: fetch it again", key)
        creation = dataset.id.get_create_plist()
        filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        if len(set(filters)) < len(filters) or not FILTERS.keys() >= set(filters):
            raise self._error(f"uses the HDF5 filters {filters}; known are {FILTERS}; save it without", key)
        stored = dataset.id.get_storage_size()
        needed = math.prod(shape) * dtype.itemsize
        chunk = math.prod(dataset.chunks) * dtype.itemsize if dataset.chunks else 0
        if stored > self._size or max(needed, chunk) > stored * (MAX_RATIO if filters else 1):
            raise self._error(
                f"shape {shape} of {dtype} takes {needed} bytes, the file of {self._size} stores {stored}; "
                "it is damaged or incomplete: fetch it again",
                key,
            )
        return ArrayInfo(shape, dtype.name)

    def names(self) -> list[str]:
        return list(self._datasets)

    def info(self, name: str) -> ArrayInfo:
        if name not in self._datasets:
            raise self._unknown(name)
        return self._datasets[name][1]

    def read(self, name: str) -> Array:
        self.info(name)
        dataset, info = self._datasets[name]
        values = np.empty(info.shape, dataset.dtype.newbyteorder("="))
        if values.size == 0:
            return values
        try:
            dataset.read_direct(values)
        except _H5_ERRORS as error:
            raise self._error(f"cannot be read ({error}); fetch or copy the file again", quoted(name)) from error
        return values

    def close(self) -> None:
        self._file.close()


def _references(raw: mmap, name: int, length: int) -> Iterator[int]:
    """Where the references of an attribute of strings of variable length begin, if its name stands at `name`.

    The name has that many bytes. Before it stand the version, 1 to 3, and the sizes of the parts; behind it the type
    of the values, their shape, and the values themselves.
    """
    for version, before in ((1, 8), (2, 8), (3, 9)):
        start = name - before
        if start < 0 or raw[start] != version or int.from_bytes(raw[start + 2 : start + 4], "little") != length:
            continue
        sizes = (length, *(int.from_bytes(raw[start + i : start + i + 2], "little") for i in (4, 6)))
        _, kind, shape, values = accumulate(
            (-(-size // 8) * 8 if version == 1 else size for size in sizes), initial=name
        )
        if shape + 2 > len(raw) or raw[kind] & 15 != VARIABLE_LENGTH:
            continue
        # HDF5 would take references of another size, and read beyond them.
        if (size := int.from_bytes(raw[kind + 4 : kind + 8], "little")) != HEAP_REFERENCE:
            raise ValueError(f"references to strings take {HEAP_REFERENCE} bytes, not {size}")
        dimensions = shape + (8 if raw[shape : shape + 1] == b"\1" else 4)
        rank = raw[shape + 1]
        sizes_of = (raw[dimensions + 8 * i : dimensions + 8 * i + 8] for i in range(rank))
        count = math.prod(int.from_bytes(each, "little") for each in sizes_of)
        yield from range(values, min(values + count * HEAP_REFERENCE, len(raw)), HEAP_REFERENCE)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """h5py reports a full disk as a RuntimeError whose text has the system's number."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        number = re.search(r"errno = (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def write_keras_h5(path: Path | str, layers: Mapping[str, Mapping[str, LazyArray]]) -> None:
    """Write a weight file in Keras 2's layout, e.g. `tf_model.h5`.

    Args:
        path: the file.
        layers: layer name to weight name ("tf_bert_model/bert/pooler/dense/kernel:0") to array, or to a function that
            makes it, called once.

    Raises:
        ValueError: a dtype that HDF5 has no type for (bfloat16), or a name that cannot be a path in the file.
    """
    import h5py

    path = Path(path)
    # The temporary file is locked already.
    with atomic_write(path) as temporary, _disk_errors(path), h5py.File(temporary, "w", locking=False) as file:
        file.attrs["backend"] = np.bytes_(b"tensorflow")
        file.attrs["keras_version"] = np.bytes_(b"2.2.4-tf")
        _write_names(path, file, "layer_names", list(layers))
        for layer, weights in layers.items():
            group = file.create_group(layer)
            _write_names(path, group, "weight_names", list(weights))
            for name, value in weights.items():
                array = unlazy(value)
                if array.dtype.kind not in "biufc":
                    raise ValueError(f"{path}: {layer}/{name} is {array.dtype}, which HDF5 cannot hold; use float32")
                group.create_dataset(name, data=array)
                del array


def _write_names(path: Path, group: Any, attribute: str, names: list[str]) -> None:
    """A list of names as fixed-length bytes, cut into pieces that fit into an object's header."""
    encoded = [name.encode("utf-8") for name in names]
    for name, raw in zip(names, encoded, strict=True):
        if not 0 < len(raw) <= ATTRIBUTE_LIMIT or b"\0" in raw or any(part in ("", ".") for part in name.split("/")):
            raise ValueError(f"{path}: {quoted(name)} cannot be a name in an HDF5 file")
    if not encoded:
        group.attrs[attribute] = np.empty(0, "S1")
        return
    width = max(map(len, encoded))
    per_piece = max(1, ATTRIBUTE_LIMIT // width)
    if len(encoded) <= per_piece:
        group.attrs[attribute] = np.array(encoded, f"S{width}")
        return
    for number, start in enumerate(range(0, len(encoded), per_piece)):
        group.attrs[f"{attribute}{number}"] = np.array(encoded[start : start + per_piece], f"S{width}")
