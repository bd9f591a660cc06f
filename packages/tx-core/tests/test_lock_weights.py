"""Weights that are made of several files: each of them is held to the lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import write_safetensors, write_tf1
from tx_core.files import IntegrityError, LockError, Source
from tx_core.files.lock import LockedCommit, LockedFile, write_lock
from tx_core.models.pretrained import open_weights
from tx_core.weights import Row, Weights, WeightTable

TABLE = WeightTable("toy", (Row("toy.a", "a"), Row("toy.b", "b")))
ARRAYS = {"a": np.arange(6, dtype=np.float32), "b": np.arange(4, dtype=np.float32)}


def write_npy(folder: Path) -> None:
    (folder / "params_shapes.json").write_text(json.dumps([[6], [4]]))
    for i, array in enumerate(ARRAYS.values()):
        np.save(folder / f"params_{i}.npy", array)


def write_shards(folder: Path) -> None:
    arrays = {f"toy.{name}": array for name, array in ARRAYS.items()}
    write_safetensors(folder / "model.safetensors", arrays, max_shard_size=20)


KINDS: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "shards": (write_shards, "model.safetensors.index.json", "model-00002-of-00002.safetensors"),
    "tensorflow": (lambda folder: write_tf1(folder / "m.ckpt", ARRAYS), "m.ckpt.index", "m.ckpt.data-00000-of-00001"),
    "numpy": (write_npy, "params_shapes.json", "params_1.npy"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that has the name of a locked repository."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org/name").mkdir(parents=True)
    return Path("org/name")


def lock(folder: Path, without: str = "") -> None:
    files = {path.name: LockedFile.of(path) for path in folder.iterdir() if path.name != without}
    write_lock("tx.lock", {"org/name": {"main": LockedCommit("1" * 40, files)}})


def opened(*names: str) -> Weights:
    return open_weights("org/name", TABLE, Source.take({"lock": "tx.lock"}), names)


@pytest.mark.parametrize("kind", KINDS)
def test_every_part_is_held_to_the_lock(kind: str, folder: Path) -> None:
    write, name, part = KINDS[kind]
    write(folder)
    lock(folder)
    with opened(name):
        pass
    lock(folder, without=part)
    with pytest.raises(LockError, match=f"does not have {part}"):
        opened(name)
    lock(folder)
    content = bytearray((folder / part).read_bytes())
    content[-1] ^= 1
    (folder / part).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"{part} of 'org/name'"):
        opened(name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_only_by_its_content_brings_other_files_is_refused(kind: str, folder: Path) -> None:
    write, name, _ = KINDS[kind]
    write(folder)
    if kind == "tensorflow":
        (folder / "checkpoint").write_text('model_checkpoint_path: "m.ckpt"\n')
        name = "checkpoint"
    elif kind == "numpy":
        name = "params_0.npy"
    (folder / name).rename(folder / "pytorch_model.bin")
    if kind == "numpy":
        (folder / "params_0.npy").write_bytes((folder / "pytorch_model.bin").read_bytes())
    lock(folder)
    with pytest.raises(LockError, match=r"pytorch_model\.bin brings other files"):
        opened("pytorch_model.bin")


def test_the_newest_checkpoint_of_a_training_is_not_looked_for(folder: Path) -> None:
    write_tf1(folder / "m.ckpt", ARRAYS)
    (folder / "checkpoint").write_text('model_checkpoint_path: "m.ckpt"\n')
    lock(folder)
    with pytest.raises(LockError, match=r"does not have model\.safetensors"):
        opened("model.safetensors")
