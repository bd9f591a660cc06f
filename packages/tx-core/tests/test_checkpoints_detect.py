"""Content decides the format; what is no checkpoint is called by its name. And the `.npy` shards of OpenAI's GPT."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.checkpoints import (
    ArrayInfo,
    CheckpointError,
    open_checkpoint,
    write_keras_h5,
    write_safetensors,
    write_tf1,
    write_torch_bin,
)


@pytest.mark.parametrize("extension", [".safetensors", ".bin", ".h5", ".index", ".pt", ""])
def test_the_extension_does_not_matter(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"weights{extension}"
    writers: dict[str, Callable[[], Any]] = {
        "safetensors": lambda: write_safetensors(path, {"a": np.ones(2)}),
        "torch": lambda: write_torch_bin(path, {"a": np.ones(2)}),
        "keras_h5": lambda: write_keras_h5(path, {"a": {"w": np.ones(2)}}),
    }
    for form, write in writers.items():
        write()
        with open_checkpoint(path) as checkpoint:
            assert checkpoint.format == form
            assert checkpoint.read(checkpoint.names()[0]).tolist() == [1, 1]


def test_paths_may_be_strings(tmp_path: Path) -> None:
    write_safetensors(str(tmp_path / "m"), {"a": np.ones(2)})
    write_torch_bin(str(tmp_path / "b"), {"a": np.ones(2)})
    write_keras_h5(str(tmp_path / "h"), {"a": {"w": np.ones(2)}})
    write_tf1(str(tmp_path / "t"), {"a": np.ones(2)})
    for name in "mbht":
        with open_checkpoint(str(tmp_path / name)) as checkpoint:
            assert len(checkpoint.names()) == 1


def tar_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
    return buffer.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty"),
        (POINTER, "git-LFS pointer.*git lfs pull"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n  <html>", "web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "web page"),
        (b'{"error": "Repository not found"}', "weight_map"),
        (b"Entry not found", "no checkpoint format starts with b'Entry not found'"),
        (b"\x1f\x8b\x08" + bytes(20), "gzip"),
        (b"BZh9", "bzip2"),
        (b"\xfd7zXZ\x00", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"PK\x05\x06" + bytes(18), "empty zip"),
        (tar_of("storages"), "tar archive.*PyTorch before"),
        (pickle.dumps({"weights": [1, 2]}, 2), "pickle but no PyTorch checkpoint; nothing was run"),
        (pickle.dumps({"weights": [1, 2]}, 4), "pickle but no PyTorch checkpoint; nothing was run"),
        (pickle.dumps({"weights": [1, 2]}, 0), "no checkpoint format"),
        (b"\x80", "pickle"),
        (b"\0", "no checkpoint format"),
        (bytes(1000), "no checkpoint format"),
        (b"\x93NUMPY\x01\x00", "no checkpoint format"),
        (b"GGUF\x03\0\0\0", "no checkpoint format.*known are safetensors"),
    ],
)
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)


def test_what_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_checkpoint(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="name the file itself"):
        open_checkpoint(tmp_path)


def test_the_error_carries_file_key_and_problem(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"a": np.ones(2)})
    with open_checkpoint(tmp_path / "m") as checkpoint, pytest.raises(CheckpointError) as caught:
        checkpoint.info("b")
    assert isinstance(caught.value, ValueError)
    assert caught.value.path == tmp_path / "m"
    assert caught.value.key == "'b'"
    assert str(caught.value) == f"{tmp_path / 'm'}: 'b': {caught.value.problem}"


BEGINNINGS = [
    b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"{", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.",
    b"\x10" + bytes(7) + b"{"
]  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    magic=st.sampled_from(BEGINNINGS),
    rest=st.binary(max_size=200),
    end=st.sampled_from([b"", bytes.fromhex("57fb808b247547db"), b"PK\x05\x06" + bytes(18)]),
)  # fmt: skip
def test_arbitrary_bytes_behind_a_known_beginning_never_escape(
    tmp_path: Path, magic: bytes, rest: bytes, end: bytes
) -> None:
    path = tmp_path / "m.index"
    path.write_bytes(magic + rest + end)
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
    except CheckpointError:
        pass


# .npy shards

SHAPES = [[4, 3], [1, 3, 5], [], [7], [0, 2]]
VALUES = np.arange(12 + 15 + 1 + 7, dtype=np.float32)


def write_shards(folder: Path, cuts: list[int], dtype: npt.DTypeLike = np.float32) -> None:
    (folder / "params_shapes.json").write_text(json.dumps(SHAPES))
    for number, part in enumerate(np.split(VALUES.astype(dtype), cuts)):
        np.save(folder / f"params_{number}.npy", part)


@pytest.mark.parametrize("cuts", [[], [12], [5, 6, 30], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 34]])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_shards_are_joined_and_cut_by_shape(tmp_path: Path, cuts: list[int], dtype: npt.DTypeLike) -> None:
    write_shards(tmp_path, cuts, dtype)
    for path in (tmp_path, tmp_path / "params_shapes.json", tmp_path / "params_0.npy"):
        with open_checkpoint(path) as checkpoint:
            assert checkpoint.format == "npy_shards"
            assert checkpoint.names() == ["0", "1", "2", "3", "4"]
            assert checkpoint.info("1") == ArrayInfo((1, 3, 5), np.dtype(dtype).name)
            arrays = [checkpoint.read(name) for name in checkpoint.names()]
            assert [list(array.shape) for array in arrays] == SHAPES
            np.testing.assert_array_equal(np.concatenate([array.reshape(-1) for array in arrays]), VALUES)
            with pytest.raises(CheckpointError, match="no array of this name"):
                checkpoint.read("5")


def save(folder: Path, number: int, array: Any, **keywords: Any) -> None:
    np.save(folder / f"params_{number}.npy", array, **keywords)


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda f: (f / "params_0.npy").unlink(), r"not numbered 0, 1, …: found \[1\]"),
        (lambda f: (f / "params_1.npy").unlink(), "hold 12 values, params_shapes.json describes 35"),
        (lambda f: save(f, 1, VALUES[12:].astype(np.float64)), "mix the dtypes"),
        (lambda f: save(f, 1, VALUES[12:].astype(">f4")), "little-endian"),
        (lambda f: save(f, 1, np.arange(23)), "holds int64"),
        (lambda f: save(f, 1, VALUES[12:34].reshape(2, 11)), "the header describes"),
        (lambda f: save(f, 1, np.array([object()] * 23), allow_pickle=True), "holds object"),
        (lambda f: (f / "params_1.npy").write_bytes((f / "params_1.npy").read_bytes()[:-1]), "the file has"),
        (lambda f: (f / "params_1.npy").write_bytes(b"\x93NUMPY\x01\x00\xff\xff{"), r"no \.npy file"),
        (
            lambda f: (f / "params_1.npy").write_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{"),
            "a header of 4294967295 bytes",
        ),
        (
            lambda f: (f / "params_1.npy").write_bytes(b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 0x2000),
            r"no \.npy file",
        ),
        (lambda f: (f / "params_1.npy").write_bytes(b""), r"no \.npy file"),
        (
            lambda f: (f / "params_1.npy").write_bytes(
                b"\x93NUMPY\x01\x00\x3b\x00{'descr': ((), 1), 'fortran_order': False, 'shape': (23,)}"
            ),
            r"no \.npy file",
        ),
        (lambda f: (f / "params_shapes.json").write_text("{}"), "not a list of shapes"),
        (lambda f: (f / "params_shapes.json").write_text("[]"), "not a list of shapes"),
        (lambda f: (f / "params_shapes.json").write_text("[3]"), "not a list of shapes"),
        (lambda f: (f / "params_shapes.json").write_text("[[-1]]"), "shape 0"),
        (lambda f: (f / "params_shapes.json").write_text("[[1e99]]"), "shape 0"),
        (lambda f: (f / "params_shapes.json").write_text("[["), "not valid JSON"),
        (lambda f: (f / "params_shapes.json").write_text(" " * (2 << 20)), "larger than"),
    ],
)
def test_damaged_shards_are_refused(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    write_shards(tmp_path, [12])
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_npy_headers_never_escape(tmp_path: Path, positions: list[tuple[int, int]]) -> None:
    write_shards(tmp_path, [])
    raw = bytearray((tmp_path / "params_0.npy").read_bytes())
    for position, value in positions:
        raw[position] = value
    (tmp_path / "params_0.npy").write_bytes(raw)
    try:
        with open_checkpoint(tmp_path) as checkpoint:
            checkpoint.read("0")
    except CheckpointError:
        pass
