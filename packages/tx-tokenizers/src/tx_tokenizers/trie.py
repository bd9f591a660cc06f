"""Finding the longest of many strings at a position of a text, without building a node per character."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Groups of at most this many strings are compared one by one rather than split further.
_BUCKET = 16


class _Node:
    __slots__ = ("branches", "bucket", "ends", "prefix")

    def __init__(self) -> None:
        self.prefix = ""  # what every string below shares from here
        self.ends = False  # a string ends right after the prefix
        self.branches: dict[str, _Node] = {}  # next character -> node
        self.bucket: tuple[str, ...] = ()  # instead of branches: the remainders, longest first


class TokenTrie:
    """A radix trie whose leaves are small buckets: 50,000 strings take some ten thousand nodes.

    Building is O(total length · log n) and walking at one position is bounded by the longest string.
    """

    __slots__ = ("_root",)

    def __init__(self, tokens: Iterable[str]) -> None:
        ordered = sorted(set(tokens) - {""})
        self._root = _Node()
        stack = [(self._root, ordered, 0)] if ordered else []
        while stack:
            node, group, depth = stack.pop()
            first, last = group[0], group[-1]  # sorted: these two share exactly what all share
            shared = depth
            limit = min(len(first), len(last))
            while shared < limit and first[shared] == last[shared]:
                shared += 1
            node.prefix = first[depth:shared]
            if len(group) <= _BUCKET:
                node.bucket = tuple(sorted((token[shared:] for token in group), key=len, reverse=True))
                continue
            if len(first) == shared:
                node.ends = True
                group = group[1:]
            for character, members in groupby(group, key=itemgetter(shared)):
                child = node.branches[character] = _Node()
                stack.append((child, list(members), shared + 1))

    def longest(self, text: str, start: int) -> int:
        """Length of the longest string of the trie that stands in ``text`` at ``start``; 0 if none does."""
        node, at, best = self._root, start, 0
        while text.startswith(node.prefix, at):
            at += len(node.prefix)
            for rest in node.bucket:
                if text.startswith(rest, at):
                    return at + len(rest) - start
            if node.ends:
                best = at - start
            child = node.branches.get(text[at : at + 1])
            if child is None:
                break
            node, at = child, at + 1
        return best

    def occurs_in(self, text: str) -> bool:
        """Whether any string of the trie stands anywhere in ``text``."""
        return any(self.longest(text, start) for start in range(len(text)))
