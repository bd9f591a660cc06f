"""The words that XLM's texts were divided into before BPE: by Moses, and by segmenters of Chinese, Japanese and Thai.

Lample & Conneau 2019 (https://arxiv.org/abs/1901.07291), and ``tools/tokenize.sh`` and
``tools/lowercase_and_remove_accent.py`` of the authors' code. Moses' scripts are those of the package ``sacremoses``.
It and the segmenters are imported when the first text is divided.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from tx_tokenizers.moses import MosesDivider, lower_each
from tx_tokenizers.traced import TracedText, canonical_order

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from tx_tokenizers.traced import PlacedWord

# Moses' replace-unicode-punctuation.perl: marks and digits of full width, and typographic ones.
_ASCII: dict[int, str | int] = {
    **str.maketrans("，、”“∶：？《》）！（；」「～’━〈〉【】％", ',,""::?"")!(;""~\'-<>[]%'),
    **str.maketrans("０１２３４５６７８９", "0123456789"),
    ord("…"): "...",
}
_FULL_STOP = re.compile(r"[。．]\s*")
# Letters with marks, in both ways of writing s and t with them, as R. Sennrich's scripts for WMT 2016 leave them.
_ROMANIAN = str.maketrans("ŞşŢţȘșȚțĂăÂâÎî", "SsTtSsTtAaAaIi")


def replace_unicode_punct(text: str) -> str:
    """The text with marks and digits of full width, and typographic ones, as ASCII has them."""
    return text if text.isascii() else _FULL_STOP.sub(". ", text.translate(_ASCII))


def remove_non_printing_char(text: str) -> str:
    """The text without control, format, private, unassigned and surrogate characters (categories C)."""
    if text.isprintable():
        return text
    return "".join(character for character in text if unicodedata.category(character)[0] != "C")


def romanian_preprocessing(text: str) -> str:
    """Romanian without marks, as ``xlm-mlm-enro-1024`` was trained on."""
    return text.translate(_ROMANIAN)


def lowercase_and_remove_accent(words: Iterable[str]) -> list[str]:
    """Words in lower case and without marks (category Mn). A word of nothing but marks becomes empty."""
    return [part for word in words for part in "".join([one for one, _ in _plain(word)]).split(" ")]


def plain_parts(word: str) -> list[tuple[str, Sequence[int]]]:
    """The same of one word, with the index in it that each character is from: one part, or none."""
    run = _plain(word)
    return [("".join([one for one, _ in run]), [index for _, index in run])] if run else []


def _plain(word: str) -> list[tuple[str, int]]:
    lower = word.lower()
    if word.isascii():
        return [*zip(lower, range(len(lower)), strict=True)]
    origins = [index for index, character in enumerate(word) for _ in character.lower()]
    run = [
        (one, index)
        for character, index in zip(lower, origins, strict=True)
        for one in unicodedata.normalize("NFD", character)
    ]
    marked = canonical_order(run)
    return [(one, index) for char, index in marked if unicodedata.category(char) != "Mn" for one in char.lower()]


def required(module: str, package: str, purpose: str) -> Any:
    """A module that is installed by itself; ImportError naming its package where it is not."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{purpose} needs {package}: pip install {package} ({error})", name=module) from error


class Segmenter:
    """Divides texts of a language into words: ``words``, and ``placed_words`` with the places of their characters.

    With ``lowers``, a text is put into lower case first.
    """

    def words(self, text: str, lowers: bool) -> list[str]:
        """The words of a text."""
        return self._words(lower_each(text) if lowers else text)

    def placed_words(self, text: str, lowers: bool) -> list[PlacedWord]:
        """The same words, with the span of the text that each of their characters is from.

        Raises ValueError if what divides the text changes it in a way that cannot be followed.
        """
        traced = TracedText(text)
        if lowers:
            traced.map(lower_each)
        placed = self._placed_words(traced)
        if placed is None:
            raise ValueError(
                "return_offsets_mapping=True: the words of this text cannot be found in it; encode it without offsets"
            )
        return placed

    def _words(self, text: str) -> list[str]:
        raise NotImplementedError

    def _placed_words(self, traced: TracedText) -> list[PlacedWord] | None:
        raise NotImplementedError


class SpaceSegmenter(Segmenter):
    """White space divides words: for texts that were divided before."""

    def _words(self, text: str) -> list[str]:
        return text.split()

    def _placed_words(self, traced: TracedText) -> list[PlacedWord] | None:
        return traced.cut(traced.text.split())


class _Normalizing(Segmenter):
    """A segmenter of texts whose punctuation is normalized as Moses does, and that lose control characters."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._sacremoses = required("sacremoses", "sacremoses", "XLMTokenizer")
        self._punctuation: Any = self._sacremoses.MosesPunctNormalizer(lang=lang)

    def _normalize(self, text: str) -> str:
        text = remove_non_printing_char(self._punctuation.normalize(replace_unicode_punct(text)))
        return romanian_preprocessing(text) if self.lang == "ro" else text

    def _trace(self, traced: TracedText) -> bool:
        """The same of a traced text. False if sacremoses does something else than its list of substitutions says."""
        expected = self._normalize(traced.text)
        traced.map(lambda text: text.translate(_ASCII))
        traced.sub(_FULL_STOP, ". ")
        for pattern, template in self._punctuation.substitutions:
            traced.sub(pattern, template)
        traced.strip()
        traced.map(remove_non_printing_char)
        if self.lang == "ro":
            traced.map(romanian_preprocessing)
        return traced.text == expected

    def _placed_words(self, traced: TracedText) -> list[PlacedWord] | None:
        words = self._words(traced.text)
        return traced.cut(words) if self._trace(traced) else None


class MosesSegmenter(_Normalizing):
    """Moses' tokenizer."""

    def __init__(self, lang: str) -> None:
        super().__init__(lang)
        self._moses: Any = self._sacremoses.MosesTokenizer(lang=lang)
        changed = frozenset(map(chr, _ROMANIAN)) if lang == "ro" else frozenset[str]()
        self._divider = MosesDivider(self._moses, self._divide, changed)

    def _divide(self, text: str) -> list[str]:
        words: list[str] = self._moses.tokenize(self._normalize(text), return_str=False, escape=False)
        return words

    def _words(self, text: str) -> list[str]:
        if "DOTMULTI" in text:  # sacremoses reads dots there
            return self._divide(text)
        return self._divider.words(text)


class _Dividing(_Normalizing):
    """A segmenter that is given texts whose punctuation is normalized. Spaces are no words of its own."""

    def _divide(self, text: str) -> Iterable[str]:
        raise NotImplementedError

    def _words(self, text: str) -> list[str]:
        return [*filter(None, " ".join(self._divide(self._normalize(text))).split(" "))]


class ThaiSegmenter(_Dividing):
    """PyThaiNLP."""

    def __init__(self, lang: str) -> None:
        super().__init__(lang)
        self._thai: Any = required("pythainlp.tokenize", "pythainlp", "XLMTokenizer, for Thai,")

    def _divide(self, text: str) -> Iterable[str]:
        words: list[str] = self._thai.word_tokenize(text)
        return words


class JapaneseSegmenter(_Dividing):
    """KyTea, with the model in ``~/local/share/kytea``, or where there is none with the one that it was built for."""

    def __init__(self, lang: str) -> None:
        from pathlib import Path

        super().__init__(lang)
        kytea = required("Mykytea", "kytea", "XLMTokenizer, for Japanese,")
        model = Path.home() / "local/share/kytea/model.bin"
        try:
            self._kytea: Any = kytea.Mykytea(f"-model {model}" if model.is_file() else "")
        except RuntimeError as error:
            raise FileNotFoundError(
                f"XLMTokenizer, for Japanese, needs a model of KyTea in {model}: http://www.phontron.com/kytea has "
                f"one ({error})"
            ) from error

    def _divide(self, text: str) -> Iterable[str]:
        words: Iterable[str] = self._kytea.getWS(text)
        return words


class ChineseSegmenter(_Normalizing):
    """Jieba (``rjieba``, or ``jieba``). The authors' own texts were divided by the Stanford Segmenter."""

    def __init__(self, lang: str) -> None:
        super().__init__(lang)
        try:
            self._jieba: Any = required("rjieba", "rjieba", purpose := "XLMTokenizer, for Chinese,")
        except ImportError:
            self._jieba = required("jieba", "rjieba", purpose)

    def _words(self, text: str) -> list[str]:
        return self._normalize(" ".join(self._jieba.cut(text))).split()

    def _placed_words(self, traced: TracedText) -> list[PlacedWord] | None:
        if traced.divide(self._jieba.cut(traced.text)) and self._trace(traced):
            return traced.cut(traced.text.split())
        return None


_SEGMENTERS: dict[str, type[_Normalizing]] = {"ja": JapaneseSegmenter, "th": ThaiSegmenter, "zh": ChineseSegmenter}
SPACES = SpaceSegmenter()


@lru_cache(maxsize=128)  # the largest published model has a hundred languages
def segmenter(lang: str) -> Segmenter:
    """What divides texts of a language, made once: loading its lists takes longer than many texts.

    Raises ImportError, naming the package, where a package that it needs is not installed.
    """
    return _SEGMENTERS.get(lang, MosesSegmenter)(lang)
