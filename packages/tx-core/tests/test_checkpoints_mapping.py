"""Arrays that are memory of a mapped file: what they share with the file and with each other, and what is refused."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from tx_core.checkpoints import CheckpointError, open_checkpoint, safetensors, write_safetensors, write_torch_bin
from tx_core.checkpoints.mapping import map_file

posix = pytest.mark.skipif(sys.platform == "win32", reason="files are not mapped on Windows")

Array = npt.NDArray[Any]
ARRAYS: dict[str, Array] = {
    "a": np.arange(5120, dtype=np.float32).reshape(64, 80),
    "b": np.arange(3000, dtype=np.float64),
    "half": np.arange(64, dtype=np.float16).reshape(2, 32),
    "brain": np.arange(32).astype(ml_dtypes.bfloat16),
    "long": np.arange(20_001, dtype=np.float32),
    "scalar": np.array(7, dtype=np.float32),
}
# Fills no whole number of lines of the cache, so that what follows it straddles them. It is small, and copied itself.
COPIED = ("scalar",)


def is_mapped(array: Array) -> bool:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base is not None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_safetensors(tmp_path / "model.safetensors", ARRAYS)


@posix
@pytest.mark.parametrize("max_shard_size", [None, 90_000])
def test_arrays_are_memory_of_the_file_and_changes_stay_in_memory(tmp_path: Path, max_shard_size: int | None) -> None:
    path = write_safetensors(tmp_path / "model.safetensors", ARRAYS, max_shard_size=max_shard_size)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert len(before) == (1 if max_shard_size is None else 3)
    with open_checkpoint(path, mapped=True) as checkpoint:
        taken = {name: checkpoint.take(name) for name in checkpoint.names()}
        for name, array in taken.items():
            assert is_mapped(array) == (name not in COPIED)
            assert array.dtype == ARRAYS[name].dtype
            np.testing.assert_array_equal(array, ARRAYS[name])
            array[...] = 1
            np.testing.assert_array_equal(checkpoint.read(name), ARRAYS[name])
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    for file in before:
        file.unlink()
    for array in taken.values():
        assert (array == 1).all()  # closed and deleted, the file is still in use


def test_no_two_arrays_share_memory(path: Path) -> None:
    with open_checkpoint(path, mapped=True) as one, open_checkpoint(path, mapped=True) as other:
        arrays = [one.take("a"), one.take("a"), one.read("a"), other.take("a")]
    for i, array in enumerate(arrays):
        array += i
    for i, array in enumerate(arrays):
        np.testing.assert_array_equal(array, ARRAYS["a"] + i)


@posix
def test_what_is_given_back_can_be_taken_again(path: Path) -> None:
    with open_checkpoint(path, mapped=True) as checkpoint:
        checkpoint.give_back("a")  # never taken: nothing happens
        first, neighbour = checkpoint.take("a"), checkpoint.take("b")
        neighbour += 1
        np.testing.assert_array_equal(first, ARRAYS["a"])
        checkpoint.give_back("a")
        again = checkpoint.take("a")
        assert is_mapped(again)
        np.testing.assert_array_equal(again, ARRAYS["a"])
        np.testing.assert_array_equal(neighbour, ARRAYS["b"] + 1)


def test_arrays_that_are_not_aligned_are_copied(tmp_path: Path) -> None:
    values = np.arange(4, dtype=np.float32)
    entries = {
        "byte": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "values": {"dtype": "F32", "shape": [4], "data_offsets": [1, 17]},
        "half": {"dtype": "F16", "shape": [1], "data_offsets": [17, 19]},
        "none": {"dtype": "F32", "shape": [0, 3], "data_offsets": [19, 19]},
        "truth": {"dtype": "BOOL", "shape": [2], "data_offsets": [19, 21]},
        "large": {"dtype": "F32", "shape": [20000], "data_offsets": [21, 80021]},
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    data = b"\x05" + values.tobytes() + np.float16(2).tobytes() + b"\x01\x02" + bytes(80000)
    path = tmp_path / "m"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    with open_checkpoint(path, mapped=True) as checkpoint:
        arrays = {name: checkpoint.take(name) for name in entries}
    for name, array in arrays.items():
        assert not is_mapped(array), name
        assert array.flags.aligned
        assert array.flags.writeable
    np.testing.assert_array_equal(arrays["values"], values)
    assert (arrays["half"], arrays["none"].shape) == (2, (0, 3))
    assert arrays["truth"].view(np.uint8).tolist() == [1, 1]


@pytest.mark.parametrize("form", ["unmapped", "bin", "no mapping"])
def test_what_is_not_mapped_is_read(tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_torch_bin if form == "bin" else write_safetensors
    path = tmp_path / "m"
    write(path, {"a": ARRAYS["a"]})
    if form == "no mapping":
        monkeypatch.setattr(safetensors, "map_file", lambda file, size: None)
    with open_checkpoint(path, mapped=form != "unmapped") as checkpoint:
        array = checkpoint.take("a")
        array += 1
        checkpoint.give_back("a")
        np.testing.assert_array_equal(checkpoint.take("a"), ARRAYS["a"])
    np.testing.assert_array_equal(array, ARRAYS["a"] + 1)


def test_a_closed_file_gives_no_arrays(path: Path) -> None:
    with open_checkpoint(path, mapped=True) as checkpoint:
        checkpoint.take("a")
    with pytest.raises(ValueError, match="closed file"):
        checkpoint.take("b")
    with pytest.raises(CheckpointError, match="no array of this name"):
        checkpoint.take("c")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content.replace(b'"shape":[64,80]', b'"shape":[64,81]'),
        lambda content: content.replace(b'"data_offsets":[0,', b'"data_offsets":[8,'),
    ],
)
def test_a_file_whose_header_lies_is_not_mapped(
    path: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = damage(path.read_bytes())
    assert damaged != path.read_bytes()
    path.write_bytes(damaged)
    mapped = []
    monkeypatch.setattr(safetensors, "map_file", lambda file, size: mapped.append(file))
    with pytest.raises(CheckpointError):
        open_checkpoint(path, mapped=True)
    assert not mapped


def test_a_file_that_is_cut_before_it_is_mapped_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(file: Any, size: int) -> Any:
        path.write_bytes(path.read_bytes()[:-100])
        return map_file(file, size)

    monkeypatch.setattr(safetensors, "map_file", cut)
    with open_checkpoint(path, mapped=True) as checkpoint, pytest.raises(CheckpointError, match=r"ends .* too early"):
        _ = [checkpoint.take(name) for name in ARRAYS]
