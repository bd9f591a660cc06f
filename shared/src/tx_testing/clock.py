"""Limits of time that hold on a slow or a busy machine too: processor time, and a yardstick for how fast that is."""

from __future__ import annotations

import time
from collections.abc import Callable

# Processor seconds of the yardstick where a limit of `allowed` is just what it says.
_NOMINAL = 0.008


def processor_seconds(run: Callable[[], object], rounds: int = 1) -> float:
    """The processor time that a call takes, the least of several: what else a machine does only adds to it."""
    return min(_once(run) for _ in range(rounds))


def allowed(seconds: float) -> float:
    """As many processor seconds, or on a slower machine as many more as a piece of plain Python takes there now."""
    return seconds * max(1.0, processor_seconds(_yardstick, 5) / _NOMINAL)


def _once(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def _yardstick() -> int:
    """Strings, dictionaries and numbers, as tokenizers and readers of files handle them."""
    found: dict[str, int] = {}
    for number in range(20_000):
        word = f"word{number % 5000}"
        found[word] = found.get(word, 0) + len(word.upper())
    return sum(found.values())
