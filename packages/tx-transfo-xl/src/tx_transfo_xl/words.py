"""The words of WikiText-103, on which Transformer-XL was trained: Moses' words, with numbers and hyphens divided.

``5,000`` is ``5 @,@ 000``, ``3.14`` is ``3 @.@ 14``, ``well-known`` is ``well @-@ known``. Moses' scripts are those of
the package ``sacremoses``, which is imported when the first text is divided.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from tx_tokenizers.moses import MosesDivider
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


class MosesWords:
    """Divides texts of a language as Moses does, and puts them together again.

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
        # What is kept and may be a word of letters, or reach over several, has to be looked for in the whole text.
        whole = any(" " in text or all(unicodedata.category(char)[0] in "LM" for char in text) for text in kept)
        self._divider = MosesDivider(self._moses, self._divide, None if whole else frozenset())

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
        return self._divider.words(text)

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
