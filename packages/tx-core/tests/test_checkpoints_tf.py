"""TensorFlow checkpoints against TensorFlow, both directions, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from tx_core.checkpoints import CheckpointError, open_checkpoint, write_tf1

DTYPES = [
    np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.int64,
    np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8, np.bool_, np.complex64, np.complex128,
]  # fmt: skip


def random_bytes_as(dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.random.default_rng(count).integers(0, 2 if dtype is np.bool_ else 256, count, np.uint8)
    return raw.view(dtype).reshape(shape)


ARRAYS = {
    f"model/{np.dtype(dtype).name}/{len(shape)}": random_bytes_as(dtype, shape)
    for dtype in DTYPES
    for shape in [(3, 4), (), (0, 5)]
} | {"embedding": random_bytes_as(np.float32, (700, 33)), "é": np.arange(5), "global_step": np.array(7, np.int64)}


def save(prefix: Path, arrays: dict[str, npt.NDArray[Any]]) -> None:
    names = list(arrays)
    tensors = [tf.constant(arrays[name]) for name in names]
    whole = [""] * len(names)
    tf.raw_ops.SaveV2(prefix=str(prefix), tensor_names=names, shape_and_slices=whole, tensors=tensors)


def test_what_tensorflow_saves_is_read_bit_exactly(tmp_path: Path) -> None:
    save(tmp_path / "model.ckpt", ARRAYS)
    with open_checkpoint(tmp_path / "model.ckpt") as checkpoint:
        assert checkpoint.format == "tf1"
        assert sorted(checkpoint.names()) == sorted(ARRAYS)
        for name, array in ARRAYS.items():
            found = checkpoint.read(name)
            assert checkpoint.info(name).shape == found.shape == array.shape
            assert checkpoint.info(name).dtype == found.dtype.name == array.dtype.name
            assert found.tobytes() == array.tobytes()


def test_tensorflow_reads_what_is_written_bit_exactly(tmp_path: Path) -> None:
    write_tf1(tmp_path / "model.ckpt", ARRAYS, state_file=True)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "model.ckpt")
    reader = tf.train.load_checkpoint(str(tmp_path / "model.ckpt"))
    assert set(reader.get_variable_to_shape_map()) == set(ARRAYS)
    for name, array in ARRAYS.items():
        found = np.asarray(reader.get_tensor(name))
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert found.tobytes() == array.tobytes()


def test_many_names_make_several_blocks_and_still_agree(tmp_path: Path) -> None:
    arrays = {f"bert/encoder/layer_{i}/attention/self/query/kernel": np.full(2, i) for i in range(6000)}
    save(tmp_path / "theirs", arrays)
    with open_checkpoint(tmp_path / "theirs.index") as checkpoint:
        assert sorted(checkpoint.names()) == sorted(arrays)
    write_tf1(tmp_path / "ours", arrays)
    reader = tf.train.load_checkpoint(str(tmp_path / "ours"))
    assert len(reader.get_variable_to_shape_map()) == len(arrays)
    assert reader.get_tensor("bert/encoder/layer_4321/attention/self/query/kernel").tolist() == [4321, 4321]


def test_several_data_files_are_read(tmp_path: Path) -> None:
    parts = [{"a": np.arange(3), "c": np.ones(2)}, {"b": np.arange(4.0)}]
    for number, arrays in enumerate(parts):
        save(tmp_path / f"part{number}", arrays)
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(tmp_path / "part0"), str(tmp_path / "part1")],
        destination_prefix=str(tmp_path / "m.ckpt"),
    )
    assert (tmp_path / "m.ckpt.data-00001-of-00002").exists()
    with open_checkpoint(tmp_path / "m.ckpt") as checkpoint:
        assert {name: checkpoint.read(name).tolist() for name in checkpoint.names()} == {
            "a": [0, 1, 2],
            "b": [0, 1, 2, 3],
            "c": [1, 1],
        }
    (tmp_path / "m.ckpt.data-00001-of-00002").unlink()
    with pytest.raises(CheckpointError, match=r"'b': its data file m\.ckpt\.data-00001-of-00002"):
        open_checkpoint(tmp_path / "m.ckpt")


def test_a_partitioned_variable_is_refused_by_name(tmp_path: Path) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(tmp_path / "m.ckpt"), tensor_names=["embedding", "embedding"],
        shape_and_slices=["4 2 0,2:0,2", "4 2 2,2:0,2"], tensors=[tf.zeros((2, 2)), tf.ones((2, 2))],
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="'embedding': is a partitioned variable"):
        open_checkpoint(tmp_path / "m.ckpt")


def test_an_object_based_checkpoint_gives_its_variables(tmp_path: Path) -> None:
    path = tf.train.Checkpoint(weight=tf.Variable([1.0, 2.0])).write(str(tmp_path / "m"))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.names() == ["weight/.ATTRIBUTES/VARIABLE_VALUE"]
        assert checkpoint.read("weight/.ATTRIBUTES/VARIABLE_VALUE").tolist() == [1, 2]
