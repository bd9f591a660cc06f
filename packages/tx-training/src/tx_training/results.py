"""What a training leaves to be read: eval_results.txt, results.json, and a plot of both in SVG. No framework.

The plot is written as text, by this module: it is a few lines and dots, which are not worth a library to draw them.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tx_core.files import atomic_write

EVAL_RESULTS_NAME = "eval_results.txt"
RESULTS_NAME = "results.json"
PLOT_NAME = "results.svg"

_WIDTH, _HEIGHT, _LEFT, _TOP, _GAP = 640, 220, 70, 30, 60  # of a panel and its margins, in pixels
_COLOURS = ("#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860")
Row = Mapping[str, float]
Line = Sequence[tuple[float, float]]


def write_eval_results(folder: str | os.PathLike[str], results: Row, name: str = EVAL_RESULTS_NAME) -> None:
    """Write the numbers of an evaluation, a line ``name = value`` each, sorted by name, as the file `name`."""
    with atomic_write(Path(folder) / name) as temporary:
        temporary.write_text("".join(f"{name} = {results[name]}\n" for name in sorted(results)), encoding="utf-8")


def write_mismatched_results(folder: str | os.PathLike[str], results: Row) -> None:
    """Write MNLI's measures on its mismatched development set as of 2019: into another folder, whose name ends in -MM.

    Args:
        folder: of the training.
        results: all measures; those whose names begin with ``mnli-mm/`` are written.
    """
    other = Path(f"{os.fspath(folder)}-MM")
    other.mkdir(parents=True, exist_ok=True)
    write_eval_results(other, {name: value for name, value in results.items() if name.startswith("mnli-mm/")})


def write_results(folder: str | os.PathLike[str], results: Mapping[str, Any]) -> None:
    """Write ``results.json``. Numbers that JSON has no words for, such as a loss of infinity, are null."""
    with atomic_write(Path(folder) / RESULTS_NAME) as temporary:
        temporary.write_text(json.dumps(_finite(results), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_plot(folder: str | os.PathLike[str], history: Sequence[Row], across: str = "step") -> None:
    """Write ``results.svg``: above, the losses by step; below, everything else that was measured.

    Args:
        folder: where to.
        history: rows with ``step``, and any of ``loss``, ``eval_loss`` and ``eval_…``. Nothing is written where none
            has two of them that are finite.
        across: what a step is, beside the axis.
    """
    names = dict.fromkeys(name for row in history for name in row if name == "loss" or name.startswith("eval_"))
    lines = {name: [(row["step"], row[name]) for row in history if name in row] for name in names}
    lines = {name: [(x, y) for x, y in line if math.isfinite(y)] for name, line in lines.items()}
    losses = {name: line for name, line in lines.items() if line and name.endswith("loss")}
    others = {name: line for name, line in lines.items() if line and not name.endswith("loss")}
    panels = [panel for panel in (losses, others) if panel]
    if not panels:
        return
    height = len(panels) * (_HEIGHT + _GAP) + _TOP
    steps = _ticks(x for panel in panels for line in panel.values() for x, _ in line)
    drawn = "".join(
        _panel(panel, steps, _TOP + number * (_HEIGHT + _GAP), across) for number, panel in enumerate(panels)
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 150} {height}" '
    style = 'font-family="sans-serif" font-size="12" fill="#333">\n<rect width="100%" height="100%" fill="#fff"/>\n'
    with atomic_write(Path(folder) / PLOT_NAME) as temporary:
        temporary.write_text(f"{head}{style}{drawn}</svg>\n", encoding="utf-8")


def _panel(lines: Mapping[str, Line], xs: Sequence[float], top: float, axis: str) -> str:
    """One pair of axes with its lines and their names."""
    ys = _ticks(y for line in lines.values() for _, y in line)

    def across(x: float) -> float:
        return _LEFT + _WIDTH * (x - xs[0]) / (xs[-1] - xs[0])

    def down(y: float) -> float:
        return top + _HEIGHT * (1 - (y - ys[0]) / (ys[-1] - ys[0]))

    parts = [f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999"/>']
    for y in ys:
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{down(y):.1f}" y2="{down(y):.1f}" stroke="#e5e5e5"/>'
        )
        parts.append(f'<text x="{_LEFT - 6}" y="{down(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    parts += [f'<text x="{across(x):.1f}" y="{top + _HEIGHT + 16}" text-anchor="middle">{x:g}</text>' for x in xs]
    parts.append(f'<text x="{_LEFT + _WIDTH + 10}" y="{top + _HEIGHT + 16}">{escape(axis)}</text>')
    for number, (name, line) in enumerate(lines.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if name != "loss" or len(line) == 1:
            parts += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{colour}"/>' for x, y in line]
        place = top + 12 + 16 * number
        parts.append(f'<text x="{_LEFT + _WIDTH + 10}" y="{place}" fill="{colour}">{escape(name)}</text>')
    return "".join(f"{part}\n" for part in parts)


def _ticks(values: Iterable[float]) -> list[float]:
    """Round numbers, four to nine, from below the least value to above the greatest."""
    given = [*values]
    low, high = min(given), max(given)
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / 4))
    size *= max(factor for factor in (1, 2, 5) if factor * size <= span / 4)
    first, last = math.floor(low / size), math.ceil(high / size)
    return [number * size for number in range(first, max(last, first + 1) + 1)]


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if hasattr(value, "item"):  # a number of NumPy's
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
