"""Keras-2-era `.h5` files: layout, round trips, and pointers out of the file."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.checkpoints import ArrayInfo, CheckpointError, open_checkpoint, write_keras_h5

KERNEL = "tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0"
DTYPES = [np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_, np.complex64]


def test_arrays_round_trip_bit_exactly(tmp_path: Path) -> None:
    weights: dict[str, Any] = {f"m/{np.dtype(t).name}:0": np.arange(-3, 3).reshape(2, 3).astype(t) for t in DTYPES}
    weights |= {"scalar:0": np.array(1.5, np.float32), "empty:0": np.zeros((0, 3)), "é/kernel:0": np.eye(3)[:, ::-1]}
    weights |= {"big:0": np.arange(3, dtype=">f4")}
    write_keras_h5(tmp_path / "m.h5", {"bert": {**weights, "lazy:0": lambda: np.arange(4)}, "dropout": {}})
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert checkpoint.format == "keras_h5"
        assert checkpoint.metadata["backend"] == "tensorflow"
        assert checkpoint.names() == [f"bert/{name}" for name in [*weights, "lazy:0"]]
        for name, array in weights.items():
            found = checkpoint.read(f"bert/{name}")
            assert checkpoint.info(f"bert/{name}") == ArrayInfo(array.shape, array.dtype.name)
            assert found.dtype == array.dtype.newbyteorder("=")
            np.testing.assert_array_equal(found, array)
        with pytest.raises(CheckpointError, match="no array of this name"):
            checkpoint.read("bert")


def test_the_layout_is_that_of_keras_2(tmp_path: Path) -> None:
    write_keras_h5(
        tmp_path / "m.h5", {"bert": {KERNEL: np.ones((2, 3))}, "dropout_37": {}, "classifier": {"k:0": np.zeros(2)}}
    )
    with h5py.File(tmp_path / "m.h5") as file:
        assert list(file.attrs["layer_names"]) == [b"bert", b"dropout_37", b"classifier"]
        assert file.attrs["backend"] == b"tensorflow"
        assert list(file["bert"].attrs["weight_names"]) == [KERNEL.encode()]
        assert len(file["dropout_37"].attrs["weight_names"]) == 0
        assert file["bert"][KERNEL].shape == (2, 3)


def test_long_lists_of_names_are_cut_into_pieces(tmp_path: Path) -> None:
    names = [f"model/{'x' * 90}/layer_._{i}/kernel:0" for i in range(1500)]
    layers = {"main": {name: np.array([i], np.int32) for i, name in enumerate(names)}}
    layers |= {f"layer{'y' * 60}{i}": {} for i in range(1200)}
    write_keras_h5(tmp_path / "m.h5", layers)
    with h5py.File(tmp_path / "m.h5") as file:
        assert "layer_names" not in file.attrs
        assert {"layer_names0", "layer_names1"} <= set(file.attrs)
        assert all(file["main"].attrs[f"weight_names{i}"].nbytes <= 64512 for i in range(3))
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert checkpoint.names() == [f"main/{name}" for name in names]
        assert checkpoint.read(f"main/{names[1234]}").tolist() == [1234]


@pytest.mark.parametrize("kind", ["fixed bytes", "strings"])
def test_either_way_of_storing_names_is_read_and_top_level_weights_too(tmp_path: Path, kind: str) -> None:
    def names(*items: str) -> Any:
        return np.array(items, "S") if kind == "fixed bytes" else list(items)

    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = names("a", "b")
        file.create_group("b").attrs["weight_names"] = np.empty(0)  # Keras: an empty list of floats
        group = file.create_group("a")
        group.attrs["weight_names"] = names("x/w:0")
        group.create_dataset("x/w:0", data=np.arange(100.0), compression="gzip", shuffle=True, fletcher32=True)
        group = file.create_group("top_level_model_weights")
        group.attrs["weight_names"] = names("logit_scale:0")
        group["logit_scale:0"] = np.float32(2)
    with open_checkpoint(tmp_path / "m.h5") as checkpoint:
        assert checkpoint.names() == ["a/x/w:0", "top_level_model_weights/logit_scale:0"]
        assert checkpoint.read("a/x/w:0").tolist() == list(range(100))


@pytest.mark.parametrize(
    "layers, message",
    [
        ({"a": {"w": np.zeros(2, ml_dtypes.bfloat16)}}, "a/w is bfloat16"),
        ({"a": {"w": np.array(["x"])}}, "a/w is <U1"),
        ({"a": {"": np.zeros(2)}}, "cannot be a name"),
        ({"a": {"x//y": np.zeros(2)}}, "cannot be a name"),
        ({"a": {"x\0y": np.zeros(2)}}, "cannot be a name"),
        ({"a": {"x" * 70_000: np.zeros(2)}}, "cannot be a name"),
    ],
)
def test_what_hdf5_cannot_hold_is_refused(tmp_path: Path, layers: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_keras_h5(tmp_path / "m.h5", layers)
    assert not list(tmp_path.iterdir())


def file_with(tmp_path: Path, fill: Callable[[Any], None], weight: str = "w:0") -> Path:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"a"])
        file.create_group("a").attrs["weight_names"] = np.array([weight.encode()])
        fill(file["a"])
    return path


def external_link(group: Any) -> None:
    group["w:0"] = h5py.ExternalLink("other.h5", "/secret")


def soft_link(group: Any) -> None:
    group["real"] = np.ones(2)
    group["w:0"] = h5py.SoftLink("/a/real")


def external_storage(group: Any) -> None:
    group.create_dataset("w:0", (2,), "f8", external=[("/etc/hostname", 0, 16)])


def virtual_dataset(group: Any) -> None:
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource("other.h5", "secret", (2,))
    group.create_virtual_dataset("w:0", layout)


def never_written(group: Any) -> None:
    group.create_dataset("w:0", (1 << 40,), "f4")


def bomb(group: Any) -> None:
    group.create_dataset("w:0", (1 << 32,), "f4", chunks=(1 << 20,), compression="gzip")[:1] = 1


def doubly_packed(group: Any) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((4,))
    creation.set_deflate(9)
    creation.set_deflate(9)
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(group.id, b"w:0", h5py.h5t.IEEE_F32LE, space, creation)


def text(group: Any) -> None:
    group["w:0"] = "text"


def a_group(group: Any) -> None:
    group.create_group("w:0")


def nothing(group: Any) -> None:
    pass


def null_dataspace(group: Any) -> None:
    group["w:0"] = h5py.Empty("f4")


def number_names(group: Any) -> None:
    group.attrs["weight_names"] = np.arange(3)


def listed_twice(group: Any) -> None:
    group["w:0"] = np.ones(2)
    group.attrs["weight_names"] = np.array([b"w:0", b"w:0"])


def no_weight_names(group: Any) -> None:
    del group.attrs["weight_names"]


@pytest.mark.parametrize(
    "fill, message",
    [
        (external_link, "'a/w:0': 'w:0' is a ExternalLink"),
        (soft_link, "'a/w:0': 'w:0' is a SoftLink"),
        (external_storage, "'a/w:0': keeps its values in other files"),
        (virtual_dataset, "'a/w:0': keeps its values in other files"),
        (never_written, "'a/w:0': .*stores 0"),
        (bomb, "'a/w:0': .*takes"),
        (doubly_packed, "'a/w:0': uses the HDF5 filters"),
        (text, "'a/w:0': holds object"),
        (a_group, "'a/w:0': is no array"),
        (null_dataspace, "'a/w:0': is no array"),
        (nothing, "'a/w:0': is listed, but not in the file"),
        (number_names, "lists no names"),
        (listed_twice, "'a/w:0': is listed twice"),
        (no_weight_names, "'a': has no attribute weight_names"),
    ],
)
def test_pointers_out_of_the_file_and_other_tricks_are_refused(
    tmp_path: Path, fill: Callable[[Any], None], message: str
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = np.ones(2)
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(file_with(tmp_path, fill))


def test_a_link_in_the_middle_of_a_path_is_noticed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["g/w:0"] = np.ones(2)

    def fill(group: Any) -> None:
        group["g"] = h5py.ExternalLink("other.h5", "/g")

    with pytest.raises(CheckpointError, match="'g' is a ExternalLink"):
        open_checkpoint(file_with(tmp_path, fill, "g/w:0"))


def test_another_kind_of_hdf5_file_is_refused_with_the_cure(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m", "w") as file:
        file["layers/dense/vars/0"] = np.ones(2)
    with pytest.raises(CheckpointError, match=r"Keras 3's \.weights\.h5"):
        open_checkpoint(tmp_path / "m")


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    write_keras_h5(path, {"a": {"w": np.ones(1000)}})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="truncated"):
        open_checkpoint(path)


def strings(path: Path, *texts: str) -> tuple[bytearray, int]:
    """A file whose layer_names are strings of variable length, and where its heap begins."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = list(texts)
    raw = bytearray(path.read_bytes())
    return raw, raw.index(b"GCOL\x01")


@pytest.mark.parametrize("size", [0, 8, (1 << 64) - 16, 1 << 40])
def test_a_heap_that_does_not_lead_to_its_end_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.h5"
    raw, heap = strings(path, "a" * 8)
    free = heap + 16 + 24  # behind the heap's own header and the one string
    assert raw[free : free + 2] == b"\0\0"
    raw[free + 8 : free + 16] = size.to_bytes(8, "little")
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"m\.h5: the heap at byte \d+.*damaged"):
        open_checkpoint(path)


def test_strings_that_share_their_text_do_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    raw, _ = strings(path, "x" * 100_000, *["layer"] * 1000)
    first = raw.index((100_000).to_bytes(4, "little"))
    for number in range(1, 1001):
        raw[first + 16 * number : first + 16 * number + 16] = raw[first : first + 16]
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="layer_names that may spell out more than"):
        open_checkpoint(path)


def test_a_reference_that_is_longer_than_any_string_is_refused(tmp_path: Path) -> None:
    """HDF5 would make room for the 4 GB first."""
    path = tmp_path / "m.h5"
    raw, heap = strings(path, "layer-a", "layer-b")
    first = raw.index((7).to_bytes(4, "little") + heap.to_bytes(8, "little"))
    raw[first + 16 : first + 20] = b"\xff\xff\xff\xff"
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="layer_names with a string of 4294967295 bytes, longer than any"):
        open_checkpoint(path)


def test_references_of_another_size_are_refused(tmp_path: Path) -> None:
    """HDF5 reads beyond the value then, and may make room for gigabytes."""
    path = tmp_path / "m.h5"
    raw, _ = strings(path, "layer-a", "layer-b")
    kind = raw.index(b"layer_names\0") + len("layer_names\0")
    kind += -kind % 8 if raw[kind] & 15 != 9 else 0  # names are filled up to 8 bytes in the oldest version
    assert raw[kind] & 15 == 9
    assert raw[kind + 4 : kind + 8] == (16).to_bytes(4, "little")
    raw[kind + 4] = 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="references to strings take 16 bytes, not 1"):
        open_checkpoint(path)


def test_heaps_that_overlap_are_refused(tmp_path: Path) -> None:
    """Each would be walked through to the end of the file."""
    path = tmp_path / "m.h5"
    raw, _ = strings(path, "a")
    size = 50_000 * 16
    heaps = bytearray(b"GCOL\1\0\0\0" + size.to_bytes(8, "little")) * (size // 16)
    path.write_bytes(raw + heaps)
    with pytest.raises(CheckpointError, match=r"overlap|damaged"):
        open_checkpoint(path)
    steps = bytearray((b"\1\0\0\0\0\0\0\0" + bytes(8)) * (size // 16))  # objects without bytes
    for at in range(0, size // 2, 32):
        steps[at : at + 16] = b"GCOL\1\0\0\0" + (size - at).to_bytes(8, "little")
    path.write_bytes(raw + steps)
    with pytest.raises(CheckpointError, match=r"overlap|damaged"):
        open_checkpoint(path)


def test_what_is_linked_twice_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = np.array(["a", "a/a", "a/a/a"], "S")
        group = file.create_group("a")
        group.attrs["weight_names"] = np.array(["w"], "S")
        group["w"] = np.zeros(2)
        group["a"] = group
    with pytest.raises(CheckpointError, match="'a/a': is linked under two names"):
        open_checkpoint(tmp_path / "m.h5")
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file.attrs["layer_names"] = np.array(["a"], "S")
        group = file.create_group("a")
        group.attrs["weight_names"] = np.array(["w", "v"], "S")
        group["w"] = np.zeros(2)
        group["v"] = group["w"]
    with pytest.raises(CheckpointError, match="'a/v': is linked under two names"):
        open_checkpoint(tmp_path / "n.h5")


def test_chunks_of_another_rank_are_refused(tmp_path: Path) -> None:
    """A flipped byte; to read the array took 13 GB."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array(["a"], "S")
        group = file.create_group("a")
        group.attrs["weight_names"] = np.array(["w"], "S")
        group.create_dataset("w", data=np.zeros((8, 4), "f4"), chunks=(4, 2), maxshape=(8, 4))
    raw = path.read_bytes()
    rank = raw.index(b"\1\2\1" + bytes(5) + (8).to_bytes(8, "little") + (4).to_bytes(8, "little")) + 1
    path.write_bytes(raw[:rank] + b"\1" + raw[rank + 1 :])
    with pytest.raises(CheckpointError, match=r"chunks .* of shape|damaged"):
        open_checkpoint(path)


def test_a_full_disk_is_an_os_error(tmp_path: Path) -> None:
    """HDF5 says it in words. Nothing of the file stays."""
    script = (
        "import resource, signal, sys; import numpy as np; from pathlib import Path\n"
        "from tx_core.checkpoints.keras_h5 import write_keras_h5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: write_keras_h5(Path(sys.argv[1]), {'a': {'w': np.zeros(100_000)}})\n"
        "except OSError as error: print(error.errno, error.filename)\n"
    )
    path = tmp_path / "m.h5"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.stdout == f"{errno.EFBIG} {path}\n", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("h5") / "m.h5"
    write_keras_h5(path, {"a": {"x/w:0": np.arange(6.0), "b:0": np.ones(3, np.float32)}, "c": {"w": np.zeros((2, 2))}})
    return path.read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_files_never_escape(tmp_path: Path, original: bytes, data: st.DataObject) -> None:
    raw = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m.h5"
    path.write_bytes(raw)
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
    except CheckpointError:
        pass
