"""safetensors, whole and sharded: round trips, the reference library as a witness, dishonest files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.checkpoints import ArrayInfo, CheckpointError, LazyArray, open_checkpoint, write_safetensors

DTYPES = [
    np.float64, np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2,
    np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8, np.bool_, np.complex64,
]  # fmt: skip


def random_bytes_as(dtype: npt.DTypeLike, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Any bit pattern, NaNs and subnormal numbers among them; truth values are 0 and 1."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.random.default_rng(count).integers(0, 2 if dtype is np.bool_ else 256, count, np.uint8)
    return raw.view(dtype).reshape(shape)


def same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def pack(header: dict[str, Any] | str, data: bytes = b"", length: int | None = None) -> bytes:
    text = header.encode() if isinstance(header, str) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.mark.parametrize("shape", [(3, 4), (), (0, 5), (7,)])
def test_every_dtype_round_trips_bit_exactly(tmp_path: Path, shape: tuple[int, ...]) -> None:
    arrays = {np.dtype(dtype).name: random_bytes_as(dtype, shape) for dtype in DTYPES}
    path = tmp_path / "model.safetensors"
    assert write_safetensors(path, arrays, {"format": "pt", "é": "ü"}) == path
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.format == "safetensors"
        assert checkpoint.path == path
        assert checkpoint.metadata == {"format": "pt", "é": "ü"}
        assert sorted(checkpoint.names()) == sorted(arrays)
        for name, array in arrays.items():
            assert checkpoint.info(name) == ArrayInfo(shape, name)
            assert same_bits(checkpoint.read(name), array)


def test_order_strides_and_byte_order_of_the_arrays_do_not_matter(tmp_path: Path) -> None:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {
        "transposed": base.T,
        "strided": base[::2, 1::3],
        "big-endian": base.astype(">f4"),
        "expanded": np.broadcast_to(base, (2, 4, 6)),
    }
    write_safetensors(tmp_path / "m", arrays)
    with open_checkpoint(tmp_path / "m") as checkpoint:
        for name, array in arrays.items():
            np.testing.assert_array_equal(checkpoint.read(name), array)
            assert checkpoint.read(name).dtype.isnative


def test_the_reference_library_reads_what_is_written_and_writes_what_is_read(tmp_path: Path) -> None:
    arrays = {"a": random_bytes_as(np.float16, (3,)), "b": np.arange(6.0).reshape(2, 3), "c": np.array([True, False])}
    write_safetensors(tmp_path / "ours", arrays, {"format": "pt"})
    theirs = safetensors.numpy.load_file(tmp_path / "ours")
    assert {name: array.tobytes() for name, array in theirs.items()} == {n: a.tobytes() for n, a in arrays.items()}
    safetensors.numpy.save_file(arrays, tmp_path / "theirs", {"format": "pt"})
    with open_checkpoint(tmp_path / "theirs") as checkpoint:
        assert all(same_bits(checkpoint.read(name), array) for name, array in arrays.items())
    assert int.from_bytes((tmp_path / "ours").read_bytes()[:8], "little") % 8 == 0


def test_what_is_read_belongs_to_the_reader(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"a": np.zeros(4)})
    with open_checkpoint(tmp_path / "m") as checkpoint:
        first = checkpoint.read("a")
        first += 1
        assert checkpoint.read("a").sum() == 0
    with pytest.raises(ValueError, match="closed file"):
        checkpoint.read("a")


def test_arrays_that_fill_cache_lines_are_aligned_to_them(tmp_path: Path) -> None:
    """Products with mapped weights are slower where they are not."""
    arrays = {
        "bias": np.ones(3, np.float32),
        "half": np.ones((16, 4), np.float16),
        "byte": np.ones(1, np.uint8),
        "weight": np.ones((3, 32), np.float32),
        "none": np.ones((0, 2)),
        "double": np.ones(1),
        "more": np.ones(16, np.float32),
    }
    for names in ([*arrays], [*reversed(arrays)]):
        write_safetensors(tmp_path / "m", {name: arrays[name] for name in names})
        with open_checkpoint(tmp_path / "m", mapped=True) as checkpoint:
            for name in checkpoint.names():
                array = checkpoint.take(name)
                np.testing.assert_array_equal(array, arrays[name])
                aligned = 64 if array.nbytes % 64 == 0 else array.itemsize
                assert array.ctypes.data % aligned == 0 or not array.size, name


def test_an_unknown_name_is_an_error_that_knows_the_nearest(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "m", {"encoder.weight": np.zeros(4)})
    with open_checkpoint(tmp_path / "m") as checkpoint, pytest.raises(CheckpointError, match=r"'encoder\.weight'"):
        checkpoint.read("encoder.weigth")


def test_functions_are_called_one_at_a_time_and_have_to_agree_with_themselves(tmp_path: Path) -> None:
    alive = 0
    most = 0

    class Counted(np.ndarray[Any, Any]):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def make() -> npt.NDArray[Any]:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return np.ndarray.__new__(Counted, (10,))

    write_safetensors(tmp_path / "m", {str(i): make for i in range(5)})
    assert most <= 2  # the array at hand, and the next one while the loop's variable still holds it
    shapes = iter([(2,), (3,)])
    with pytest.raises(ValueError, match="'x'"):
        write_safetensors(tmp_path / "n", {"x": lambda: np.zeros(next(shapes))})
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"s": np.array(["text"])}, "'s' is <U4"),
        ({"o": np.array([object()])}, "'o' is object"),
        ({"__metadata__": np.zeros(1)}, "reserved"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_before_a_file_appears(
    tmp_path: Path, arrays: dict[str, LazyArray], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_safetensors(tmp_path / "m", arrays)
    metadata: Any = {"step": 5}
    with pytest.raises(ValueError, match="metadata 'step': 5 is not made of strings"):
        write_safetensors(tmp_path / "m", {}, metadata)
    assert not list(tmp_path.iterdir())


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "content, message",
    [
        (pack({"a": ENTRY}, b"\0" * 7), "describes"),
        (pack({"a": ENTRY}, b"\0" * 9), "the file has"),
        (pack({"a": {**ENTRY, "data_offsets": [0, 12]}}, b"\0" * 12), "'a': shape .* takes 8 bytes"),
        (pack({"a": {**ENTRY, "data_offsets": [8, 0]}}, b"\0" * 8), "'a': data_offsets"),
        (pack({"a": {**ENTRY, "data_offsets": [-8, 0]}}, b"\0" * 8), "'a': data_offsets"),
        (pack({"a": {**ENTRY, "data_offsets": [0.0, 8.0]}}, b"\0" * 8), "'a': data_offsets"),
        (pack({"a": {**ENTRY, "data_offsets": [0, 8, 8]}}, b"\0" * 8), "'a': data_offsets"),
        (pack({"a": {**ENTRY, "data_offsets": [1 << 70, (1 << 70) + 8]}}, b"\0" * 8), "leaves a gap"),
        (pack({"a": ENTRY, "b": ENTRY}, b"\0" * 8), "'b': .*overlaps"),
        (pack({"a": ENTRY, "b": {**ENTRY, "data_offsets": [4, 12]}}, b"\0" * 12), "'b': .*overlaps"),
        (pack({"a": ENTRY, "b": {**ENTRY, "data_offsets": [12, 20]}}, b"\0" * 20), "'b': .*gap"),
        (pack({"a": {**ENTRY, "shape": [-2]}}, b"\0" * 8), "'a': shape"),
        (pack({"a": {**ENTRY, "shape": [True, 2]}}, b"\0" * 8), "'a': shape"),
        (pack({"a": {**ENTRY, "shape": [2.0]}}, b"\0" * 8), "'a': shape"),
        (pack({"a": {**ENTRY, "shape": [1] * 33 + [2]}}, b"\0" * 8), "'a': 34 axes"),
        (pack({"a": {**ENTRY, "shape": [0, 1 << 62], "data_offsets": [0, 0]}}), "'a': .*more elements"),
        (pack({"a": {**ENTRY, "shape": "2"}}, b"\0" * 8), "'a': .*wrong types"),
        (pack({"a": {**ENTRY, "dtype": 3}}, b"\0" * 8), "'a': .*wrong types"),
        (pack({"a": {**ENTRY, "code": "x"}}, b"\0" * 8), "'a': .*dtype, shape, data_offsets"),
        (pack({"a": [1]}), "'a': .*dtype, shape, data_offsets"),
        (pack(json.dumps({"a": ENTRY, "b": ENTRY}).replace('"b"', '"a"'), b"\0" * 8), "'a' is given twice"),
        (pack('{"a": {"dtype": "F32", "dtype": "F32"}}'), "'dtype' is given twice"),
        (pack('{"__metadata__": {"x": 1}}'), "metadata"),
        (pack('{"a": NaN}'), "'a': .*dtype, shape, data_offsets"),
        (pack("{" * 100_000), "the header is not valid JSON"),
        (pack('{"a": ' + "[" * 100_000), "the header nests values deeper than 64 levels"),
        (pack('{"a": ' + "9" * 5000 + "}"), "JSON|entry"),
        (pack("{\xff}".encode("latin-1").decode("latin-1")), "not valid JSON"),
        (pack({"a": ENTRY}, b"\0" * 8, length=1 << 20), "truncated"),
        (pack({"a": ENTRY}, b"\0" * 8, length=99_000_000), "99000000 bytes"),
    ],
)  # fmt: skip
def test_a_header_that_lies_is_refused_with_file_and_key(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lying.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_dtype_without_counterpart_is_listed_but_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(pack({"a": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}, b"\0\0"))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.info("a") == ArrayInfo((4,), "F4")
        with pytest.raises(CheckpointError, match="'a': dtype F4"):
            checkpoint.read("a")


def test_a_file_that_shrinks_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    write_safetensors(path, {"a": np.zeros(1000)})
    with open_checkpoint(path) as checkpoint:
        path.write_bytes(path.read_bytes()[:-10])
        with pytest.raises(CheckpointError, match="10 bytes too early"):
            checkpoint.read("a")


def test_truth_values_are_0_and_1_whatever_the_file_says(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(pack({"a": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\0\1\xff"))
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.read("a").view(np.uint8).tolist() == [0, 1, 1]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    positions=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=4),
    cut=st.one_of(st.none(), st.integers(0, 300)),
)
def test_flipped_and_cut_files_never_escape(tmp_path: Path, positions: list[tuple[int, int]], cut: int | None) -> None:
    path = tmp_path / "m"
    write_safetensors(path, {"a": np.ones((2, 3)), "b": np.ones(4, np.float16), "c": np.array(True)}, {"format": "pt"})
    raw = bytearray(path.read_bytes())
    for position, value in positions:
        raw[position % len(raw)] = value
    path.write_bytes(raw[:cut])
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
    except CheckpointError:
        pass


# Shards


def test_shards_hold_everything_once_and_stay_below_the_limit(tmp_path: Path) -> None:
    arrays = {f"layer.{i}": np.full(100, i, np.float32) for i in range(10)} | {"large": np.zeros(1000, np.float32)}
    index = write_safetensors(tmp_path / "model.safetensors", arrays, {"format": "pt"}, max_shard_size=1000)
    assert index == tmp_path / "model.safetensors.index.json"
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [f"model-{i:05}-of-00006.safetensors" for i in range(1, 7)] + ["model.safetensors.index.json"]
    assert json.loads(index.read_text())["metadata"] == {"total_size": 8000}
    with open_checkpoint(index) as checkpoint:
        assert checkpoint.format == "safetensors"
        assert checkpoint.metadata["format"] == "pt"
        assert checkpoint.names() == list(arrays)
        for name, array in arrays.items():
            assert checkpoint.info(name).shape == array.shape
            assert same_bits(checkpoint.read(name), array)
        with pytest.raises(CheckpointError, match="no array of this name"):
            checkpoint.read("layer")


def test_saving_again_removes_what_an_earlier_save_left(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays: dict[str, LazyArray] = {str(i): np.zeros(10) for i in range(4)}
    bystander = tmp_path / "other-00001-of-00002.safetensors"
    bystander.write_bytes(b"not ours")
    write_safetensors(path, arrays)
    write_safetensors(path, arrays, max_shard_size=80)
    assert not path.exists()
    write_safetensors(path, arrays, max_shard_size=160)
    assert len(list(tmp_path.glob("model-*"))) == 2
    write_safetensors(path, arrays)
    assert {file.name for file in tmp_path.iterdir()} == {path.name, bystander.name}


def test_a_save_that_fails_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    arrays: dict[str, LazyArray] = {str(i): np.zeros(10) for i in range(4)}
    index = write_safetensors(path, arrays, max_shard_size=80)
    calls = 0

    def fails() -> npt.NDArray[Any]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("disk on fire")
        return np.ones(10)

    with pytest.raises(OSError, match="disk on fire"):
        write_safetensors(path, {**arrays, "3": fails}, max_shard_size=80)
    with open_checkpoint(index) as checkpoint:
        assert checkpoint.read("3").sum() == 0
    assert len(list(tmp_path.iterdir())) == 5


def test_a_limit_that_is_no_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_shard_size is 0"):
        write_safetensors(tmp_path / "m", {"a": np.zeros(1)}, max_shard_size=0)


def second_shard(index: Path, *names: str) -> None:
    write_safetensors(index.parent / "model-00002-of-00002.safetensors", {name: np.ones(3) for name in names})


def damaged_index(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(index: Path) -> None:
        content = json.loads(index.read_text())
        change(content)
        index.write_text(json.dumps(content))

    return apply


@pytest.mark.parametrize(
    "damage, message",
    [
        (damaged_index(lambda i: i["weight_map"].update(a="../model-00001-of-00002.safetensors")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="/etc/passwd")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="sub\\x")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="..")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="c:x")), "'a': .*beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="missing.safetensors")), "missing.safetensors is not beside"),
        (damaged_index(lambda i: i["weight_map"].update(a="model-00002-of-00002.safetensors")), "'a': is mapped to"),
        (damaged_index(lambda i: i["weight_map"].update(c="model-00002-of-00002.safetensors")), "'c': .*no shard"),
        (damaged_index(lambda i: i["weight_map"].pop("a")), "'a': .*not know"),
        (damaged_index(lambda i: i["weight_map"].update(a=1)), "weight_map"),
        (damaged_index(lambda i: i["weight_map"].clear()), "weight_map"),
        (damaged_index(lambda i: i.pop("weight_map")), "weight_map"),
        (damaged_index(lambda i: i["weight_map"].update(a="model.safetensors.index.json")), "names another index"),
        (lambda index: index.write_text('{"weight_map": {"a": "x", "a": "x"}}'), "'a' is given twice"),
        (lambda index: index.write_text('{"weight_map": '), "not valid JSON"),
        (lambda index: second_shard(index, "a", "b"), "'a': stands in both"),
        (lambda index: second_shard(index, "b", "x"), "'x': .*not know"),
    ],
)  # fmt: skip
def test_an_index_and_its_shards_have_to_agree(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    arrays = {"a": np.zeros(3), "aa": np.zeros(0), "b": np.ones(3)}
    index = write_safetensors(tmp_path / "model.safetensors", arrays, max_shard_size=24)
    damage(index)
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(index)
