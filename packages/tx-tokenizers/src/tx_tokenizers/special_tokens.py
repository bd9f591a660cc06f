"""Special and added tokens: what they are, and how they are found in a text."""

from __future__ import annotations

import re

from .memo import WordMemo
from .trie import TokenTrie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

#: The special tokens that have a name of their own, in the order in which they are listed.
SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SPECIAL_TOKENS_ATTRIBUTES = (*SPECIAL_TOKEN_NAMES, "additional_special_tokens")

#: With more tokens than this, words are remembered as holding a token or not before any text is searched.
_MANY = 64


_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


class AddedToken:
    """A token that is never split, with the flags under which published tokenizer files list it.

    ``single_word``: only where no letter, digit or underscore touches it. ``lstrip`` / ``rstrip``: white space before /
    after it belongs to it. ``normalized``: a tokenizer that lower-cases finds it in any case (by default, where the
    token is not ``special``). ``special``: left out by ``decode(..., skip_special_tokens=True)``.
    """

    __slots__ = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")

    def __init__(
        self,
        content: str,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: bool | None = None,
        special: bool = False,
    ) -> None:
        if not content:
            raise ValueError("an added token must have at least one character")
        self.content = content
        self.single_word = bool(single_word)
        self.lstrip = bool(lstrip)
        self.rstrip = bool(rstrip)
        self.special = bool(special)
        self.normalized = not special if normalized is None else bool(normalized)

    @classmethod
    def from_json(cls, value: object, special: bool = False) -> AddedToken:
        """From a token's entry in a tokenizer file: a string, or an object with ``content`` and flags."""
        if isinstance(value, AddedToken):
            return value
        if isinstance(value, str):
            return cls(value, special=special)
        if not isinstance(value, dict) or not isinstance(value.get("content"), str):
            raise ValueError(f"an added token must be a string or an object with 'content', not {value!r}")
        flags = {name: value[name] for name in _FLAGS[:-1] if name in value}
        return cls(value["content"], special=value.get("special", special), **flags)

    def to_json(self) -> dict[str, Any]:
        """Content and flags, as ``added_tokens_decoder`` lists them."""
        return {"content": self.content, **{name: getattr(self, name) for name in _FLAGS}}

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        flags = [name for name in _FLAGS if getattr(self, name)]
        return f"AddedToken({', '.join([repr(self.content), *flags])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddedToken) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.content)


def fold_case(text: str) -> str:
    """``text`` in lower case with every character at its place (characters that would become several are kept)."""
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
    """Longest matches of one set of strings, from left to right; each search goes on where the last one ended."""

    __slots__ = ("_first", "_trie", "at", "length", "text")

    def __init__(self, first: re.Pattern[str], trie: TokenTrie, text: str) -> None:
        self._first = first
        self._trie = trie
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
            self.length = self._trie.longest(self.text, start)
            if self.length:
                self.at = start
                return
            start += 1


class AddedTokenSplitter:
    """Cuts a text at the tokens that are never split.

    The longest token is taken at the leftmost place. ``fold`` says that ``normalized`` tokens are found in any case, as
    in tokenizers that lower-case. Time is linear in the text: up to ``_MANY`` tokens, only places where a token's first
    character stands are looked at; with more, words are remembered as free of tokens.
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
            # Where a token occurs, its first run of characters that are no white space occurs inside a word.
            heads = self._heads(self._exact, exact)
            folded_heads = self._heads(self._fold, folded)
            self._prefilter = WordMemo(
                lambda word: heads.occurs_in(word) or (bool(folded) and folded_heads.occurs_in(fold_case(word)))
            )

    @staticmethod
    def _heads(searcher: tuple[re.Pattern[str], TokenTrie] | None, tokens: Mapping[str, AddedToken]) -> TokenTrie:
        heads = [content.split()[0] for content in tokens]
        return searcher[1] if searcher is not None and heads == list(tokens) else TokenTrie(heads)

    def split(self, text: str) -> list[tuple[int, int, AddedToken | None]] | None:
        """Pieces ``(start, end, token or None)`` that cover ``text``; None if no token occurs in it.

        White space that a token's ``lstrip`` or ``rstrip`` claims is part of the token's piece.
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


def _searcher(tokens: Mapping[str, AddedToken]) -> tuple[re.Pattern[str], TokenTrie] | None:
    first = _first_characters(tokens)
    return None if first is None else (first, TokenTrie(tokens))
