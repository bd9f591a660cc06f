"""How numbers, names and tables are shown."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
LONGEST = 100


def size(count: int) -> str:
    """Bytes, in units of 1000: "440.5 MB"."""
    number, unit = float(count), 0
    while number >= 999.95 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"


def grouped(count: int) -> str:
    """A number with its thousands set apart: "109 482 240"."""
    return f"{count:,}".replace(",", " ")


def name(text: str) -> str:
    """A name out of a file: on one line, without what a terminal would obey, and shortened in its middle."""
    if not text.isprintable() or text != text.strip() or not text:
        text = repr(text)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}…{text[-half:]}"


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "  ") -> list[str]:
    """Rows as lines of columns that are aligned, those of the numbers in `right` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent
        + "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
