"""Finding the tokens that are never split in a text."""

from __future__ import annotations

import re

from .memo import WordMemo
from .trie import TokenAutomaton, TokenTrie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .special_tokens import AddedToken

    _Searcher = tuple[re.Pattern[str], TokenTrie | TokenAutomaton]

#: With more tokens than this, the splitter remembers of each word whether a token may be in it.
_MANY = 64


def fold_case(text: str) -> str:
    """``text`` in lower case, as long as before: a character whose lower case is several characters is kept."""
    folded = text.lower()
    if len(folded) == len(text):
        return folded
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in text)


def _first_characters(tokens: Iterable[str]) -> re.Pattern[str] | None:
    characters = sorted({token[0] for token in tokens})
    return re.compile("[" + "".join(map(re.escape, characters)) + "]") if characters else None


def _touches_word(text: str, start: int, end: int) -> bool:
    """Whether a letter, digit or underscore stands right before ``start`` or at ``end``."""
    neighbours = text[max(start - 1, 0) : start] + text[end : end + 1]
    return any(character.isalnum() or character == "_" for character in neighbours)


class _Finder:
    """Longest matches of one set of strings, one after the other from left to right."""

    __slots__ = ("_first", "_lengths", "_trie", "at", "length", "text")

    def __init__(self, first: re.Pattern[str], trie: TokenTrie | TokenAutomaton, text: str) -> None:
        self._first = first
        self._trie = trie
        self._lengths = trie.lengths(text) if isinstance(trie, TokenAutomaton) else None
        self.text = text
        self.at = -1
        self.length = 0
        self.seek(0)

    def seek(self, start: int) -> None:
        """Moves to the next match at or after ``start``; ``at`` is -1 when there is none."""
        while True:
            found = self._first.search(self.text, start)
            if found is None:
                self.at = -1
                return
            start = found.start()
            self.length = self._longest(start)
            if self.length:
                self.at = start
                return
            start += 1

    def _longest(self, start: int) -> int:
        if isinstance(self._trie, TokenTrie):
            return self._trie.longest(self.text, start)
        return 0 if self._lengths is None else self._lengths[start]


class AddedTokenSplitter:
    """Cuts a text at the tokens that are never split.

    The leftmost token is taken, and of several at one place the longest. With ``fold``, as in tokenizers that
    lower-case, ``normalized`` tokens are found in any case.

    Time is linear in the text, whatever the tokens are. With up to ``_MANY`` tokens, the search stops only at first
    characters of tokens. With more, a text is searched only if one of its words may hold a token.
    """

    __slots__ = ("_exact", "_fold", "_prefilter", "_tokens")

    def __init__(self, tokens: Mapping[str, AddedToken], fold: bool = False) -> None:
        folded = {content.lower(): token for content, token in tokens.items() if fold and token.normalized}
        exact = {content: token for content, token in tokens.items() if not (fold and token.normalized)}
        self._tokens = {**folded, **exact}
        self._exact = _searcher(exact)
        self._fold = _searcher(folded)
        self._prefilter: WordMemo[bool] | None = None
        if len(self._tokens) > _MANY and not any(content.isspace() for content in self._tokens):
            # A token may hold white space. Its head, up to the first of it, lies within one word of the text.
            heads, folded_heads = self._heads(self._exact, exact), self._heads(self._fold, folded)
            if heads is not None and folded_heads is not None:
                self._prefilter = WordMemo(
                    lambda word: heads.occurs_in(word) or (bool(folded) and folded_heads.occurs_in(fold_case(word)))
                )

    @staticmethod
    def _heads(searcher: _Searcher | None, tokens: Mapping[str, AddedToken]) -> TokenTrie | None:
        """A trie of the tokens up to their first white space; None if it were too deep."""
        heads = [content.split()[0] for content in tokens]
        if searcher is not None and heads == list(tokens):
            return searcher[1] if isinstance(searcher[1], TokenTrie) else None
        trie = TokenTrie(heads)
        return None if trie.deep else trie

    def split(self, text: str) -> list[tuple[int, int, AddedToken | None]] | None:
        """Pieces ``(start, end, token or None)`` that cover ``text``; None if no token occurs in it.

        A token's piece includes the white space that its ``lstrip`` or ``rstrip`` claims.
        """
        if self._prefilter is not None and not any(map(self._prefilter.__getitem__, text.split())):
            return None
        finders = []
        if self._exact is not None and self._exact[0].search(text):
            finders.append(_Finder(*self._exact, text))
        if self._fold is not None:
            finders.append(_Finder(*self._fold, fold_case(text)))
        finders = [finder for finder in finders if finder.at >= 0]
        if not finders:
            return None
        pieces: list[tuple[int, int, AddedToken | None]] = []
        done = 0
        while finders:
            finder = min(finders, key=lambda one: (one.at, -one.length))
            start, end = finder.at, finder.at + finder.length
            token = self._tokens[finder.text[start:end]]
            if not token.single_word or not _touches_word(text, start, end):
                if token.lstrip:
                    while start > done and text[start - 1].isspace():
                        start -= 1
                if token.rstrip:
                    while end < len(text) and text[end].isspace():
                        end += 1
                if start > done:
                    pieces.append((done, start, None))
                pieces.append((start, end, token))
                done = end
            for one in finders:
                if one.at < end:
                    one.seek(end)
            finders = [one for one in finders if one.at >= 0]
        if not pieces:
            return None
        if done < len(text):
            pieces.append((done, len(text), None))
        return pieces


def _searcher(tokens: Mapping[str, AddedToken]) -> _Searcher | None:
    first = _first_characters(tokens)
    if first is None:
        return None
    trie = TokenTrie(tokens)
    return first, TokenAutomaton(tokens) if trie.deep else trie
