"""Which tokens of two vocabularies stand for the same characters of a text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Span = tuple[int, int]  # the characters of a token, from … to; (0, 0) for a special token


@dataclass
class Alignment:
    """Of each of the first tokens, `same`: the place of the other token of exactly its characters, or -1.

    Of each of the others, `begin` and `end`: the places of the first tokens that share a character with it, from … to.
    """

    same: list[int]
    begin: list[int]
    end: list[int]


def align(spans: Sequence[Span], others: Sequence[Span]) -> Alignment:
    """Align two ways to cut one text, both in the text's order.

    Tokens that are bytes of one character have all its span: none of them is the same as another token.
    """
    once, others_once = ({span for span, n in Counter(cut).items() if n == 1} for cut in (spans, others))
    places = {span: place for place, span in enumerate(others) if span in others_once and span[0] < span[1]}
    same = [places.get(span, -1) if span in once else -1 for span in spans]
    begin, end = [], []
    first = 0
    for start, stop in others:
        if start == stop:
            begin.append(0)
            end.append(0)
            continue
        while first < len(spans) and spans[first][1] <= start:
            first += 1
        last = first
        while last < len(spans) and spans[last][0] < stop and spans[last][0] < spans[last][1]:
            last += 1
        begin.append(first)
        end.append(last)
    return Alignment(same, begin, end)
