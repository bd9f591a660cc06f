"""Python code that stands in documentation, for tests that run it."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from . import published

_FILE = re.compile(r"# (\w+\.py)\n")


def blocks(page: Path) -> list[str]:
    """All blocks of Python of a page."""
    return _blocks(page.read_text(encoding="utf-8"))


def run(block: str, folder: Path) -> None:
    """Run a block that stands by itself, in an empty folder and without a network, and look at what it prints.

    What the texts fetch from the hub is a folder of that name there, which wins; their numbers are not looked at.

    Raises:
        AssertionError: it does not print the words of a comment ``print(…)  # words``.
    """
    for name in published.NAMES:
        if f'"{name}"' in block:
            published.write(folder / name, name)
    with (
        _as_they_were("transformers"),  # a block puts another package in its place
        mock.patch.dict(os.environ, {"TX_OFFLINE": "1"}),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(io.StringIO()) as printed,
    ):
        exec(compile(block, "a block of a README", "exec"), {"__name__": "documented"})
    for words in re.findall(r"^print\(.*\)  # (.+)$", block, flags=re.MULTILINE):
        assert printed.getvalue() == f"{words}\n"


@contextlib.contextmanager
def _as_they_were(package: str) -> Iterator[None]:
    """Within it the modules of a package may be replaced; they are as before at the end."""
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == package}
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]
        sys.modules.update(before)


def sections(page: Path) -> dict[str, list[str]]:
    """Heading → the blocks of Python below it, of the sections of a page that have some."""
    found = {}
    for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        code = _blocks(section)
        if code:
            found[section.partition("\n")[0]] = code
    return found


def write_files(code: list[str], folder: Path) -> list[str]:
    """Write the blocks that begin with a file's name as a comment into a folder; returns the others."""
    others = []
    for block in code:
        named = _FILE.match(block)
        if named:
            (folder / named[1]).write_text(block, encoding="utf-8")
        else:
            others.append(block)
    return others


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
