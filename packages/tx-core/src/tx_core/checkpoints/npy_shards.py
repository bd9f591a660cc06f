"""OpenAI GPT's original release: `params_0.npy` … are one long vector, `params_shapes.json` says how to cut it.

Source: https://github.com/openai/finetune-transformer-lm, train.py.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np

from tx_core.checkpoints.base import (
    Array,
    ArrayInfo,
    Checkpoint,
    CheckpointError,
    checked_shape,
    decode,
    file_size,
    read_into,
)
from tx_core.json_files import read_json
from tx_core.messages import quoted, shorten

SHAPES_NAME = "params_shapes.json"
MAX_SHAPES = 1 << 20
NPY_MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
"""Bytes of a `.npy` file's header, as NumPy has it."""


class NpyShardsCheckpoint(Checkpoint):
    """The arrays are named "0", "1", … in the order of `params_shapes.json`; `path` is the folder."""

    format = "npy_shards"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._files: list[tuple[Path, BinaryIO, int, int]] = []  # path, file, first byte, elements
        try:
            self._shapes = self._parse_shapes(folder / SHAPES_NAME)
            self._open_pieces(folder)
        except BaseException:
            self.close()
            raise

    def _parse_shapes(self, path: Path) -> dict[str, tuple[tuple[int, ...], int]]:
        sizes = read_json(path, MAX_SHAPES, CheckpointError)
        if not isinstance(sizes, list) or not sizes or not all(isinstance(shape, list) for shape in sizes):
            raise CheckpointError(path, "is not a list of shapes")
        shapes = {}
        start = 0
        for i, raw in enumerate(sizes):
            shape = checked_shape(path, raw, f"shape {i}")
            shapes[str(i)] = (shape, start)
            start += math.prod(shape)
        self._total = start
        return shapes

    def _open_pieces(self, folder: Path) -> None:
        matches = [re.fullmatch(r"params_(\d{1,4})\.npy", file.name) for file in folder.iterdir()]
        names = {int(found[1]): folder / found[0] for found in matches if found}
        if sorted(names) != list(range(len(names))) or not names:
            raise CheckpointError(
                folder, f"params_*.npy are not numbered 0, 1, …: found {sorted(names)}; fetch the rest"
            )
        dtypes = set()
        for number in range(len(names)):
            path = names[number]
            file = path.open("rb")
            try:
                dtype, start, count = _read_header(path, file)
            except BaseException:
                file.close()
                raise
            self._files.append((path, file, start, count))
            dtypes.add(dtype)
        if len(dtypes) > 1:
            raise CheckpointError(folder, f"params_*.npy mix the dtypes {', '.join(sorted(map(str, dtypes)))}")
        self._dtype = dtypes.pop()
        found = sum(count for *_, count in self._files)
        if found != self._total:
            raise CheckpointError(folder, f"params_*.npy hold {found} values, {SHAPES_NAME} describes {self._total}")

    def names(self) -> list[str]:
        return list(self._shapes)

    def info(self, name: str) -> ArrayInfo:
        if name not in self._shapes:
            raise self._unknown(name)
        return ArrayInfo(self._shapes[name][0], self._dtype.name)

    def read(self, name: str) -> Array:
        self.info(name)
        shape, start = self._shapes[name]
        stop = start + math.prod(shape)
        itemsize = self._dtype.itemsize
        raw = np.empty((stop - start) * itemsize, np.uint8)
        begin = 0
        for path, file, first_byte, count in self._files:
            low, high = max(start, begin), min(stop, begin + count)
            if low < high:
                piece = raw[(low - start) * itemsize : (high - start) * itemsize]
                read_into(file, path, first_byte + (low - begin) * itemsize, piece, quoted(name))
            begin += count
        return decode(raw, self._dtype, shape)

    def close(self) -> None:
        for _, file, *_ in self._files:
            file.close()


def _read_header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], int, int]:
    """dtype, first byte of the values and their number of a one-dimensional `.npy` file."""
    size = file_size(file)
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        # NumPy would make room for as many bytes as the file says, and only then look whether they are there.
        length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
        if length > min(MAX_HEADER, size):
            raise ValueError(f"a header of {length} bytes; {MAX_HEADER} are the most that is read")
        file.seek(len(NPY_MAGIC) + 2)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    except (ValueError, OSError, SyntaxError, TypeError, LookupError, RecursionError, MemoryError, TokenError) as error:
        raise CheckpointError(
            path, f"is no .npy file, or a damaged one ({shorten(str(error))}); fetch it again"
        ) from error
    start = file.tell()
    if dtype.kind not in "f" or dtype.byteorder == ">":
        raise CheckpointError(path, f"holds {shorten(str(dtype))}; little-endian floating-point numbers are expected")
    if len(shape) != 1 or start + shape[0] * dtype.itemsize != size:
        raise CheckpointError(
            path, f"the header describes {dtype} {quoted(shape)}, the file has {size} bytes; fetch it again"
        )
    return dtype, start, shape[0]
