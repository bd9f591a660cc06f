"""A checkpoint cut into several files, described by `<file>.index.json`."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from tx_core.checkpoints.base import Array, ArrayInfo, Checkpoint, CheckpointError, is_plain_name
from tx_core.json_files import read_json_object
from tx_core.messages import quoted

MAX_INDEX = 64 << 20
MAX_SHARDS = 1000


def read_index(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Name → shard file beside the index, and the metadata, of an index file. Raises CheckpointError."""
    index = read_json_object(path, MAX_INDEX, CheckpointError)
    where = index.get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(file, str) for file in where.values()):
        raise CheckpointError(path, 'a JSON file without a "weight_map" of names to file names, so no index')
    for name, file in where.items():
        if not is_plain_name(file):
            raise CheckpointError(path, f"is mapped to {quoted(file)}; shards lie beside the index", quoted(name))
    metadata = index.get("metadata", {})
    if not isinstance(metadata, dict):
        metadata = {}
    return where, {key: str(value) for key, value in metadata.items() if isinstance(value, str | int)}


def files_of(path: Path) -> list[Path]:
    """What is there of a checkpoint: the file, or its index and shards, ``model-00001-of-00003.safetensors``."""
    name = re.compile(re.escape(path.stem) + r"-\d{5}-of-\d{5}" + re.escape(path.suffix))
    whole = (path.name, f"{path.name}.index.json")
    return [other for other in path.parent.iterdir() if other.name in whole or name.fullmatch(other.name)]


def _as_in_shards(where: dict[str, str], holders: dict[str, str]) -> dict[str, str]:
    """The index with its names as shards spell them: Keras's have the model's name in front in the index alone."""
    model = next(iter(where)).partition("/")[0] + "/"
    if holders.keys() & where.keys() or not all(name.startswith(model) for name in where):
        return where
    return {name.removeprefix(model): file for name, file in where.items()}


class ShardedCheckpoint(Checkpoint):
    """The arrays of all shards under one roof. Index and shards must agree on every name.

    Of what TensorFlow wrote, the names in the index may all begin with the name of the Keras model; those of the
    shards do not.
    """

    def __init__(self, path: Path, open_file: Callable[[Path], Checkpoint]) -> None:
        super().__init__(path)
        self._shards: dict[str, Checkpoint] = {}
        try:
            self._where, self.metadata = read_index(path)
            self._open_shards(open_file)
        except BaseException:
            self.close()
            raise

    def _open_shards(self, open_file: Callable[[Path], Checkpoint]) -> None:
        files = sorted(set(self._where.values()))
        if len(files) > MAX_SHARDS:
            raise CheckpointError(self.path, f"names {len(files)} shards; {MAX_SHARDS} are the most that are opened")
        holders: dict[str, str] = {}
        for file in files:
            shard_path = self.path.parent / file
            if not shard_path.is_file():
                raise CheckpointError(self.path, f"the shard {file} is not beside the index; fetch it")
            shard = self._shards[file] = open_file(shard_path)
            for name in shard.names():
                if name in holders:
                    raise CheckpointError(self.path, f"stands in both {holders[name]} and {file}", quoted(name))
                holders[name] = file
            self.metadata = {**shard.metadata, **self.metadata}
        self._where = _as_in_shards(self._where, holders)
        formats = {shard.format for shard in self._shards.values()}
        if len(formats) > 1:
            raise CheckpointError(self.path, f"mixes shards of the formats {', '.join(sorted(formats))}")
        self.format = formats.pop()
        for name, file in self._where.items():
            if holders.get(name) != file:
                found = f"it stands in {holders[name]}" if name in holders else "no shard holds it"
                raise CheckpointError(self.path, f"is mapped to {file}, but {found}", quoted(name))
        for name, file in holders.items():
            if name not in self._where:
                raise CheckpointError(self.path, f"stands in {file}, but the index does not know it", quoted(name))

    def names(self) -> list[str]:
        return list(self._where)

    def info(self, name: str) -> ArrayInfo:
        return self._shard(name).info(name)

    def read(self, name: str) -> Array:
        return self._shard(name).read(name)

    def take(self, name: str) -> Array:
        return self._shard(name).take(name)

    def give_back(self, name: str) -> None:
        self._shard(name).give_back(name)

    def _shard(self, name: str) -> Checkpoint:
        if name not in self._where:
            raise self._unknown(name)
        return self._shards[self._where[name]]

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()
