"""Which tokens, words and characters of a text belong together."""

from __future__ import annotations

from collections import namedtuple
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Span

#: Characters of a text, from ``start`` to before ``end``.
CharSpan = namedtuple("CharSpan", ["start", "end"])
#: Tokens of a row, from ``start`` to before ``end``.
TokenSpan = namedtuple("TokenSpan", ["start", "end"])


class Encoding:
    """One row, with what is known of each of its tokens. Its attributes are lists of that length.

    A word is what the tokenizer divides a text into before it looks for tokens, or a word that was given. Places are
    characters of the text, or of the given word. Methods answer None where nothing is found. Their ``sequence_index``
    says which text of a pair a word or character is of.

    Attributes:
        ids, tokens: the tokens, special tokens and padding included.
        type_ids, attention_mask, special_tokens_mask: as the columns of these names. Padding counts as special.
        offsets: (start, end) in the text; (0, 0) for special tokens.
        word_ids: number of the word in its text; None for special tokens.
        sequence_ids: 0 or 1 for the first or second text; None for special tokens.
        n_sequences: how many texts the row is made of.
        overflowing: rows of what truncation cut off.
    """

    __slots__ = (
        *("attention_mask", "ids", "n_sequences", "offsets", "overflowing", "sequence_ids", "special_tokens_mask"),
        *("tokens", "type_ids", "word_ids"),
    )

    def __init__(
        self,
        ids: list[int],
        type_ids: list[int],
        tokens: list[str],
        offsets: list[Span],
        attention_mask: list[int],
        special_tokens_mask: list[int],
        word_ids: list[int | None],
        sequence_ids: list[int | None],
        n_sequences: int,
    ) -> None:
        self.ids = ids
        self.type_ids = type_ids
        self.tokens = tokens
        self.offsets = offsets
        self.attention_mask = attention_mask
        self.special_tokens_mask = special_tokens_mask
        self.word_ids = word_ids
        self.sequence_ids = sequence_ids
        self.n_sequences = n_sequences
        self.overflowing: Sequence[Encoding] = []

    @property
    def words(self) -> list[int | None]:
        """The same as ``word_ids``."""
        return self.word_ids

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Encoding(num_tokens={len(self)}, tokens={self.tokens})"

    def _place(self, index: int) -> int | None:
        """A token's place, counted from the end where it is negative; None if the row has no such place."""
        place = index + len(self) if index < 0 else index
        return place if 0 <= place < len(self) else None

    def token_to_sequence(self, token_index: int) -> int | None:
        """Which text, 0 or 1, a token is of."""
        place = self._place(token_index)
        return None if place is None else self.sequence_ids[place]

    def token_to_word(self, token_index: int) -> int | None:
        """The number of the word that a token is of."""
        place = self._place(token_index)
        return None if place is None else self.word_ids[place]

    def token_to_chars(self, token_index: int) -> CharSpan | None:
        """The characters that a token is of."""
        place = self._place(token_index)
        return None if place is None or self.sequence_ids[place] is None else CharSpan(*self.offsets[place])

    def char_to_token(self, char_index: int, sequence_index: int = 0) -> int | None:
        """The place of the first token that a character is part of."""
        for place, (start, end) in enumerate(self.offsets):
            if start <= char_index < end and self.sequence_ids[place] == sequence_index:
                return place
        return None

    def char_to_word(self, char_index: int, sequence_index: int = 0) -> int | None:
        """The number of the word that a character is part of."""
        place = self.char_to_token(char_index, sequence_index)
        return None if place is None else self.word_ids[place]

    def word_to_tokens(self, word_index: int, sequence_index: int = 0) -> TokenSpan | None:
        """The places of the tokens of a word."""
        places = [
            place
            for place, (word, sequence) in enumerate(zip(self.word_ids, self.sequence_ids, strict=True))
            if word == word_index and sequence == sequence_index
        ]
        return TokenSpan(places[0], places[-1] + 1) if places else None

    def word_to_chars(self, word_index: int, sequence_index: int = 0) -> CharSpan | None:
        """The characters of a word."""
        span = self.word_to_tokens(word_index, sequence_index)
        return None if span is None else CharSpan(self.offsets[span.start][0], self.offsets[span.end - 1][1])


def numbered_by_space(text: str, spans: list[Span]) -> list[int]:
    """For each span the number of the word in which its first character that is no space stands."""
    words: list[int] = []  # for each character of the text the words that have begun
    count = 0
    for before, character in pairwise(f" {text}"):
        count += before.isspace() and not character.isspace()
        words.append(count)
    numbers: list[int] = []
    for start, end in spans:
        piece = text[start:end]
        place = start + len(piece) - len(piece.lstrip()) if piece.strip() else start
        numbers.append(max(words[place] - 1, 0))
    return numbers
