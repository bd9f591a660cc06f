"""Byte-level BPE: a text is cut into words that begin with their space, and the UTF-8 bytes of a word are merged.

Radford et al. 2019 (GPT-2) and the original code's ``encoder.py``, whose ids these are. No text is unknown.
"""

from __future__ import annotations

import re
from codecs import lookup_error
from functools import cache
from itertools import accumulate

from tx_core.messages import quoted

from .bpe import MergesTokenizer, merge
from .memo import WordMemo

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar

    from .base import Span
    from .bpe import Pair

#: White space as Unicode has it, for a class of characters. (\s of ``re`` also takes the separators U+001C..U+001F.)
WHITE_SPACE = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

# Numbers that \d leaves out since they are no decimal digits: categories Nl and No of Unicode 14.
_OTHER_NUMBERS = """
    b2-b3 b9 bc-be 9f4-9f9 b72-b77 bf0-bf2 c78-c7e d58-d5e d70-d78 f2a-f33 1369-137c 16ee-16f0 17f0-17f9 19da
    2070 2074-2079 2080-2089 2150-2182 2185-2189 2460-249b 24ea-24ff 2776-2793 2cfd 3007 3021-3029 3038-303a
    3192-3195 3220-3229 3248-324f 3251-325f 3280-3289 32b1-32bf a6e6-a6ef a830-a835 10107-10133 10140-10178
    1018a-1018b 102e1-102fb 10320-10323 10341 1034a 103d1-103d5 10858-1085f 10879-1087f 108a7-108af 108fb-108ff
    10916-1091b 109bc-109bd 109c0-109cf 109d2-109ff 10a40-10a48 10a7d-10a7e 10a9d-10a9f 10aeb-10aef 10b58-10b5f
    10b78-10b7f 10ba9-10baf 10cfa-10cff 10e60-10e7e 10f1d-10f26 10f51-10f54 10fc5-10fcb 11052-11065 111e1-111f4
    1173a-1173b 118ea-118f2 11c5a-11c6c 11fc0-11fd4 12400-1246e 16b5b-16b61 16e80-16e96 1d2e0-1d2f3 1d360-1d378
    1e8c7-1e8cf 1ec71-1ecab 1ecad-1ecaf 1ecb1-1ecb4 1ed01-1ed2d 1ed2f-1ed3d 1f100-1f10c
"""

# A space between white space, or after some at the end of a text. Dividing at such a space first changes the words.
_DEPENDENT_SPACE = re.compile(f"[{WHITE_SPACE}] (?:[{WHITE_SPACE}]|\\Z)")

_ASCII_WORD = re.compile(
    r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?[0-9]+| ?[^\t-\r A-Za-z0-9]+|[\t-\r ]+(?![^\t-\r ])|[\t-\r ]+"
)


@cache
def _word() -> re.Pattern[str]:
    """The original's pattern for any text. It is made when needed, since compiling it takes milliseconds.

    Letters (categories L) are the alphanumerics that are no numbers (categories N).
    """
    ranges = [part.split("-") for part in _OTHER_NUMBERS.split()]
    numbers = "".join("-".join(chr(int(end, 16)) for end in part) for part in ranges)
    return re.compile(
        rf"'(?:s|t|re|ve|m|ll|d)| ?[^\W\d_{numbers}]+| ?[\d{numbers}]+| ?(?:[^\w{WHITE_SPACE}]|_)+"
        rf"|[{WHITE_SPACE}]+(?![^{WHITE_SPACE}])|[{WHITE_SPACE}]+"
    )


@cache
def bytes_to_unicode() -> dict[int, str]:
    """The character that stands for each byte: printable Latin-1 for itself, the others from U+0100 on, in order."""
    table: dict[int, str] = {}
    others = 0
    for byte in range(256):
        if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte <= 255:
            table[byte] = chr(byte)
        else:
            table[byte] = chr(256 + others)
            others += 1
    return table


def text_bytes(text: str) -> bytes:
    """UTF-8 of a text. A lone surrogate becomes the byte that it escapes (``surrogateescape``), or its code point's."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return b"".join(
            character.encode("utf-8", "surrogateescape" if "\udc80" <= character <= "\udcff" else "surrogatepass")
            for character in text
        )


class ByteLevelBPETokenizer(MergesTokenizer):
    """The tokenizer of GPT-2 and of the models that share its scheme.

    Args:
        errors: how ``decode`` treats bytes that are no UTF-8 (the ``errors`` of ``bytes.decode``). With
            "surrogateescape" and "surrogatepass" a lone surrogate is encoded too, as the bytes that it is decoded from.
        add_prefix_space: put a space before a text that does not begin with one, so that its first word is encoded as
            inside a text. The text after an added token gets one too. ``tokenize(text, add_prefix_space=True)`` does
            so for one call.
        options: see ``MergesTokenizer``.
    """

    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    tokenize_options: ClassVar[frozenset[str]] = frozenset({"add_prefix_space"})
    added_token_space: ClassVar[str] = ""
    _remembered: ClassVar[tuple[str, ...]] = (
        *MergesTokenizer._remembered,
        "_first_memo",
        "_spaced_memo",
    )

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        errors: str = "replace",
        *,
        add_prefix_space: bool = False,
        vocab: Mapping[str, int] | None = None,
        merges: Sequence[Pair] | None = None,
        settings: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        try:
            lookup_error(errors)
        except (LookupError, TypeError):
            raise ValueError(
                f"errors={quoted(errors)} is no way to treat bytes that are no UTF-8, as 'replace' is"
            ) from None
        self.errors = errors
        self.add_prefix_space = add_prefix_space
        self.byte_encoder = bytes_to_unicode()
        self.byte_decoder = {character: byte for byte, character in self.byte_encoder.items()}
        super().__init__(
            vocab_file,
            merges_file,
            vocab=vocab,
            merges=merges,
            settings={"errors": errors, "add_prefix_space": add_prefix_space, **(settings or {})},
            **options,
        )

    def _forget(self) -> None:
        super()._forget()
        self._first_memo = WordMemo(self._chunk_ids)
        self._spaced_memo = WordMemo(self._spaced_ids)

    @classmethod
    def _arguments_from_tokenizer_json(cls, data: Mapping[str, Any], path: Path) -> dict[str, Any]:
        arguments = super()._arguments_from_tokenizer_json(data, path)
        pre_tokenizer = data.get("pre_tokenizer")
        if isinstance(pre_tokenizer, dict) and isinstance(pre_tokenizer.get("add_prefix_space"), bool):
            arguments["add_prefix_space"] = pre_tokenizer["add_prefix_space"]
        return arguments

    def prepare_for_tokenization(self, text: str, add_prefix_space: bool | None = None, **options: Any) -> str:
        if add_prefix_space is None:
            add_prefix_space = self.add_prefix_space
        return f" {text}" if add_prefix_space and not text.startswith(" ") else text

    def _without_lone_surrogates(self, text: str) -> str:
        # With these, decoding gives the surrogate back.
        return text if self.errors in ("surrogateescape", "surrogatepass") else super()._without_lone_surrogates(text)

    def _word_options(self, number: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"add_prefix_space": True, **options}

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _words(self, text: str) -> list[str]:
        """The words of a text, which together are the text."""
        return (_ASCII_WORD if text.isascii() else _word()).findall(text)

    def _placed_words(self, text: str) -> Iterable[tuple[str, int]]:
        words = self._words(text)
        return zip(words, accumulate(map(len, words), initial=0), strict=False)

    def _symbols(self, word: str) -> list[str]:
        return list(text_bytes(word).decode("latin-1").translate(self.byte_encoder))

    def bpe(self, word: str) -> list[str]:
        """The merged pieces of a word."""
        return merge(self._symbols(word), self.bpe_ranks)

    def _word_tokens(self, word: str) -> list[str]:
        return self.bpe(word)

    def _chunk_ids(self, chunk: str) -> tuple[int, ...]:
        memo = self._id_memo
        return tuple([index for word in self._words(chunk) for index in memo[word]])

    def _spaced_ids(self, chunk: str) -> tuple[int, ...]:
        return self._chunk_ids(f" {chunk}")

    def _encode(self, text: str) -> list[int]:
        if _DEPENDENT_SPACE.search(text):
            return list(self._chunk_ids(text))
        # A space leads the word that follows it, so what stands between spaces can be remembered by itself.
        chunks = text.split(" ")
        ids = list(self._first_memo[chunks[0]])
        memo = self._spaced_memo
        del chunks[0]
        for chunk in chunks:
            ids += memo[chunk]
        return ids

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        pieces = self.bpe(word)
        if word.isascii():
            origins: Sequence[int] = range(len(word))
        else:
            origins = [index for index, character in enumerate(word) for _ in text_bytes(character)]
        spans: list[Span] = []
        place = 0
        for piece in pieces:
            start, end = origins[place], origins[place + len(piece) - 1] + 1
            place += len(piece)
            if self.trim_offsets:
                while start < end and word[start] == " ":
                    start += 1
                while start < end and word[end - 1] == " ":
                    end -= 1
            spans.append((start, end))
        return pieces, spans

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """The text whose bytes the tokens stand for; ``errors`` says what becomes of bytes that are no UTF-8."""
        found = bytearray()
        for character in "".join(tokens):
            byte = self.byte_decoder.get(character)
            if byte is None:  # a token of the vocabulary that is no string of bytes
                found += text_bytes(character)
            else:
                found.append(byte)
        return found.decode("utf-8", self.errors)
