"""Sharing work among processes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Work = Callable[[Sequence[Any]], Any]

# What a worker does, and the items that the work is about. A process that divides has them at once.
_given: list[tuple[Work, Sequence[Any]]] = []


def in_chunks(work: Work, items: Sequence[Any], size: int, workers: int) -> Iterator[Any]:
    """What `work` makes of so many of the `items` at once, in their order.

    Args:
        work: makes something of a part of the items.
        items: what it is given.
        size: how many at once.
        workers: processes that share the parts. With 1, and where processes cannot divide (on Windows), this one does
            it all.

    Raises:
        ValueError: `workers` is no positive number.
        BrokenProcessPool: a worker was killed.
        Whatever `work` raises.
    """
    if workers < 1:
        raise ValueError(f"{workers} processes cannot share the work: take 1 or more")
    starts = range(0, len(items), size)
    workers = min(workers, len(starts))
    context = _dividing() if workers > 1 else None
    if context is None:
        return (work(items[start : start + size]) for start in starts)
    return _shared(work, items, size, workers, context)


def _shared(work: Work, items: Sequence[Any], size: int, workers: int, context: Any) -> Iterator[Any]:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, context, _given.append, ((work, items),)) as pool:
        starts = range(0, len(items), size)
        yield from pool.map(_run, starts, [start + size for start in starts])


def _run(start: int, end: int) -> Any:
    work, items = _given[-1]
    return work(items[start:end])


def _dividing() -> Any:
    """The way of `multiprocessing` to divide a process; None where there is none."""
    import multiprocessing

    return multiprocessing.get_context("fork") if "fork" in multiprocessing.get_all_start_methods() else None
