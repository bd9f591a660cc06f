"""A bounded memory of what each word becomes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic, TypeVar

    V = TypeVar("V")

    class _Base(dict[str, V], Generic[V]):
        pass

else:

    class _Base(dict):
        __slots__ = ()

        def __class_getitem__(cls, item):
            return cls

    V = None

#: A memo holds at most this many words; a fuller one starts afresh.
MEMO_WORDS = 1 << 17
#: Longer words are worked out each time, so that a memo's memory is bounded by MEMO_WORDS alone.
MEMO_WORD_LENGTH = 48


class WordMemo(_Base[V]):
    """A dictionary that works out a missing word's value and remembers it.

    Natural text repeats its words. Most look-ups ``memo[word]`` therefore stay inside the interpreter's own dictionary
    code. At most ``limit`` words of at most ``MEMO_WORD_LENGTH`` characters are kept.
    """

    __slots__ = ("_compute", "_limit")

    def __init__(self, compute: Callable[[str], V], limit: int = MEMO_WORDS) -> None:
        super().__init__()
        self._compute = compute
        self._limit = limit

    def __missing__(self, word: str) -> V:
        value = self._compute(word)
        if len(word) <= MEMO_WORD_LENGTH:
            if len(self) >= self._limit:
                self.clear()
            self[word] = value
        return value
