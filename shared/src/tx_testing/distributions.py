"""Distributions as an installer lays them out, for tests of what is found by entry points."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Hides the distributions whose entry points for architectures have these names, in a process of its own.
HIDE = """
import importlib.metadata
_entry_points = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **given: [p for p in _entry_points(**given) if p.name not in {hidden!r}]
"""


def lay_out(folder: Path, package: Path, entry_points: str) -> None:
    """Put a copy of a package and the information of a distribution of its name into a folder, as pip does.

    Args:
        folder: what is to be on the path.
        package: the package's folder.
        entry_points: the content of ``entry_points.txt``.
    """
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    information = folder / f"{package.name}-1.0.dist-info"
    information.mkdir()
    name = package.name.replace("_", "-")
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)


@contextmanager
def installed(folder: Path, package: Path, entry_points: str) -> Iterator[None]:
    """The same, importable in this process until the end of the context."""
    lay_out(folder, package, entry_points)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(folder)
        yield
        for module in [each for each in sys.modules if each.partition(".")[0] == package.name]:
            del sys.modules[module]
