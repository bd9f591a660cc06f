"""Which format a file is in, decided by its content; the extension does not matter."""

from __future__ import annotations

import re
from pathlib import Path

from tx_core.checkpoints.base import Checkpoint, CheckpointError
from tx_core.checkpoints.keras_h5 import HDF5_MAGIC, KerasH5Checkpoint
from tx_core.checkpoints.npy_shards import NPY_MAGIC, SHAPES_NAME, NpyShardsCheckpoint
from tx_core.checkpoints.safetensors import SafetensorsCheckpoint, looks_like_safetensors
from tx_core.checkpoints.sharded import ShardedCheckpoint
from tx_core.checkpoints.tf1 import STATE_FILE, TF1Checkpoint, looks_like_tf1_index, read_state_file
from tx_core.checkpoints.torch_bin import TorchCheckpoint, looks_like_torch_stream
from tx_core.files import settle
from tx_core.messages import quoted
from tx_core.mistaken import HEAD, mistaken_for


def open_checkpoint(path: Path | str, mapped: bool = False) -> Checkpoint:
    """Open a checkpoint of any known format.

    Args:
        path: a file (safetensors, PyTorch, Keras `.h5`), the `.index.json` of a sharded one, the prefix or `.index`
            file of a TensorFlow 1 checkpoint ("bert_model.ckpt"), a folder with its `checkpoint` file, or the folder of
            OpenAI GPT's `params_shapes.json`.
        mapped: let `Checkpoint.take` give memory of the file, which is copied when it is changed. Only safetensors
            files are mapped, and only where the system can; others are read. The bytes of a mapped file must not be
            changed as long as its arrays are in use: they would change too, or the process end. The file may be
            replaced by another, or deleted.

    Returns:
        A Checkpoint, to be closed or used in a `with` statement.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        CheckpointError: it is no checkpoint, or a damaged one; the message says what it looks like and what helps.
        FilesError: a save of its folder was cut short and cannot be finished.
    """
    path = Path(path)
    settle(path if path.is_dir() else path.parent)
    if path.is_dir():
        return _open_folder(path)
    if not path.exists() and path.with_name(path.name + ".index").is_file():
        return TF1Checkpoint(path)
    head = _read_head(path)
    return _open_file(path, head, mapped) or _refuse(path, head)


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _open_folder(folder: Path) -> Checkpoint:
    if (folder / SHAPES_NAME).is_file():
        return NpyShardsCheckpoint(folder)
    if (folder / STATE_FILE).is_file():
        return TF1Checkpoint(read_state_file(folder / STATE_FILE))
    raise CheckpointError(
        folder,
        f"is a folder without {STATE_FILE} (TensorFlow 1) or {SHAPES_NAME} (OpenAI GPT); name the file itself, "
        "e.g. model.safetensors",
    )


def _open_shard(path: Path, mapped: bool) -> Checkpoint:
    head = _read_head(path)
    if head.lstrip()[:1] == b"{":
        raise CheckpointError(path, "an index that names another index")
    return _open_file(path, head, mapped) or _refuse(path, head)


def _open_file(path: Path, head: bytes, mapped: bool) -> Checkpoint | None:
    if head.startswith(b"PK\x03\x04") or looks_like_torch_stream(head):
        return TorchCheckpoint(path)
    if looks_like_safetensors(head):
        return SafetensorsCheckpoint(path, mapped)
    if head.startswith(HDF5_MAGIC):
        return KerasH5Checkpoint(path)
    if looks_like_tf1_index(path):
        return TF1Checkpoint(_prefix(path))
    if head.lstrip().startswith(b"model_checkpoint_path:"):
        return TF1Checkpoint(read_state_file(path))
    if path.name == SHAPES_NAME or (head.startswith(NPY_MAGIC) and path.with_name(SHAPES_NAME).is_file()):
        return NpyShardsCheckpoint(path.parent)
    if head.lstrip()[:1] == b"{":
        return ShardedCheckpoint(path, lambda shard: _open_shard(shard, mapped))
    return None


def _prefix(index: Path) -> Path:
    if index.suffix != ".index":
        raise CheckpointError(
            index,
            "a TensorFlow checkpoint index under another name; call it <name>.index beside <name>.data-00000-of-…",
        )
    return index.with_suffix("")


def _refuse(path: Path, head: bytes) -> Checkpoint:
    if found := re.search(r"\.data-\d{5}-of-\d{5}$", path.name):
        raise CheckpointError(
            path, f"a data file of a TensorFlow checkpoint; give the checkpoint's prefix: {path.name[: found.start()]}"
        )
    if problem := mistaken_for(head):
        raise CheckpointError(path, problem)
    if head[257:262] == b"ustar":
        raise CheckpointError(
            path,
            "the file is a tar archive: unpack it, or, if PyTorch before 0.1.10 wrote it, load it with an old PyTorch "
            "and save its state dict again",
        )
    if head[:1] == b"\x80" and head[1:2] <= b"\x05":
        raise CheckpointError(path, "the file is a Python pickle but no PyTorch checkpoint; nothing was run")
    raise CheckpointError(
        path,
        f"no checkpoint format starts with {quoted(head[:16])}; known are safetensors, PyTorch .bin, Keras .h5, "
        "TensorFlow 1 checkpoints and OpenAI GPT's params_*.npy",
    )
