"""A pickled dictionary of plain values: by itself, or as PyTorch saves one, tensors among the values or not.

The vocabularies and corpora of 2019 were published so. The pickle goes through `unpickle`, which runs nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tx_core.checkpoints.torch_bin import TorchCheckpoint, _Tensor, looks_like_torch_stream
from tx_core.mistaken import HEAD, mistaken_for


class PickledValues(TorchCheckpoint):
    """What a pickled dictionary holds: its tensors are arrays under their keys, all else is in `values`.

    Containers are dictionaries, lists and tuples, whatever class of containers they were; other objects are inert
    `Record`s.

    Args:
        path: the file.
        packages: those whose classes' objects may stand in the pickle, as records.
        cure: what to do with a file that names anything else, for errors.

    Raises:
        CheckpointError: the file is damaged, is no pickle of a dictionary, or names anything that is not allowed.
    """

    format = "pickle"

    def __init__(self, path: Path, packages: Collection[str], cure: str) -> None:
        self._packages = packages
        self._cure = cure
        super().__init__(path)

    @property
    def values(self) -> dict[Any, Any]:
        """The dictionary without its tensors."""
        return {key: value for key, value in self._value.items() if key not in self._tensors}

    def _open(self) -> tuple[Any, dict[str, int]]:
        self._file.seek(0)
        head = self._file.read(HEAD)
        if head.startswith(b"PK\x03\x04") or looks_like_torch_stream(head):
            return super()._open()
        if problem := mistaken_for(head):
            raise self._error(problem)
        if head[:1] != b"\x80":
            raise self._error("neither a pickle nor a file that torch.save wrote; fetch or copy it again")
        self._file.seek(0)
        return self._unpickler().load(), {}

    def _is_record(self, module: str, name: str) -> bool:
        return module.partition(".")[0] in self._packages

    def _collect(self, value: Any) -> dict[str, _Tensor]:
        if not isinstance(value, dict):
            raise self._error(f"pickles a {type(value).__name__}, not a dictionary")
        return {key: child for key, child in value.items() if isinstance(key, str) and isinstance(child, _Tensor)}
