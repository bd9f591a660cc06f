"""What the tokenizers that divide texts as Moses does share. Moses' scripts are those of the package ``sacremoses``."""

from __future__ import annotations

import unicodedata

from .memo import WordMemo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def lower_each(text: str) -> str:
    """The text in lower case, character by character: a final sigma becomes σ like any other."""
    return text.replace("Σ", "σ").lower()


class MosesDivider:
    """Divides texts with a function that applies Moses' rules, and remembers what it makes of their parts.

    The rules look at marks, at digits, and at what stands beside them. A word of nothing but letters stays as it is if
    it stands between spaces and such words. So the function is given what is between such words, with a stand-in for
    the one before and the one after, and what it makes of that is remembered.

    Args:
        moses: the ``sacremoses.MosesTokenizer``.
        divide: the words of a text, by Moses' rules.
        changed: letters that `divide` changes. None: no word stays as it is for sure, and nothing is remembered.
    """

    def __init__(self, moses: Any, divide: Callable[[str], list[str]], changed: frozenset[str] | None) -> None:
        # Some lists of sacremoses hold marks, too.
        letters = {char for char in moses.IsAlnum if unicodedata.category(char)[0] in "LM"}
        self._letters = frozenset() if changed is None else frozenset(letters - changed)
        self._lower = frozenset(moses.IsLower)
        self._stand_ins = WordMemo(self._stand_in)
        self._between = WordMemo(divide)

    @property
    def remembers(self) -> bool:
        """Whether words of letters are known to stay as they are."""
        return bool(self._letters)

    def _stand_in(self, chunk: str) -> str:
        """What stands for a word of letters: all that rules see of it is whether it begins with a small one.

        Empty for what is no such word.
        """
        if not self._letters.issuperset(chunk):
            return ""
        return "a" if chunk[0] in self._lower else "A"

    def words(self, text: str) -> list[str]:
        """The words of a text."""
        chunks = [*filter(None, text.split(" "))]
        kinds = [*map(self._stand_ins.__getitem__, chunks), ""]
        count = len(chunks)
        words: list[str] = []
        start = 0
        while (first := kinds.index("", start)) < count:
            words += chunks[start:first]
            start = first + 1
            while start < count and not kinds[start]:
                start += 1
            after = f" {kinds[start]}" if start < count else " " * text.endswith(" ")
            part = self._between[("x " if first else "") + " ".join(chunks[first:start]) + after]
            words += part[first > 0 : len(part) - (start < count)]
        words += chunks[start:]
        return words
