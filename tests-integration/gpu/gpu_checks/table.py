"""The table that ``run.py`` prints, and the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from .cases import Result

HEADINGS = ("architecture", "check", "", "max abs", "max rel", "allowed", "ms CPU", "ms", "first ms", "tokens/s", "MiB")
WIDTHS = (12, 19, 7, 8, 8, 8, 9, 9, 9, 9, 7)


def number(value: float | None, form: str) -> str:
    """A number in a form of ``format``; nothing for None."""
    return "" if value is None else format(value, form)


def line(result: Result) -> str:
    """A result as a line of the table."""
    apart = result.difference
    cells = (
        result.architecture,
        result.check,
        {True: "ok", False: "FAILED", None: "skipped"}[result.ok],
        number(apart.absolute if apart else None, ".1e"),
        number(apart.relative if apart else None, ".1e"),
        number(result.tolerance, ".1e"),
        number(result.cpu_ms, ".2f"),
        number(result.device_ms, ".2f"),
        number(result.first_ms, ".0f"),
        number(result.tokens_per_second, ".0f"),
        number(result.peak_mib, ".0f"),
    )
    return (laid_out(cells) + "  " + "; ".join(result.notes)).rstrip()


def laid_out(cells: Sequence[str]) -> str:
    """Cells in columns: the first three begin where their column does, numbers end there."""
    columns = zip(cells, WIDTHS, range(len(WIDTHS)), strict=True)
    return "  ".join(cell.ljust(width) if i < 3 else cell.rjust(width) for cell, width, i in columns)


def write_json(path: Path, header: Mapping[str, str], results: Sequence[Result]) -> None:
    """Write the header and all lines."""
    path.write_text(
        json.dumps({"header": dict(header), "results": [asdict(each) for each in results]}, indent=1) + "\n"
    )
