"""Vocabularies learnt from words and their counts, by joining the most frequent pair of pieces again and again.

That is byte pair encoding (Sennrich et al. 2016, arXiv:1508.07909). Over bytes it gives GPT-2's vocabulary; over
letters, of which all but a word's first carry "##", it gives one for WordPiece.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from itertools import pairwise

Pair = tuple[str, str]


def learn_merges(words: Mapping[tuple[str, ...], int], number: int, join: Callable[[str, str], str]) -> list[Pair]:
    """The `number` pairs to be joined, in order; fewer if no pair is left that occurs twice.

    `words` are the pieces of each word with its count. Of equally frequent pairs the alphabetically first is taken, so
    that the result depends on nothing but the counts.
    """
    pieces = [list(word) for word in words]
    weights = list(words.values())
    counts: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)  # words that hold the pair, or once did
    for index, word in enumerate(pieces):
        for pair in pairwise(word):
            counts[pair] += weights[index]
            where[pair].add(index)
    heap = [(-count, pair) for pair, count in counts.items()]
    heapq.heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < number:
        count, pair = heapq.heappop(heap)
        if -count != counts[pair]:  # an entry from before the count changed
            continue
        if -count < 2:
            break
        merges.append(pair)
        changed: Counter[Pair] = Counter()
        for index in where.pop(pair):
            word, weight = pieces[index], weights[index]
            joined = apply_merge(word, pair, join(*pair))
            for old in pairwise(word):
                changed[old] -= weight
            for new in pairwise(joined):
                changed[new] += weight
                where[new].add(index)
            pieces[index] = joined
        for other, difference in changed.items():
            if difference:
                counts[other] += difference
                heapq.heappush(heap, (-counts[other], other))
    return merges


def apply_merge(word: list[str], pair: Pair, joined: str) -> list[str]:
    """`word` with each occurrence of `pair`, from the left, made one piece."""
    out: list[str] = []
    position = 0
    while position < len(word):
        if word[position] == pair[0] and tuple(word[position : position + 2]) == pair:
            out.append(joined)
            position += 2
        else:
            out.append(word[position])
            position += 1
    return out


def wordpiece(words: Mapping[str, int], size: int, special: list[str], least: int) -> list[str]:
    """A WordPiece vocabulary of `size` entries: `special`, letters that occur at least `least` times, longer pieces.

    A word with a rarer letter is left out.
    """
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for piece in _letters(word):
            letters[piece] += count
    known = sorted(piece for piece, count in letters.items() if count >= least)
    split = {_letters(word): count for word, count in words.items()}
    usable = {word: count for word, count in split.items() if all(letters[piece] >= least for piece in word)}
    vocabulary = dict.fromkeys([*special, *known])
    # Two ways to join can give the same piece, so a few more merges than entries may be needed.
    for pair in learn_merges(usable, 2 * size, _join):
        if len(vocabulary) == size:
            break
        vocabulary[_join(*pair)] = None
    return list(vocabulary)


def _letters(word: str) -> tuple[str, ...]:
    return (word[0], *("##" + letter for letter in word[1:]))


def _join(left: str, right: str) -> str:
    return left + right.removeprefix("##")
