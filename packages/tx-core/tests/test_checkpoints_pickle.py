"""PyTorch files without PyTorch: what our writer writes, hand-made files of both formats, and poisoned pickles.

A poisoned pickle would write a file if anything in it ran.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.checkpoints import ArrayInfo, CheckpointError, open_checkpoint, write_torch_bin
from tx_testing import clock

MAGIC = 0x1950A86A20F9469CFC6C
FLOATS = np.arange(6, dtype=np.float32)


def op_string(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def op_int(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def op_tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def op_dict(**items: bytes) -> bytes:
    return b"}(" + b"".join(op_string(key) + value for key, value in items.items()) + b"u"


def op_pid(
    kind: bytes = b"ctorch\nFloatStorage\n",
    key: bytes = op_string("0"),
    count: int = 6,
    location: bytes = op_string("cpu"),
) -> bytes:
    return op_tuple(op_string("storage"), kind, key, location, op_int(count)) + b"Q"


def op_tensor(
    storage: bytes | None = None, offset: int = 0, size: tuple[int, ...] = (2, 3), stride: tuple[int, ...] = (3, 1)
) -> bytes:
    shape = op_tuple(*map(op_int, size)) + op_tuple(*map(op_int, stride))
    arguments = b"(" + (op_pid() if storage is None else storage) + op_int(offset) + shape + b"\x89}t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def make_zip(path: Path, pickled: bytes, data: bytes = FLOATS.tobytes(), **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02" + pickled + b".")
        archive.writestr("m/data/0", data)
        for name, content in entries.items():
            archive.writestr(f"m/{name}", content)
    return path


def make_stream(path: Path, pickled: bytes, data: bytes = FLOATS.tobytes(), count: int = 6, keys: Any = ("0",)) -> Path:
    header = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps(header, 2), b"\x80\x02" + pickled + b"."]
    path.write_bytes(b"".join(parts) + pickle.dumps(list(keys), 2) + struct.pack("<q", count) + data)
    return path


both_formats = pytest.mark.parametrize("make", [make_zip, make_stream])


# What works


@both_formats
def test_a_state_dict_is_read(tmp_path: Path, make: Callable[..., Path]) -> None:
    view = op_tensor(offset=1, size=(2, 2), stride=(1, 2))
    with open_checkpoint(make(tmp_path / "any.name", op_dict(a=op_tensor(), b=view))) as checkpoint:
        assert checkpoint.format == "torch"
        assert checkpoint.names() == ["a", "b"]
        assert checkpoint.info("a") == ArrayInfo((2, 3), "float32")
        assert checkpoint.read("a").tolist() == [[0, 1, 2], [3, 4, 5]]
        assert checkpoint.read("b").tolist() == [[1, 3], [2, 4]]
        with pytest.raises(CheckpointError, match="no array of this name"):
            checkpoint.read("c")


@both_formats
def test_containers_flatten_and_what_is_no_tensor_is_left_out(tmp_path: Path, make: Callable[..., Path]) -> None:
    namespace = b"cargparse\nNamespace\n)\x81" + op_dict(arch=op_string("roberta")) + b"b"
    ordered = (
        b"ccollections\nOrderedDict\n)R(" + op_string("w") + op_tensor() + b"u}(" + op_string("_metadata") + b"}ub"
    )
    optimizer = b"}(" + op_int(7) + op_dict(m=op_tensor()) + b"u"
    content = op_dict(
        args=namespace,
        model=ordered,
        optimizer=op_dict(state=optimizer),
        epoch=op_int(3),
        names=b"](" + op_tensor() + b"Ne",
    )
    with open_checkpoint(make(tmp_path / "m", content)) as checkpoint:
        assert checkpoint.names() == ["model.w", "optimizer.state.7.m", "names.0"]


@both_formats
def test_older_spellings_are_read(tmp_path: Path, make: Callable[..., Path]) -> None:
    old = (
        b"ctorch._utils\n_rebuild_tensor\n(" + op_pid() + op_int(0) + op_tuple(op_int(6)) + op_tuple(op_int(1)) + b"tR"
    )
    python2 = b"}(U\x01w" + old + b"T\x03\0\0\0\xff\xfe\xfdNu"
    parameter = b"ctorch._utils\n_rebuild_parameter\n(" + old + b"\x88}tR"
    items = b"ccollections\nOrderedDict\n(](](" + op_string("x") + old + b"eetR"
    with open_checkpoint(make(tmp_path / "m", op_dict(a=python2, p=parameter, o=items))) as checkpoint:
        assert checkpoint.names() == ["a.w", "p", "o.x"]
        assert all(checkpoint.read(name).tolist() == FLOATS.tolist() for name in checkpoint.names())


def test_every_pickle_protocol_builds_plain_values(tmp_path: Path) -> None:
    value = {
        "text": "é" * 300,
        "bytes": b"b" * 300,
        "ints": [0, -1, 300, 70_000, 1 << 40, -(1 << 70)],
        "f": 1.5,
        "s": {1},
        "n": (None, True, ()),
    }
    for protocol in (2, 3, 4, 5):
        pickled = pickle.dumps(value, protocol)[2:-1]
        with open_checkpoint(
            make_zip(tmp_path / "m", op_dict(a=op_tensor(), value=pickled[9 if protocol > 3 else 0 :]))
        ) as c:
            assert c.names() == ["a"]


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    dtypes = [
        np.float64,
        np.float32,
        np.float16,
        ml_dtypes.bfloat16,
        np.int64,
        np.int32,
        np.int16,
        np.int8,
        np.uint8,
        np.bool_,
        np.complex64,
        np.complex128,
    ]
    arrays: dict[str, npt.NDArray[Any]] = {np.dtype(t).name: np.arange(6).reshape(2, 3).astype(t) for t in dtypes}
    arrays |= {
        "scalar": np.array(1.5),
        "empty": np.zeros((0, 4)),
        "transposed": FLOATS.reshape(2, 3).T,
        "big": FLOATS.astype(">f4"),
    }
    path = tmp_path / "pytorch_model.bin"
    write_torch_bin(path, {**arrays, "lazy": lambda: FLOATS}, {"tied": "float32"})
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.names() == [*arrays, "lazy", "tied"]
        for name, array in {**arrays, "lazy": FLOATS, "tied": arrays["float32"]}.items():
            found = checkpoint.read(name)
            assert found.dtype == array.dtype.newbyteorder("=")
            assert found.shape == array.shape
            np.testing.assert_array_equal(found, array)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if "/data/" in name]) == len(arrays) + 1
    first = path.read_bytes()
    write_torch_bin(path, {**arrays, "lazy": lambda: FLOATS}, {"tied": "float32"})
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    "arrays, aliases, message",
    [
        ({"a": np.zeros(2, ml_dtypes.float8_e5m2)}, {}, "'a' is float8_e5m2"),
        ({"a": np.zeros(2)}, {"b": "c"}, "'c'"),
        ({"a": np.zeros(2)}, {"a": "a"}, "'a'"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, arrays: Any, aliases: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_torch_bin(tmp_path / "m", arrays, aliases)
    assert not list(tmp_path.iterdir())


# Poison


class Reduces:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def poison_through_pickle(function: Callable[..., Any], *arguments: Any, protocol: int = 2) -> bytes:
    pickled = pickle.dumps(Reduces(function, *arguments), protocol)[2:-1]
    return pickled[9:] if protocol >= 4 else pickled


TARGET = "poisoned"
COMMAND = f"touch {TARGET}"
CODE = f"open({TARGET!r}, 'w')"
POISON: dict[str, bytes] = {
    "os.system by GLOBAL and REDUCE": poison_through_pickle(os.system, COMMAND),
    "os.system by STACK_GLOBAL": poison_through_pickle(os.system, COMMAND, protocol=4),
    "eval": poison_through_pickle(eval, CODE),
    "exec": poison_through_pickle(exec, CODE),
    "open": poison_through_pickle(open, TARGET, "w"),
    "getattr": b"c__builtin__\ngetattr\n(cos\n__name__\n" + op_string("system") + b"tR",
    "__import__": b"cbuiltins\n__import__\n(" + op_string("os") + b"tR",
    "nested builtins.eval": (
        b"cbuiltins\ngetattr\n(cbuiltins\n__dict__\n" + op_string("eval") + b"tR(" + op_string(CODE) + b"tR"
    ),
    "operator.attrgetter": b"coperator\nattrgetter\n(" + op_string("system") + b"tR(cos\n__name__\ntR",
    "functools.partial": b"cfunctools\npartial\n(cos\nsystem\n" + op_string(COMMAND) + b"tR)R",
    "subprocess by NEWOBJ": b"csubprocess\nPopen\n(" + op_string(COMMAND) + b"t\x81",
    "NEWOBJ_EX": b"csubprocess\nPopen\n)" + op_dict(args=op_string(COMMAND)) + b"\x92",
    "INST": b"(" + op_string(COMMAND) + b"ios\nsystem\n",
    "OBJ": b"(cos\nsystem\n" + op_string(COMMAND) + b"o",
    "BUILD on a module's name": b"cos\nenviron\n" + op_dict(X=op_string("1")) + b"b",
    "BUILD on a class": b"cargparse\nNamespace\n" + op_dict(__init__=op_string("x")) + b"b",
    "EXT1": b"\x82\x01",
    "EXT2": b"\x83\x01\0",
    "EXT4": b"\x84\x01\0\0\0",
    "PERSID": b"P0\n",
    "BINPERSID of something else": op_tuple(op_string("file"), op_string("/etc/passwd")) + b"Q",
    "BINPERSID of a whole module": (
        op_tuple(op_string("module"), b"cargparse\nNamespace\n", op_string("x.py"), op_string(CODE)) + b"Q"
    ),
    "calling a part of a module": b"cmem_transformer\nMemTransformerLM\n)R)R",
    "functions of a module's package": b"cmem_transformer.os\nsystem\n(" + op_string(COMMAND) + b"tR",
    "functions of torch.nn": b"ctorch.nn.init\nnormal_\n(" + op_string("x") + b"tR",
    "torch.load of bytes": b"ctorch.storage\n_load_from_bytes\n(" + op_string("x") + b"tR",
    "torch.hub": b"ctorch.hub\nload\n(" + op_string("x") + b"tR",
    "dotted name": b"\x8c\x05torch\x8c\x13serialization.os.x\x93)R",
    "allowed name's attribute": b"\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93)R",
    "calling a dtype": b"ctorch\nfloat32\n)R",
    "calling a storage class": b"ctorch\nFloatStorage\n(" + op_int(1 << 40) + b"tR",
    "making a storage": b"ctorch\nFloatStorage\n(" + op_int(1 << 40) + b"t\x81",
    "calling what was built": b"cargparse\nNamespace\n)\x81)R",
    "calling a string": op_string("os.system") + op_tuple(op_string(COMMAND)) + b"R",
    "global not of strings": op_int(1) + op_int(2) + b"\x93",
    "out-of-band buffer": b"\x97",
    "text opcodes": b"I1\n",
    "codecs as a function of the file": b"c_codecs\ndecode\n(" + op_string("x") + b"tR",
    "making an array": b"cnumpy\nndarray\n(" + op_tuple(op_int(1 << 40)) + b"tR",
    "calling what a record is": b"cfairseq.tasks\nsetup_task\n)R)R",
    "attributes of a package's name": b"comegaconf\nos\n" + op_dict(x=op_string("1")) + b"b",
    "a type": b"c__builtin__\nlist\n(" + op_tuple(op_int(1)) + b"tR",
    "a package that begins like another": b"cfairseqx.tasks\nsetup_task\n)R",
    "a class of __main__": b"c__main__\nNet\n)\x81",
    "transformers' model": b"ctransformers.modeling_bert\nBertModel\n)\x81",
}  # fmt: skip


@both_formats
@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_poisoned_pickle_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Path], poison: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "m.bin", op_dict(a=op_tensor(), evil=poison))

    def forbidden(*arguments: Any, **keywords: Any) -> Any:
        raise AssertionError(f"imported or called {arguments}")

    monkeypatch.setattr(os, "system", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    monkeypatch.setattr(pickle, "load", forbidden)
    modules = set(sys.modules)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / TARGET).exists()
    assert set(sys.modules) - modules <= {"difflib", "encodings.cp437"}


@pytest.mark.parametrize("where", ["magic", "system", "keys"])
def test_the_stream_format_s_other_pickles_are_read_as_carefully(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    poison = b"\x80\x02" + POISON["os.system by GLOBAL and REDUCE"] + b"."
    parts = {
        "magic": pickle.dumps(MAGIC, 2),
        "protocol": pickle.dumps(1001, 2),
        "system": pickle.dumps({"little_endian": True}, 2),
    }
    parts |= {"value": b"\x80\x02" + op_dict(a=op_tensor()) + b".", "keys": pickle.dumps(["0"], 2)}
    parts[where] = parts[where][:2] + poison[2:] if where != "magic" else parts["magic"][:-1] + poison[2:]
    (tmp_path / "m").write_bytes(b"".join(parts.values()) + struct.pack("<q", 6) + FLOATS.tobytes())
    with pytest.raises(CheckpointError, match="nothing was run"):
        open_checkpoint(tmp_path / "m")
    assert not (tmp_path / TARGET).exists()


def test_the_error_names_the_refused_name_and_the_cure(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)posix\.system|os\.system.*state_dict"):
        open_checkpoint(make_zip(tmp_path / "m", POISON["os.system by GLOBAL and REDUCE"]))
    with pytest.raises(CheckpointError, match=r"transformers\.modeling_bert\.BertModel.*state_dict\(\)"):
        open_checkpoint(make_zip(tmp_path / "m", POISON["transformers' model"]))


# Damage and dishonesty


@both_formats
@pytest.mark.parametrize(
    "pickled, message",
    [
        (op_tensor(), "a single tensor without a name"),
        (op_dict(a=op_int(1)), "no tensors|not that of the pickle"),
        (op_dict(a=op_tensor(size=(3, 3))), "leave the storage"),
        (op_dict(a=op_tensor(offset=1)), "leave the storage"),
        (op_dict(a=op_tensor(offset=-1)), "wrong types"),
        (op_dict(a=op_tensor(stride=(1 << 61, 1))), "leave the storage"),
        (op_dict(a=op_tensor(stride=(-3, 1))), "non-negative"),
        (op_dict(a=op_tensor(stride=(1,))), "strides"),
        (op_dict(a=op_tensor(stride=(1 << 80, 1))), "leave the storage"),
        (op_dict(a=op_tensor(size=(1 << 40, 1 << 40), stride=(0, 0))), "more elements"),
        (op_dict(a=op_tensor(size=(1 << 30,), stride=(0,))), "larger than the file"),
        (op_dict(a=op_tensor(size=(1,) * 33, stride=(1,) * 33)), "33 axes"),
        (op_dict(a=op_tensor(storage=op_pid(count=1 << 40))), "would take"),
        (op_dict(a=op_tensor(storage=op_pid(count=-1))), "damaged"),
        (op_dict(a=op_tensor(storage=op_pid(key=op_int(0)))), "damaged"),
        (op_dict(a=op_tensor(storage=op_pid(kind=op_string("FloatStorage")))), "unknown type"),
        (op_dict(a=op_tensor(storage=op_pid(kind=b"ctorch\nfloat32\n"))), "unknown type"),
        (op_dict(a=op_tensor(storage=op_int(0))), "no storage"),
        (op_dict(a=op_tensor(), b=op_tensor(storage=op_pid(count=5))), "two sizes"),
        (op_dict(a=b"ctorch._utils\n_rebuild_tensor_v2\n(tR"), "do not fit"),
        (op_dict(**{"a.b": op_tensor(), "a": op_dict(b=op_tensor())}), r"'a\.b': two tensors"),
        (op_dict(a=op_tensor(), b=b"]q\x01h\x01a"), "deeper"),
        (op_dict(a=op_tensor(), b=b"}q\x01(" + op_string("x") + b"h\x01u"), "deeper"),
        (op_dict(a=op_tensor(), b=b"]" * 40 + b"a" * 39), "deeper"),
        (op_dict(**{"k" * 5000: op_tensor()}), "characters"),
        (b"R", "takes more values"),
        (b"(a", "takes more values"),
        (b"e", "did not open"),
        (b"Na", "takes more values"),
        (b"NNa", "no list"),
        (b"NNNs", "no dictionary"),
        (b"}(Nu", "no dictionary"),
        (b"h\x05", "value 5"),
        (b"\xff", "opcode"),
        (b"X\xff\xff\xff\x7f", "longer|ends before"),
        (b"\x8d" + b"\xff" * 8, "longer"),
        (b"\x8b\xff\xff\xff\x7f", "number"),
        (b"\x80\x09", "protocol 9"),
        (b"cos", "does not end|ends before|damaged"),
        (b"X\x01\0\0\0\xff", "UTF-8"),
    ],
)  # fmt: skip
def test_a_damaged_pickle_is_refused(tmp_path: Path, make: Callable[..., Path], pickled: bytes, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(make(tmp_path / "m", pickled))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("step", [b"N0", b"]\x94", b"\x85"])
def test_a_pickle_takes_a_limited_number_of_steps(tmp_path: Path, step: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tx_core.checkpoints.unpickle.MAX_OPERATIONS", 1000)
    with open_checkpoint(make_zip(tmp_path / "m", op_dict(a=op_tensor()))) as checkpoint:
        assert checkpoint.names() == ["a"]
    with pytest.raises(CheckpointError, match="more than 1000 steps; save only the tensors"):
        open_checkpoint(make_zip(tmp_path / "m", b"(N" + step * 1000 + b"l"))


@both_formats
def test_lists_that_share_parts_do_not_take_exponential_time(tmp_path: Path, make: Callable[..., Path]) -> None:
    doubled = b"](" + op_tensor() + b"e"
    for i in range(30):
        doubled += b"q%c0]h%cah%ca" % (i, i, i)
    with pytest.raises(CheckpointError, match="holds more than"):
        open_checkpoint(make(tmp_path / "m", op_dict(a=doubled)))
    nested = b")"
    for i in range(200):
        nested += b"\x94h" + bytes([i]) + b"\x86"
    with open_checkpoint(make(tmp_path / "n", op_dict(a=op_tensor()) + nested + b"Ns")) as checkpoint:  # as a key
        assert checkpoint.names() == ["a"]


def test_names_that_containers_spell_out_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that stands in many places is pickled once, and its tensors have a name in each."""
    monkeypatch.setattr("tx_core.checkpoints.torch_bin.MAX_NAMES", 10_000)
    shared = op_dict(w=op_tensor()) + b"\x94"
    for places, message in ((4, None), (40, "spells out names of more than 10000 characters")):
        names = [f"{'x' * 200}{i}" for i in range(places)]
        items = b"".join(op_string(name) + (shared if i == 0 else b"h\0") for i, name in enumerate(names))
        path = make_zip(tmp_path / f"m{places}", b"}(" + items + b"u")
        if message is None:
            with open_checkpoint(path) as checkpoint:
                assert len(checkpoint.names()) == places
        else:
            with pytest.raises(CheckpointError, match=message):
                open_checkpoint(path)


def test_numbers_that_collide_are_no_keys(tmp_path: Path) -> None:
    """Python's hash of a number is its remainder: of large ones any number can have the same."""
    modulus = sys.hash_info.modulus
    many = b"".join(b"\x8a\x10" + (i * modulus).to_bytes(16, "little") + b"N" for i in range(1, 60_001))
    start = time.process_time()
    with open_checkpoint(make_zip(tmp_path / "m", op_dict(a=op_tensor(), b=b"}(" + many + b"u"))) as checkpoint:
        assert checkpoint.names() == ["a"]
    assert time.process_time() - start < clock.allowed(10)  # it was minutes


def test_an_array_may_repeat_elements_but_not_without_end(tmp_path: Path) -> None:
    with open_checkpoint(make_zip(tmp_path / "m", op_dict(a=op_tensor(size=(4, 3), stride=(0, 1))))) as checkpoint:
        array = checkpoint.read("a")
    assert array.tolist() == [[0, 1, 2]] * 4
    array[0] = 9
    assert array[1].tolist() == [0, 1, 2]


def test_the_stride_of_a_single_element_may_be_anything(tmp_path: Path) -> None:
    with open_checkpoint(
        make_zip(tmp_path / "m", op_dict(a=op_tensor(size=(1, 2), stride=(1 << 62, 2))))
    ) as checkpoint:
        assert checkpoint.read("a").tolist() == [[0, 2]]


def rewritten(change: Callable[[zipfile.ZipFile], None]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        change(archive)
    return buffer.getvalue()


PICKLED = b"\x80\x02" + op_dict(a=op_tensor()) + b"."


def compressed(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("m/data/0", bytes(1 << 20), zipfile.ZIP_DEFLATED)


def without_storage(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("../data/0", FLOATS.tobytes())


def short_storage(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("m/data/0", FLOATS.tobytes()[:-1])


def other_archive(archive: zipfile.ZipFile) -> None:
    archive.writestr("config.json", "{}")


def two_archives(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("n/data.pkl", PICKLED)


def torchscript(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("m/constants.pkl", PICKLED)


def big_endian(archive: zipfile.ZipFile) -> None:
    archive.writestr("m/data.pkl", PICKLED)
    archive.writestr("m/byteorder", "big")


@pytest.mark.parametrize(
    "change, message",
    [
        (compressed, "compressed"),
        (without_storage, "has no storage '0'"),
        (short_storage, "has 23 bytes"),
        (other_archive, "not one that torch.save wrote"),
        (two_archives, "not one that torch.save wrote"),
        (torchscript, "TorchScript"),
        (big_endian, "byte order b'big'"),
    ],
)
def test_an_archive_that_torch_save_did_not_write_is_refused(
    tmp_path: Path, change: Callable[[zipfile.ZipFile], None], message: str
) -> None:
    path = tmp_path / "m"
    path.write_bytes(rewritten(change))
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(path)


def test_entries_that_overlap_or_stand_twice_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "m", op_dict(a=op_tensor()))
    raw = bytearray(path.read_bytes())
    second = raw.rindex(b"PK\x01\x02")
    raw[second + 42 : second + 46] = struct.pack("<I", 0)  # the storage's entry points to the pickle
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"overlaps another entry"):
        open_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", PICKLED)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("m/data.pkl", PICKLED)
    with pytest.raises(CheckpointError, match="twice"):
        open_checkpoint(path)


@pytest.mark.parametrize(
    "keywords, message",
    [
        ({"count": 5}, "5 elements"),
        ({"count": -1}, "-1 elements"),
        ({"data": FLOATS.tobytes()[:-1]}, "1 bytes too early"),
        ({"keys": ["1"]}, "not that of the pickle"),
        ({"keys": []}, "not that of the pickle"),
        ({"keys": ["0", "1"]}, "not that of the pickle"),
        ({"keys": ["0", "0"]}, "damaged"),
        ({"keys": [0]}, "damaged"),
    ],
)
def test_a_stream_whose_storages_do_not_fit_is_refused(tmp_path: Path, keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        open_checkpoint(make_stream(tmp_path / "m", op_dict(a=op_tensor()), **keywords))


def test_a_big_endian_stream_is_refused(tmp_path: Path) -> None:
    parts = [pickle.dumps(MAGIC, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": False}, 2)]
    (tmp_path / "m").write_bytes(b"".join(parts))
    with pytest.raises(CheckpointError, match="little-endian"):
        open_checkpoint(tmp_path / "m")


def test_allowed_records_stay_what_they_are_named(tmp_path: Path) -> None:
    pickled = pickle.dumps(argparse.Namespace(lr=0.1, nested={"a": [1]}), 2)[2:-1]
    scalar = pickle.dumps(np.float64(1.5), 2)[2:-1].replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    device = b"ctorch\ndevice\n(" + op_string("cpu") + b"tR"
    content = op_dict(a=op_tensor(), args=pickled, loss=scalar, device=device, dtype=b"ctorch\nfloat32\n")
    with open_checkpoint(make_zip(tmp_path / "m", content)) as checkpoint:
        assert checkpoint.names() == ["a"]


def op_record(name: str, **state: bytes) -> bytes:
    """An object of a class, as pickle makes it."""
    module, _, kind = name.rpartition(".")
    return f"c{module}\n{kind}\n)".encode() + b"\x81" + op_dict(**state) + b"b"


def fairseq_args() -> bytes:
    """A configuration of fairseq's in its newer form: OmegaConf's containers, an enumeration, its own classes."""
    layers = op_record("omegaconf.nodes.IntegerNode", _metadata=b"ctyping\nAny\n", _val=op_int(4), _parent=b"N")
    listed = op_record("omegaconf.listconfig.ListConfig", _content=b"](" + layers + op_record("fairseq.Meter") + b"e")
    choice = b"cfairseq.dataclass.constants\nChoice\n(" + op_string("c10d") + b"tR"
    types = b"c_operator\ngetitem\n(ctyping\nList\nc__builtin__\nint\ntR"
    meters = b"cfairseq.logging.meters\nMetersDict\n)R(" + op_string("loss") + op_int(1) + b"u"
    model = op_dict(layers=layers, kept=listed, backend=choice, types=types, meters=meters, weight=op_tensor())
    return op_record("omegaconf.dictconfig.DictConfig", _content=model, _flags_cache=op_dict(), _parent=b"N")


@both_formats
def test_what_training_programs_note_is_told_as_plain_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[..., Path]
) -> None:
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tC\x01btR"
    array += op_tuple(op_int(1), op_tuple(op_int(1)), pickle.dumps(np.dtype("f4"), 2)[2:-1], b"\x89C\x04abcd") + b"b"
    counts = b"ccollections\ndefaultdict\n(c__builtin__\nint\ntR(" + op_string("the") + op_int(7) + b"u"
    params = op_dict(dim=op_int(8), scores=array, words=op_tensor(), pair=op_tuple(op_int(1), array), none=b"N")
    keyed = b"}(" + op_int(0) + op_string("<s>") + op_tuple(op_int(1)) + op_string("left out") + b"u"
    namespace = op_record("argparse.Namespace", arch=op_string("roberta"), lr=b"G?\xb9\x99\x99\x99\x99\x99\x9a")
    content = op_dict(
        model=op_dict(w=op_tensor()), args=namespace, cfg=op_dict(model=fairseq_args()), params=params, counts=counts,
        words=keyed, epoch=op_int(3),
    )  # fmt: skip
    monkeypatch.setattr(pickle, "loads", None)
    modules = set(sys.modules)
    with open_checkpoint(make(tmp_path / "m", content)) as checkpoint:
        assert checkpoint.names() == ["model.w", "params.words"]
        assert checkpoint.note("args") == {"arch": "roberta", "lr": 0.1}
        assert checkpoint.note("cfg") == {"model": {"layers": 4, "kept": [4, None], "backend": "c10d"}}
        assert checkpoint.note("params") == {"dim": 8, "pair": [1, None], "none": None}
        assert checkpoint.note("counts") == {"the": 7}
        assert checkpoint.note("words") == {0: "<s>"}
        assert checkpoint.note("epoch") == 3
        assert checkpoint.note("unheard of") is None
    assert checkpoint.note("epoch") is None, "closed"
    assert not {"fairseq", "omegaconf", "argparse.Namespace"} & (set(sys.modules) - modules)


@pytest.mark.parametrize(
    "noted, message",
    [
        (b"]q\x01h\x01a", "deeper"),
        (op_record("argparse.Namespace") + b"q\x01" + op_dict(x=b"h\x01") + b"b", "inside of each other deeper"),
        (op_record("omegaconf.nodes.AnyNode") + b"q\x01" + op_dict(_val=b"h\x01") + b"b", "inside of each other"),
    ],
    ids=["list", "namespace", "node"],
)
def test_what_is_noted_does_not_nest_without_end(tmp_path: Path, noted: bytes, message: str) -> None:
    with (
        pytest.raises(CheckpointError, match=message),
        open_checkpoint(make_zip(tmp_path / "m", op_dict(a=op_tensor(), args=noted))) as checkpoint,
    ):
        checkpoint.note("args")


def test_what_is_noted_has_a_limited_number_of_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doubled = op_record("argparse.Namespace", x=op_int(1))
    for i in range(20):
        doubled += b"q%c0]h%cah%ca" % (i, i, i)
    path = make_zip(tmp_path / "m", op_dict(a=op_tensor(), args=op_record("argparse.Namespace", x=doubled)))
    with open_checkpoint(path) as checkpoint, pytest.raises(CheckpointError, match="more than 1000000 values"):
        checkpoint.note("args")


# Fuzz: whatever happens to a file, the reader answers with arrays or a CheckpointError.


def read_all(path: Path) -> None:
    try:
        with open_checkpoint(path) as checkpoint:
            for name in checkpoint.names():
                checkpoint.read(name)
            for key in ("a", "args", "cfg"):
                checkpoint.note(key)
    except CheckpointError:
        pass


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("originals")
    content = op_dict(a=op_tensor(), model=op_dict(b=op_tensor(size=(6,), stride=(1,))), cfg=fairseq_args())
    write_torch_bin(folder / "w", {"a": FLOATS, "b": np.zeros((2, 2), np.int64)}, {"c": "a"})
    files = [make_zip(folder / "z", content), make_stream(folder / "s", content), folder / "w"]
    return [file.read_bytes() for file in files]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 2), data=st.data())
def test_flipped_and_cut_files_never_escape(
    tmp_path: Path, originals: list[bytes], which: int, data: st.DataObject
) -> None:
    raw = bytearray(originals[which])
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "m"
    path.write_bytes(raw[: data.draw(st.one_of(st.just(len(raw)), st.integers(0, len(raw))))])
    read_all(path)


OPCODES = st.binary(min_size=1, max_size=1)
MEANINGFUL = st.sampled_from(
    [
        *(op_tensor(), op_pid(), op_string("a"), op_int(3), b"ccollections\nOrderedDict\n"),
        *(b"ccollections\ndefaultdict\n", b"cargparse\nNamespace\n", b"comegaconf.nodes\nAnyNode\n"),
        *(b"cfairseq\nX\n", b"ctyping\nAny\n", fairseq_args()),
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(OPCODES, MEANINGFUL), max_size=30))
def test_arbitrary_programs_never_escape(tmp_path: Path, program: list[bytes]) -> None:
    read_all(make_zip(tmp_path / "z", b"".join(program)))
    read_all(make_stream(tmp_path / "s", b"".join(program)))
