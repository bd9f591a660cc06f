"""How much of one or two sequences is kept when both have to fit into a given length."""

from __future__ import annotations

#: The published names of the strategies.
TRUNCATION_STRATEGIES = ("longest_first", "only_first", "only_second", "do_not_truncate")


def check_strategy(strategy: str) -> str:
    """Returns ``strategy``; raises ValueError if it is none of ``TRUNCATION_STRATEGIES``."""
    if strategy not in TRUNCATION_STRATEGIES:
        raise ValueError(f"truncation strategy {strategy!r} is not one of {', '.join(TRUNCATION_STRATEGIES)}")
    return strategy


def kept_lengths(first: int, second: int | None, remove: int, strategy: str) -> tuple[int, int | None]:
    """Lengths that remain of two sequences of ``first`` and ``second`` tokens when ``remove`` tokens have to go.

    ``longest_first`` takes tokens one at a time from the longer sequence, from the second one when both are equally
    long (the rule of the 2019 library). Raises ValueError if the sequence that the strategy shortens is too short, if
    ``only_second`` has no second sequence, or if the strategy is ``do_not_truncate``.
    """
    if remove <= 0:
        return first, second
    check_strategy(strategy)
    if strategy == "do_not_truncate":
        raise ValueError(
            f"the input is {remove} tokens longer than max_length and the strategy is 'do_not_truncate': "
            "raise max_length or choose longest_first, only_first or only_second"
        )
    if strategy == "only_second" and second is None:
        raise ValueError("truncation strategy 'only_second' needs a second sequence")
    if strategy == "longest_first":
        available = first + (second or 0)
    elif strategy == "only_first":
        available = first
    else:
        available = second or 0
    if remove > available:
        raise ValueError(
            f"{remove} tokens have to be removed with strategy {strategy!r} but only {available} are there to remove: "
            "raise max_length"
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
