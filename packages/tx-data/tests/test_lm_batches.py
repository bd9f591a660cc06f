"""Batches of sentences, and batches of varying length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tx_data import LMMultiFileIterator, LMShuffledIterator, variable_length_batches

SENTENCES = [np.arange(start, start + length) for start, length in ((10, 3), (20, 1), (30, 4), (40, 2), (50, 3))]


class Ordered:
    """What is wanted of an iterator over a text."""

    bptt, n_step = 20, 500

    def get_batch(self, i: int, bptt: int) -> Any:
        length = min(bptt, self.n_step - 1 - i)
        data = np.arange(i, i + length)[None]
        return data, data + 1, length


def test_lengths_vary_about_the_one_that_is_given() -> None:
    found = [*variable_length_batches(Ordered(), 3, std=2, min_len=6, seed=1)]
    places = np.concatenate([data[0] for data, _, _ in found])
    np.testing.assert_array_equal(places, np.arange(3, 499))  # every token once, in order
    lengths = [length for _, _, length in found]
    assert all(6 <= length <= 26 for length in lengths[:-1])
    assert len({*lengths}) > 4
    assert [length for _, _, length in variable_length_batches(Ordered(), 3, std=2, min_len=6, seed=1)] == lengths
    many = [length for seed in range(40) for _, _, length in variable_length_batches(Ordered(), std=0, seed=seed)]
    assert {*many[:-40]} >= {20, 10}
    assert 0.01 < many.count(10) / len(many) < 0.12  # one in twenty


def test_sentences_follow_one_another_in_the_rows() -> None:
    # After the first batch the second row needs one more sentence than there is.
    ((data, target, length),) = LMShuffledIterator(SENTENCES, 2, 2)
    assert (data.tolist(), target.tolist(), length) == ([[10, 11], [30, 31]], [[11, 12], [31, 32]], 2)
    assert [data.tolist() for data, _, _ in LMShuffledIterator(SENTENCES, 1, 3, ext_len=2)] == [
        [[10, 11, 30]], [[11, 30, 31, 32, 40]]
    ]  # fmt: skip


def test_a_seed_decides_the_order() -> None:
    def run(seed: int) -> list[Any]:
        iterator = LMShuffledIterator(SENTENCES * 9, 1, 3, shuffle=True, seed=seed)
        return [[data.tolist() for data, _, _ in iterator] for _ in range(2)]

    assert run(1) == run(1)
    assert run(1) != run(2)
    first, second = run(1)
    assert first != second  # each pass has another order


def test_files_follow_one_another() -> None:
    class Vocabulary:
        def encode_file(self, path: str, add_double_eos: bool) -> Any:
            assert add_double_eos
            return [np.arange(3) + 10 * int(path), np.arange(3) + 10 * int(path) + 5]

    found = [*LMMultiFileIterator(["1", "2"], Vocabulary(), 1, 2)]
    assert [data.tolist() for data, _, _ in found] == [[[10, 11]], [[15, 16]], [[20, 21]], [[25, 26]]]
    orders = {
        tuple(data[0, 0] for data, _, _ in LMMultiFileIterator([*"1234"], Vocabulary(), 1, 2, shuffle=True, seed=seed))
        for seed in range(5)
    }
    assert len(orders) > 1
    assert {tuple(sorted(order)) for order in orders} == {(10, 15, 20, 25, 30, 35, 40, 45)}


@pytest.mark.parametrize("sizes", [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"must be 1 or more, and ext_len=-?\d 0 or more"):
        LMShuffledIterator(SENTENCES, *sizes[:2], ext_len=sizes[2])
