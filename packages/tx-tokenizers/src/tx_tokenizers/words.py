"""``WordsTokenizer``: a text is divided into words, and what becomes of a word is remembered."""

from __future__ import annotations

from .base import PreTrainedTokenizer
from .memo import WordMemo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar

    from .base import Span


class WordsTokenizer(PreTrainedTokenizer):
    """A tokenizer that divides a text into words and tokenizes each word by itself.

    Running text repeats its words, so that most words cost one look-up.

    A subclass calls ``_set_vocabulary`` in its constructor, before this class's. It gives ``_word_tokens`` and
    ``_word_spans``, and ``_words`` if words are not what stands between white space.
    """

    _remembered: ClassVar[tuple[str, ...]] = (
        *PreTrainedTokenizer._remembered,
        "_token_memo",
        "_id_memo",
        "_span_memo",
    )

    def _forget(self) -> None:
        super()._forget()
        self._token_memo = WordMemo(self._word_tokens)
        self._id_memo = WordMemo(self._word_ids)
        self._span_memo = WordMemo(self._word_ids_and_spans)

    # Vocabulary -----------------------------------------------------------------------------------------------------

    def _set_vocabulary(self, ids: dict[str, int]) -> None:
        """Takes the id of each token. The mappings are public under names that differ between tokenizers."""
        self._ids = ids
        self._tokens = {index: token for token, index in ids.items()}

    @property
    def vocab_size(self) -> int:
        return len(self._ids)

    def _token_to_id(self, token: str) -> int | None:
        return self._ids.get(token)

    def _id_to_token(self, index: int) -> str | None:
        return self._tokens.get(index)

    def get_vocab(self) -> dict[str, int]:
        return {**self._ids, **self.added_tokens_encoder}

    # What a subclass gives ------------------------------------------------------------------------------------------

    def _words(self, text: str) -> list[str]:
        """The parts of a text that are tokenized independently of one another."""
        return text.split()

    def _placed_words(self, text: str) -> Iterable[tuple[str, int]]:
        """The same words, each with its place in the text.

        Words are looked up in the text one after the other. A subclass whose words do not stand in the text as they
        are, or that leaves out more than white space, gives the places itself.
        """
        placed: list[tuple[str, int]] = []
        end = 0
        for word in self._words(text):
            start = text.index(word, end)
            end = start + len(word)
            placed.append((word, start))
        return placed

    def _word_tokens(self, word: str) -> list[str]:
        """The tokens of a word."""
        raise NotImplementedError

    def _word_spans(self, word: str) -> tuple[list[str], list[Span]]:
        """The tokens of a word, and the span of the word's characters behind each."""
        raise NotImplementedError

    def _part_sizes(self, word: str) -> list[int]:
        """How many tokens come from each part that a word is divided into; a word is one part here."""
        return [len(self._word_tokens(word))]

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _word_ids(self, word: str) -> tuple[int, ...]:
        # A tuple: the garbage collector looks at remembered lists again and again, at tuples of numbers once.
        ids = self._ids
        return tuple([ids[token] if token in ids else self._known_id(token) for token in self._word_tokens(word)])

    def _word_ids_and_spans(self, word: str) -> tuple[list[int], list[Span]]:
        tokens, spans = self._word_spans(word)
        return [self._known_id(token) for token in tokens], spans

    def _tokenize(self, text: str) -> list[str]:
        tokens: list[str] = []
        memo = self._token_memo
        for word in self._words(text):
            tokens += memo[word]
        return tokens

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        memo = self._id_memo
        for word in self._words(text):
            ids += memo[word]
        return ids

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        ids: list[int] = []
        spans: list[Span] = []
        memo = self._span_memo
        for word, place in self._placed_words(text):
            more, found = memo[word]
            ids += more
            spans += [(place + start, place + end) for start, end in found]
        return ids, spans

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        ids, spans = self._encode_with_offsets(text)
        sizes = [size for word, _ in self._placed_words(text) for size in self._part_sizes(word)]
        return ids, spans, [number for number, size in enumerate(sizes) for _ in range(size)]
