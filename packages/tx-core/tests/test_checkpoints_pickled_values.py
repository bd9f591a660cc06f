"""Pickled dictionaries of plain values, by themselves and as PyTorch saves them."""

from __future__ import annotations

import argparse
import collections
import os
import pickle
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import CheckpointError
from tx_core.checkpoints.pickled_values import PickledValues
from tx_core.checkpoints.torch_bin import MAGIC_NUMBER

CURE = "save the words."
Make = Callable[[Path, Any], Path]


def make_pickle(path: Path, value: Any) -> Path:
    path.write_bytes(pickle.dumps(value, 4))
    return path


def make_stream(path: Path, value: Any) -> Path:
    """As torch.save of 2019 wrote a dictionary without tensors."""
    parts = [MAGIC_NUMBER, 1001, {"protocol_version": 1001, "little_endian": True}, value, []]
    path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    return path


def values(path: Path, *packages: str) -> dict[Any, Any]:
    with PickledValues(path, packages, CURE) as checkpoint:
        assert checkpoint.names() == []
        return checkpoint.values


@pytest.mark.parametrize("make", [make_pickle, make_stream])
def test_containers_become_plain_ones(make: Make, tmp_path: Path) -> None:
    counter = collections.Counter({"the": 3, "a": 1})
    found = values(make(tmp_path / "m", {"counter": counter, "ids": collections.OrderedDict(b=1, a=0), "x": [None]}))
    assert found == {"counter": {"the": 3, "a": 1}, "ids": {"b": 1, "a": 0}, "x": [None]}
    assert [type(each) for each in found.values()] == [dict, dict, list]
    assert [*found["ids"]] == ["b", "a"]


def test_tensors_are_arrays_beside_the_values(tmp_path: Path) -> None:
    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    storage = b"(" + text("storage") + b"ctorch\nLongStorage\n" + text("0") + text("cpu") + b"K\x03tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00(K\x03t(K\x01t\x89}tR"
    parts = [pickle.dumps(part, 2) for part in (MAGIC_NUMBER, 1001, {"little_endian": True})]
    parts += [b"\x80\x02}(" + text("train") + tensor + text("dataset") + text("wt2") + b"u.", pickle.dumps(["0"], 2)]
    data = np.array([5, 6, 7])
    (tmp_path / "m").write_bytes(b"".join(parts) + struct.pack("<q", 3) + data.tobytes())
    with PickledValues(tmp_path / "m", (), CURE) as checkpoint:
        assert checkpoint.values == {"dataset": "wt2"}
        assert checkpoint.names() == ["train"]
        assert checkpoint.read("train").tolist() == [5, 6, 7]


class Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


@pytest.mark.parametrize("make", [make_pickle, make_stream])
@pytest.mark.parametrize(
    "evil",
    [
        Evil(os.system, "touch ran"),
        Evil(eval, "open('ran', 'w')"),
        collections.Counter({"a": Evil(os.system, "touch ran")}),
        argparse.Action([], "d"),
    ],
)
def test_what_is_not_allowed_is_refused_and_nothing_runs(
    make: Make, evil: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "m", {"sym2idx": {"a": 0}, "evil": evil})
    modules = set(sys.modules)
    with pytest.raises(CheckpointError, match=r"m: the pickle names .* nothing was run.* save the words\.") as caught:
        values(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "ran").exists()
    assert set(sys.modules) - modules <= {"difflib"}


def test_objects_of_named_packages_are_records(tmp_path: Path) -> None:
    path = make_pickle(tmp_path / "m", {"y": argparse.Action([], "d")})
    with pytest.raises(CheckpointError, match=r"argparse\.Action"):
        values(path)
    assert str(values(path, "argparse")["y"].kind) == "argparse.Action"


@pytest.mark.parametrize("make", [make_pickle, make_stream])
def test_a_file_that_ends_early_is_refused(make: Make, tmp_path: Path) -> None:
    path = make(tmp_path / "m", {"sym2idx": {f"word{n}": n for n in range(50)}})
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(CheckpointError, match="m: "):
            values(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1]), "pickles a list, not a dictionary"),
        (b"<!doctype html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"the\nof\n", "neither a pickle nor"),
        (b"", "is empty"),
    ],
)
def test_other_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        values(tmp_path / "m")


def test_counts_are_copied_a_limited_number_of_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tx_core.checkpoints.unpickle.MAX_ITEMS", 1000)
    words = b"}" + b"".join(b"K" + bytes([n]) + b"Ns" for n in range(100)) + b"q\x00"
    copies = b"(" + words + b"(ccollections\nCounter\nh\x00\x85R" * 20 + b"l"
    (tmp_path / "m").write_bytes(b"\x80\x02" + copies + b".")
    with pytest.raises(CheckpointError, match="copies more than 1000 items"):
        values(tmp_path / "m")
