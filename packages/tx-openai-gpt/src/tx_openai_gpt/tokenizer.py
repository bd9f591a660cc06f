"""OpenAI GPT's tokenizer: lower-cased BPE over the words of spaCy, or of BERT's basic tokenization without it."""

from __future__ import annotations

import re

from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.pretrained import published_files
from tx_tokenizers.traced import TracedText
from tx_tokenizers.wordpiece import BasicTokenizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ClassVar

    from tx_tokenizers.base import Span

__all__ = ["OpenAIGPTTokenizer", "text_standardize"]

_PLAIN = str.maketrans({"—": "-", "–": "-", "―": "-", "…": "...", "´": "'"})
_MARKS = re.compile(r"-+|~+|!+|\"+|;+|\?+|\++|,+|\)+|\(+|\\+|/+|\*+|\[+|\]+|}+|{+|\|+|_+")
_SPACES = re.compile(r"\s+")
_WORD_OR_SPACE = re.compile(r"\S+|\s+")


_BASIC = BasicTokenizer(do_lower_case=True)


def text_standardize(text: str) -> str:
    """Plain dashes, dots and apostrophes, spaces around marks and line ends, otherwise single spaces."""
    traced = TracedText(text)
    _standardize(traced)
    return traced.text


def _standardize(traced: TracedText) -> None:
    traced.map(lambda text: text.translate(_PLAIN))
    traced.sub(_MARKS, r" \g<0> ")
    traced.sub(_SPACES, lambda match: " \n " if "\n" in match.group() else " ")
    traced.strip()


def _language() -> tuple[Any, Callable[[str], str] | None]:
    """spaCy's English tokenizer and ftfy's ``fix_text``, or two None where either is not installed."""
    try:
        from ftfy import fix_text  # type: ignore[import-not-found]
        from spacy.lang.en import English  # type: ignore[import-not-found]
    except ImportError:
        import logging

        logger = logging.getLogger(__name__)
        logger.warning("spaCy and ftfy are not both installed: words are those of BERT's basic tokenization")
        return None, None
    return English().tokenizer, fix_text


class OpenAIGPTTokenizer(BPETokenizer):
    """The last piece of a word ends in ``</w>``; text is lower-cased.

    As published, words are those of spaCy's English tokenizer after ftfy's ``fix_text``. Unless both are installed,
    words are those of ``BasicTokenizer``, which differ in places (``don't``, accents).

    Args:
        vocab_file, merges_file, vocab, merges: see ``MergesTokenizer``.
        options: see ``PreTrainedTokenizer``.
    """

    model_input_names: Sequence[str] = ("input_ids", "attention_mask")
    original_files_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "vocab_file": ("encoder_bpe_40000.json", "encoder_bpe.json"),
        "merges_file": ("vocab_40000.bpe", "vocab.bpe"),
    }
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        BPETokenizer.vocab_files_names, ["openai-gpt"]
    )
    max_model_input_sizes: ClassVar[Mapping[str, int]] = {"openai-gpt": 512}
    _remembered: ClassVar[tuple[str, ...]] = (*BPETokenizer._remembered, "nlp", "fix_text")

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        unk_token: str = "<unk>",
        **options: Any,
    ) -> None:
        super().__init__(vocab_file, merges_file, unk_token=unk_token, **options)

    def _forget(self) -> None:
        super()._forget()
        if "nlp" not in self.__dict__:
            self.nlp, self.fix_text = _language()

    def _words(self, text: str) -> list[str]:
        if self.fix_text is None:
            return _BASIC.words(text)
        return [token.text for token in self.nlp(text_standardize(self.fix_text(text)))]

    def _placed_words(self, text: str) -> list[tuple[str, int]]:
        return _BASIC.word_spans(text)

    def _parts(self, word: str) -> list[str]:
        return _BASIC.split_word(word) if self.fix_text is None else [word.lower()]

    def _parts_with_origins(self, word: str) -> list[tuple[str, Sequence[int]]]:
        if self.fix_text is None:
            return _BASIC.split_word_with_origins(word)
        return [(word.lower(), [index for index, character in enumerate(word) for _ in character.lower()])]

    def _spell(self, pieces: list[str]) -> list[str]:
        # spaCy may join a line end and the space after it. Both together are the line end's token.
        return ["\n</w>"] if pieces == ["\n", " </w>"] else pieces

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        tokens, spans = super()._word_spans(word)
        return tokens, spans[: len(tokens)]  # a line end's token takes the span of the line end

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        if self.fix_text is None:
            return super()._encode_with_offsets(text)
        traced = self._fixed(text, self.fix_text)
        _standardize(traced)
        places = traced.places
        ids: list[int] = []
        spans: list[Span] = []
        for token in self.nlp(traced.text):
            more, found = self._span_memo[token.text]
            ids += more
            spans += [(places[token.idx + start][0], places[token.idx + end - 1][1]) for start, end in found]
        return ids, spans

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        if self.fix_text is None:
            return super()._encode_with_words(text)
        ids, spans = self._encode_with_offsets(text)
        words = [token.text for token in self.nlp(text_standardize(self.fix_text(text)))]
        return ids, spans, [number for number, word in enumerate(words) for _ in self._span_memo[word][0]]

    def _fixed(self, text: str, fix: Callable[[str], str]) -> TracedText:
        """What ftfy makes of a text. Its characters are from their places, or from their word if its length changed.

        Raises ValueError if ftfy changes the text otherwise than word by word.
        """
        fixed = fix(text)
        if fixed == text:
            return TracedText(text)
        parts: list[str] = []
        places: list[Span] = []
        for match in _WORD_OR_SPACE.finditer(text):
            part = fix(match.group())
            start, end = match.span()
            exact = len(part) == end - start
            places += [(start + index, start + index + 1) if exact else (start, end) for index in range(len(part))]
            parts.append(part)
        if "".join(parts) != fixed:
            raise ValueError(
                "return_offsets_mapping=True: ftfy changes this text across words; encode it without offsets"
            )
        return TracedText(fixed, places)

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words, with the pieces inside them joined on."""
        return "".join(tokens).replace("</w>", " ").strip()
