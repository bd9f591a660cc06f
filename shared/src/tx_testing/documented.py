"""Python code that stands in documentation, for tests that run it."""

from __future__ import annotations

import re
from pathlib import Path

_FILE = re.compile(r"# (\w+\.py)\n")


def sections(page: Path) -> dict[str, list[str]]:
    """Heading → the blocks of Python below it, of the sections of a page that have some."""
    found = {}
    for section in re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```python\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
        if blocks:
            found[section.partition("\n")[0]] = blocks
    return found


def write_files(blocks: list[str], folder: Path) -> list[str]:
    """Write the blocks that begin with a file's name as a comment into a folder; returns the others."""
    others = []
    for block in blocks:
        named = _FILE.match(block)
        if named:
            (folder / named[1]).write_text(block, encoding="utf-8")
        else:
            others.append(block)
    return others
