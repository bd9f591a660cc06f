"""Where the test data lies: real vocabularies, checkpoints and datasets that are not part of the repository.

The folder is ``$TX_DATA``, or ``shared/data`` beside the repository. Tests that need it skip without it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SKIP_REASON = "TX_DATA: the test data is not here (set TX_DATA to its folder)"

_start = Path.cwd()


def set_start(folder: Path) -> None:
    """Look for the data beside ``folder`` or one of its parents (the plugin passes pytest's root folder)."""
    global _start
    _start = folder


def data_root() -> Path | None:
    """The folder of the test data, or None where there is none.

    Raises NotADirectoryError when TX_DATA is set to something that is not a folder.
    """
    named = os.environ.get("TX_DATA")
    if named:
        root = Path(named).expanduser()
        if not root.is_dir():
            raise NotADirectoryError(f"TX_DATA={named!r} is not a folder: correct it, or unset it to skip these tests")
        return root
    for folder in (_start, *_start.parents):
        root = folder.parent / "shared" / "data"
        if (root / "vocab").is_dir():
            return root
    return None


def data_path(relative: str) -> Path:
    """The path of ``relative`` (``"vocab/bert-base-uncased"``) in the test data; skips the test when there is no data.

    Raises FileNotFoundError when the data is there but has no such file, so that a misspelt path is not a skip.
    """
    root = data_root()
    if root is None:
        pytest.skip(SKIP_REASON, allow_module_level=True)
    path = root / relative
    if not path.exists():
        raise FileNotFoundError(f"{relative!r} is not in the test data at {root}")
    return path
