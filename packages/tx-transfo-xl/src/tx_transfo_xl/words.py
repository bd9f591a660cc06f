"""The words of WikiText-103, on which Transformer-XL was trained: Moses' words, with numbers and hyphens divided.

``5,000`` is ``5 @,@ 000``, ``3.14`` is ``3 @.@ 14``, ``well-known`` is ``well @-@ known``. Moses' scripts are those of
the package ``sacremoses``, which is imported when the first text is divided.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from tx_tokenizers.memo import WordMemo
from tx_tokenizers.traced import TracedText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from tx_tokenizers.traced import PlacedWord

_MARK_IN_NUMBER = re.compile(r"(?<=\d)[,.](?=\d)")
_DIVIDED_NUMBER = re.compile(r" @([,.])@ ")
# What stands in the text where Moses, or the division of numbers, gives these words. A text has none of them: Moses
# puts spaces around each @.
_WRITTEN = {"@-@": "-", "@,@": ",", "@.@": "."}
_SPACES = re.compile(r"\s+")
_CONTROLS = re.compile(r"[\x00-\x1f]")
# sacremoses reads these words in a text as what it puts in the place of dots, and of what is not to be divided.
_ITS_OWN = re.compile("DOTMULTI|THISISPROTECTED")


def tokenize_numbers(words: Iterable[str]) -> list[str]:
    """Words with the commas and points between digits as words of their own, ``@,@`` and ``@.@``."""
    return [part for word in words for part in _MARK_IN_NUMBER.sub(r" @\g<0>@ ", word).split()]


def detokenize_numbers(text: str) -> str:
    """The text with commas and points of numbers in their places again."""
    return _DIVIDED_NUMBER.sub(r"\1", text)


def lower_each(text: str) -> str:
    """The text in lower case, character by character: a final sigma becomes σ like any other."""
    return text.replace("Σ", "σ").lower()


class MosesWords:
    """Divides texts of a language as Moses does, and puts them together again.

    Moses' rules look at marks, at digits, and at what stands beside them. A word of nothing but letters stays as it is
    if it stands between spaces and such words. So Moses is given what is between such words, with a stand-in for the
    one before and the one after, and what it makes of that is remembered.

    Args:
        lang: the language, of which Moses knows abbreviations and what an apostrophe is.
        kept: texts that are not divided, in any case.
    """

    def __init__(self, lang: str, kept: tuple[str, ...]) -> None:
        from importlib import import_module

        sacremoses: Any = import_module("sacremoses")
        self._punctuation: Any = sacremoses.MosesPunctNormalizer(lang)
        self._moses: Any = sacremoses.MosesTokenizer(lang)
        self._joiner: Any = sacremoses.MosesDetokenizer(lang)
        self._kept = [*map(re.escape, kept)]
        # Some lists of sacremoses hold marks, too.
        letters = {char for char in self._moses.IsAlnum if unicodedata.category(char)[0] in "LM"}
        # What is kept and may be such a word, or reach over several, has to be looked for in the whole text.
        whole = any(letters.issuperset(text) or " " in text for text in kept)
        self._letters = frozenset("" if whole else letters)
        self._lower = frozenset(self._moses.IsLower)
        self._stand_ins = WordMemo(self._stand_in)
        self._between = WordMemo(self._divide)

    def _stand_in(self, chunk: str) -> str:
        """What stands for a word of letters: all that rules see of it is whether it begins with a small one.

        Empty for what is no such word.
        """
        if not self._letters.issuperset(chunk):
            return ""
        return "a" if chunk[0] in self._lower else "A"

    def _divide(self, text: str) -> list[str]:
        words: list[str] = self._moses.tokenize(
            self._punctuation.normalize(text),
            aggressive_dash_splits=True,
            return_str=False,
            escape=False,
            protected_patterns=self._kept,
        )
        return tokenize_numbers(words)

    def words(self, text: str) -> list[str]:
        """The words of a text that begins and ends with no white space."""
        if _ITS_OWN.search(text):
            return self._divide(text)
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
            after = f" {kinds[start]}" if start < count else ""
            part = self._between[("x " if first else "") + " ".join(chunks[first:start]) + after]
            words += part[first > 0 : len(part) - (start < count)]
        words += chunks[start:]
        return words

    def placed_words(self, traced: TracedText) -> list[PlacedWord]:
        """The same words, with the span of the original that each of their characters is from.

        Raises ValueError if sacremoses changes the text in a way that cannot be followed.
        """
        words = self.words(traced.text)
        expected = self._punctuation.normalize(traced.text)
        for pattern, template in self._punctuation.substitutions:
            traced.sub(pattern, template)
        traced.strip()
        followed = traced.text == expected
        traced.sub(_SPACES, " ")
        traced.sub(_CONTROLS, "")
        placed = traced.cut(_WRITTEN.get(word, word) for word in words) if followed else None
        if placed is None:
            raise ValueError(
                "return_offsets_mapping=True: the words of this text cannot be found in it; encode it without offsets"
            )
        return [(word, places) for word, (_, places) in zip(words, placed, strict=True)]

    def join(self, words: list[str]) -> str:
        """The text of words."""
        text: str = self._joiner.detokenize(words)
        return detokenize_numbers(text).strip()


@lru_cache(maxsize=16)
def moses_words(lang: str, kept: tuple[str, ...]) -> MosesWords:
    """What divides texts of a language, made once: loading its lists takes longer than many texts."""
    return MosesWords(lang, kept)
