"""Clusters of words by their frequency, for both frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Cluster(NamedTuple):
    """Words from one id up to another, which it is without, and the width of their vectors."""

    start: int
    end: int
    width: int


def clusters(words: int, width: int, cutoffs: Sequence[int], div_val: int) -> list[Cluster]:
    """The most frequent words, then each cluster of the others.

    Args:
        words: how many there are.
        width: of the most frequent ones' vectors.
        cutoffs: the first ids of the others' clusters.
        div_val: by how much each cluster's vectors are narrower than those of the one before.
    """
    bounds = [0, *cutoffs, words]
    widths = [width // div_val**i for i in range(len(bounds) - 1)]
    return [Cluster(*each) for each in zip(bounds, bounds[1:], widths, strict=False)]


def check_cutoffs(words: int, cutoffs: Sequence[int]) -> None:
    """Raise ValueError unless cutoffs are ids in rising order."""
    bounds = [0, *cutoffs, words]
    if bounds != sorted({*bounds}):
        raise ValueError(
            f"cutoffs is {[*cutoffs]}, expected ids in rising order, each from 1 to {words - 1} (of {words} words); an "
            "empty list is one softmax over all words"
        )


def check_words(size: int, cutoffs: Sequence[int]) -> None:
    """Raise ValueError if a vocabulary is to end before its last cluster begins."""
    if cutoffs and size <= cutoffs[-1]:
        raise ValueError(
            f"the vocabulary cannot be made {size} words: its last cluster begins at {cutoffs[-1]}, the last of "
            f"cutoffs, and has to keep a word. Build a new model with vocab_size={size} and other cutoffs"
        )
