"""Finding the longest of many strings at the positions of a text.

``TokenTrie`` answers for one position after the other, without building a node per character. ``TokenAutomaton``
answers for all positions in one pass, whatever the strings are.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: Groups of at most this many strings are compared one by one rather than split further.
_BUCKET = 16
#: In a trie of more levels, walking at each position of a text could take too long.
_LEVELS = 32
#: So could comparing longer strings than this.
_LONG = 1024


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

    Attributes:
        deep: whether walking may take more than ``_LEVELS`` steps, as in a, aa, aaa, …, or compare strings of more than
            ``_LONG`` characters.
    """

    __slots__ = ("_root", "deep")

    def __init__(self, tokens: Iterable[str]) -> None:
        ordered = sorted(set(tokens) - {""})
        self.deep = max(map(len, ordered), default=0) > _LONG
        self._root = _Node()
        stack = [(self._root, ordered, 0, 0)] if ordered else []
        while stack:
            node, group, depth, level = stack.pop()
            self.deep = self.deep or level > _LEVELS
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
                stack.append((child, list(members), shared + 1, level + 1))

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


class TokenAutomaton:
    """The automaton of Aho and Corasick 1975 (https://doi.org/10.1145/360825.360855) of the strings read backwards.

    Building takes time and memory in proportion to the length of all strings, and ``lengths`` to that of the text.
    """

    __slots__ = ("_failures", "_found", "_steps")

    def __init__(self, tokens: Iterable[str]) -> None:
        # A state is what was read of some string. 0: nothing.
        self._steps: list[dict[str, int]] = [{}]
        self._found = [0]  # length of the longest string that ends in what was read
        for token in tokens:
            state = 0
            for character in reversed(token):
                state = self._steps[state].setdefault(character, len(self._steps))
                if state == len(self._steps):
                    self._steps.append({})
                    self._found.append(0)
            self._found[state] = len(token)
        self._failures = [0] * len(self._steps)  # the longest shorter state that was read as well
        reached = [*self._steps[0].values()]
        for state in reached:  # grows: shorter states come first
            for character, following in self._steps[state].items():
                failure = self._next(self._failures[state], character)
                self._failures[following] = failure
                self._found[following] = self._found[following] or self._found[failure]
                reached.append(following)

    def _next(self, state: int, character: str) -> int:
        while state and character not in self._steps[state]:
            state = self._failures[state]
        return self._steps[state].get(character, 0)

    def lengths(self, text: str) -> list[int]:
        """For each position of a text the length of the longest string that begins there; 0 where none does."""
        lengths = [0] * len(text)
        state = 0
        for place in range(len(text) - 1, -1, -1):
            state = self._next(state, text[place])
            lengths[place] = self._found[state]
        return lengths
