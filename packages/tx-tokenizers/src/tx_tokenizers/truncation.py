"""How much of one or two sequences is kept when both have to fit into a given length."""

from __future__ import annotations

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    #: Start and end in the first sequence, then in the second, whose end is None if there is no second sequence.
    Cut = tuple[int, int, int, int | None]

#: The published names of the strategies.
TRUNCATION_STRATEGIES = ("longest_first", "only_first", "only_second", "do_not_truncate")


def check_strategy(strategy: str) -> str:
    """Returns ``strategy``; raises ValueError if it is none of ``TRUNCATION_STRATEGIES``."""
    if strategy not in TRUNCATION_STRATEGIES:
        raise _unknown(strategy)
    return strategy


def _unknown(strategy: str) -> ValueError:
    return ValueError(f"truncation strategy {quoted(strategy)} is not one of {', '.join(TRUNCATION_STRATEGIES)}")


def kept_lengths(first: int, second: int | None, remove: int, strategy: str) -> tuple[int, int | None]:
    """Lengths that remain of two sequences of ``first`` and ``second`` tokens when ``remove`` tokens have to go.

    ``longest_first`` takes tokens one at a time from the longer sequence, or from the second one if both are equally
    long. This is the rule of the 2019 library.

    Raises ValueError if the sequence that the strategy shortens is too short, if ``only_second`` has no second
    sequence, or if the strategy is ``do_not_truncate``.
    """
    if remove <= 0:
        return first, second
    if strategy == "longest_first":
        available = first + (second or 0)
    elif strategy == "only_first":
        available = first
    elif strategy == "only_second":
        if second is None:
            raise ValueError("truncation strategy 'only_second' needs a second sequence")
        available = second
    elif strategy == "do_not_truncate":
        raise ValueError(
            f"the input is {remove} tokens longer than max_length and the strategy is 'do_not_truncate': "
            "raise max_length or choose longest_first, only_first or only_second"
        )
    else:
        raise _unknown(strategy)
    if remove > available:
        raise ValueError(
            f"{remove} tokens have to be removed with strategy {quoted(strategy)} but only {available} are there to "
            "remove: raise max_length"
        )
    if strategy == "only_first" or second is None:
        return first - remove, second
    if strategy == "only_second":
        return first, second - remove
    surplus = min(remove, abs(first - second))
    if first > second:
        first -= surplus
    else:
        second -= surplus
    rest = remove - surplus
    return first - rest // 2, second - (rest + 1) // 2


def windows(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Spans of at most ``room`` tokens that cover ``length`` tokens, each overlapping the one before by ``stride``.

    Raises ValueError if the stride leaves no progress (``stride >= room``).
    """
    if room <= 0:
        raise ValueError(f"{length} tokens have to fit into windows of {room}: raise max_length")
    if length <= room:
        return [(0, length)]
    if not 0 <= stride < room:
        raise ValueError(f"stride={stride} must be at least 0 and smaller than the {room} tokens a window holds")
    spans = []
    start = 0
    while True:
        end = min(start + room, length)
        spans.append((start, end))
        if end == length:
            return spans
        start += room - stride


def kept_part(first: int, second: int | None, remove: int, strategy: str, side: str) -> Cut:
    """What stays of two sequences when ``remove`` tokens have to go from the ``side`` "left" or "right".

    Raises ValueError as ``kept_lengths`` does.
    """
    kept, pair_kept = kept_lengths(first, second, remove, strategy)
    if side == "left":
        return first - kept, first, (second or 0) - (pair_kept or 0), second
    return 0, kept, 0, pair_kept


def kept_windows(first: int, second: int | None, remove: int, strategy: str, stride: int) -> Sequence[Cut]:
    """Windows that cover two sequences, each ``remove`` tokens shorter than both; only one sequence is divided.

    Raises ValueError if the strategy does not say which one, and as ``windows`` does.
    """
    if second is None or strategy == "only_first":
        if strategy == "only_second":
            raise ValueError("truncation strategy 'only_second' needs a second sequence")
        return [(start, end, 0, second) for start, end in windows(first, first - remove, stride)]
    if strategy == "only_second":
        return [(0, first, start, end) for start, end in windows(second, second - remove, stride)]
    raise ValueError(
        f"return_overflowing_tokens=True cannot divide a pair with truncation={quoted(strategy)}: "
        "choose 'only_first' or 'only_second'"
    )


def overflow(
    first: list[int], second: list[int] | None, remove: int, strategy: str, stride: int, side: str
) -> list[int]:
    """The tokens that truncation takes away, and ``stride`` kept ones next to them; of the first sequence of a pair.

    Raises ValueError as ``kept_lengths`` does.
    """
    if remove <= 0:
        return []
    kept, pair_kept = kept_lengths(len(first), None if second is None else len(second), remove, strategy)
    row, keep = first, kept
    if strategy == "only_second" and second is not None:
        row, keep = second, pair_kept or 0
    if keep == len(row):
        return []
    if side == "left":
        return row[: len(row) - keep + stride]
    return row[max(keep - stride, 0) :]
