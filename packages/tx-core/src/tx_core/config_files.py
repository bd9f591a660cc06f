"""Which file holds a configuration: one of JSON, or a checkpoint whose authors keep it beside the weights."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .config import PretrainedConfig
    from .files import Source


def find_beside(config_class: type[PretrainedConfig], weights: str | os.PathLike[str], source: Source) -> Path:
    """The file that holds the configuration of a file of weights: one beside it or, of the authors', itself.

    Raises:
        OSError: there is none.
    """
    from pathlib import Path

    from .files import locate

    path = Path(weights)
    if config_class.checkpoint_names and path.is_file() and is_pickled(path):
        return locate(path.parent, config_class.file_names, source) or path
    return config_class.find(path.parent, source)


def is_pickled(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of PyTorch's, which hold a pickle: by its first byte, which no JSON file has."""
    with open(path, "rb") as file:
        return file.read(1) in (b"P", b"\x80")
