from __future__ import annotations

import pytest

from tx_tokenizers.truncation import check_strategy, kept_lengths, kept_part, kept_windows, overflow, windows


def one_at_a_time(first, second, remove):
    for _ in range(remove):
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


def test_longest_first_takes_from_the_longer_one_at_a_time():
    for first in range(7):
        for second in range(7):
            for remove in range(first + second + 1):
                assert kept_lengths(first, second, remove, "longest_first") == one_at_a_time(first, second, remove)


def test_one_sequence_and_one_sided_strategies():
    assert kept_lengths(5, None, 2, "longest_first") == (3, None)
    assert kept_lengths(5, 4, 2, "only_first") == (3, 4)
    assert kept_lengths(5, 4, 2, "only_second") == (5, 2)
    assert kept_lengths(5, 4, 0, "do_not_truncate") == (5, 4)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((5, 4, 6, "only_first"), "6 tokens .* only 5"),
        ((5, 4, 5, "only_second"), "5 tokens .* only 4"),
        ((5, None, 1, "only_second"), "second sequence"),
        ((2, 1, 4, "longest_first"), "4 tokens .* only 3"),
        ((2, 1, 1, "do_not_truncate"), "1 tokens longer"),
        ((2, 1, 1, "shortest"), "'shortest'"),
    ],
)
def test_what_cannot_be_cut_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        kept_lengths(*arguments)


def test_strategies_are_checked_by_name():
    assert check_strategy("only_first") == "only_first"
    with pytest.raises(ValueError, match="'none'"):
        check_strategy("none")


def test_windows_cover_everything_with_overlap():
    assert windows(3, 5, 0) == [(0, 3)]
    assert windows(7, 3, 1) == [(0, 3), (2, 5), (4, 7)]
    assert windows(8, 3, 1) == [(0, 3), (2, 5), (4, 7), (6, 8)]
    for stride in (3, -1):
        with pytest.raises(ValueError, match=f"stride={stride}"):
            windows(7, 3, stride)
    with pytest.raises(ValueError, match="raise max_length"):
        windows(7, 0, 0)


def test_what_is_kept_and_what_overflows():
    first, second = [1, 2, 3, 4, 5, 6], [7, 8, 9, 10]
    assert kept_part(6, 4, 3, "longest_first", "right") == (0, 4, 0, 3)
    assert kept_part(6, 4, 3, "longest_first", "left") == (2, 6, 1, 4)
    assert kept_part(6, 4, 3, "only_first", "left") == (3, 6, 0, 4)
    assert kept_part(6, 4, 3, "only_second", "right") == (0, 6, 0, 1)
    assert kept_part(6, None, 2, "longest_first", "left") == (2, 6, 0, None)
    assert overflow(first, second, 3, "longest_first", 1, "right") == [4, 5, 6]
    assert overflow(first, second, 3, "longest_first", 1, "left") == [1, 2, 3]
    assert overflow(first, second, 3, "only_second", 0, "right") == [8, 9, 10]
    assert overflow(first, second, 3, "only_second", 9, "right") == second
    assert overflow(second, first, 2, "longest_first", 0, "right") == []  # nothing of the first sequence
    assert overflow(first, None, 0, "longest_first", 2, "right") == []
    for cut in (kept_part, lambda *arguments: overflow(first, second, 3, "do_not_truncate", 0, "right")):
        with pytest.raises(ValueError, match="3 tokens longer"):
            cut(6, 4, 3, "do_not_truncate", "right")


def test_windows_divide_one_sequence():
    assert kept_windows(7, None, 4, "longest_first", 1) == [(0, 3, 0, None), (2, 5, 0, None), (4, 7, 0, None)]
    assert kept_windows(5, 2, 2, "only_first", 0) == [(0, 3, 0, 2), (3, 5, 0, 2)]
    assert kept_windows(2, 5, 2, "only_second", 0) == [(0, 2, 0, 3), (0, 2, 3, 5)]
    with pytest.raises(ValueError, match="'only_first' or 'only_second'"):
        kept_windows(5, 2, 2, "longest_first", 0)
    with pytest.raises(ValueError, match="second sequence"):
        kept_windows(5, None, 2, "only_second", 0)
