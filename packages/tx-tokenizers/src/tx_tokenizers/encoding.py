"""What a tokenizer's calls return."""

from __future__ import annotations

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .alignment import CharSpan, Encoding, TokenSpan
    from .rows import Alignment

    _Dict = dict[str, Any]
else:
    _Dict = dict

#: Columns that are never made tensors: their rows differ in length.
_RAGGED = frozenset({"overflowing_tokens", "num_truncated_tokens"})


class BatchEncoding(_Dict):
    """A dictionary of model inputs, for ``model(**encoding)``. Its items are attributes as well.

    Its keys are what the model takes. ``extras`` holds what ``encode_plus`` works out besides: ``special_tokens_mask``,
    ``overflowing_tokens`` and ``num_truncated_tokens``. Subscripts, attributes, ``in`` and ``get`` find extras;
    iteration and ``**`` pass them by. A number or slice stands for rows: ``encoding[0]`` is an ``Encoding``.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        extras: Mapping[str, Any] | None = None,
        sequence_ids: Sequence[list[int | None]] | None = None,
        word_ids: Sequence[list[int | None]] | None = None,
        alignment: Alignment | list[Encoding] | None = None,
    ) -> None:
        super().__init__(data or {})
        self.__dict__["extras"] = dict(extras or {})
        self.__dict__["_sequence_ids"] = sequence_ids
        self.__dict__["_word_ids"] = word_ids
        self.__dict__["_alignment"] = alignment

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        if not self.is_fast:
            raise KeyError(
                f"the encoding has the keys {', '.join(self)}, and no rows that a number stands for: {quoted(key)}"
            )
        return self.encodings[key]

    def __missing__(self, key: str) -> Any:
        return self.__dict__["extras"][key]

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or key in self.__dict__["extras"]

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, self.__dict__["extras"].get(key, default))

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self:
            return self[name]
        names = ", ".join([*self, *self.__dict__.get("extras", ())])
        raise AttributeError(f"the encoding has no {quoted(name)}; it has {names}")

    def __reduce__(self) -> tuple[Any, ...]:
        state = self.__dict__
        # What has been worked out; a pickle holds neither the texts nor the tokenizer.
        alignment = state["_alignment"] if isinstance(state["_alignment"], list) else None
        return type(self), (dict(self), state["extras"], state["_sequence_ids"], state["_word_ids"], alignment)

    def copy(self) -> BatchEncoding:
        state = self.__dict__
        return type(self)(self, state["extras"], state["_sequence_ids"], state["_word_ids"], state["_alignment"])

    def to(self, device: Any) -> BatchEncoding:
        """Moves the PyTorch tensors to ``device`` (in place); returns the encoding."""
        for key, value in self.items():
            if hasattr(value, "to"):
                self[key] = value.to(device)
        return self

    # Words and characters -------------------------------------------------------------------------------------------

    @property
    def is_fast(self) -> bool:
        """Whether the words and characters of tokens are known: so unless the encoding was built or unpickled."""
        return self.__dict__["_alignment"] is not None

    @property
    def encodings(self) -> list[Encoding]:
        """The rows, each with its tokens and the words and characters that they are from; ``encoding[0]`` is the first.

        They are worked out when they are first asked for. Raises ValueError if that cannot be done any more.
        """
        found = self.__dict__["_alignment"]
        if found is None:
            raise ValueError(
                "the words and characters of this encoding are not known: a pickle has them if they were asked for "
                "before, and one that a tokenizer has just made has them"
            )
        rows: list[Encoding] = found if isinstance(found, list) else found.encodings()
        self.__dict__["_alignment"] = rows
        return rows

    @property
    def n_sequences(self) -> int | None:
        """How many texts a row is made of, 1 or 2; None if that is not known."""
        found = self.__dict__["_alignment"]
        if isinstance(found, list):
            return found[0].n_sequences if found else None
        return None if found is None else found.n_sequences

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of a row, special tokens and padding included."""
        return list(self.encodings[batch_index].tokens)

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row: 0 or 1 for the first or second sequence, None for special and padding tokens."""
        rows = self.__dict__["_sequence_ids"]
        return list(self.encodings[batch_index].sequence_ids if rows is None else rows[batch_index])

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row: the number of the word it is part of, None for special and padding tokens.

        Words are those that were given, or those that the tokenizer divides a text into.
        """
        rows = self.__dict__["_word_ids"]
        return list(self.encodings[batch_index].word_ids if rows is None else rows[batch_index])

    def token_to_sequence(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """Which text, 0 or 1, a token is of; None for special tokens.

        The first number is the row's if there are two; a single row needs none. So it is in all methods here.
        """
        row, index = self._place(batch_or_token_index, token_index)
        return row.token_to_sequence(index)

    def token_to_word(self, batch_or_token_index: int, token_index: int | None = None) -> int | None:
        """The number of the word that a token is of; None for special tokens."""
        row, index = self._place(batch_or_token_index, token_index)
        return row.token_to_word(index)

    def token_to_chars(self, batch_or_token_index: int, token_index: int | None = None) -> CharSpan | None:
        """The characters of the text that a token is of, as ``(start, end)``; None for special tokens."""
        row, index = self._place(batch_or_token_index, token_index)
        return row.token_to_chars(index)

    def word_to_tokens(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> TokenSpan | None:
        """The places of a word's tokens, as ``(start, end)``; None if it has none."""
        row, index = self._place(batch_or_word_index, word_index)
        return row.word_to_tokens(index, sequence_index)

    def word_to_chars(
        self, batch_or_word_index: int, word_index: int | None = None, sequence_index: int = 0
    ) -> CharSpan | None:
        """The characters of a word, as ``(start, end)``; None if there is no such word."""
        row, index = self._place(batch_or_word_index, word_index)
        return row.word_to_chars(index, sequence_index)

    def char_to_token(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The place of the token that a character is part of; None for white space and what was cut off."""
        row, index = self._place(batch_or_char_index, char_index)
        return row.char_to_token(index, sequence_index)

    def char_to_word(
        self, batch_or_char_index: int, char_index: int | None = None, sequence_index: int = 0
    ) -> int | None:
        """The number of the word that a character is part of; None for white space."""
        row, index = self._place(batch_or_char_index, char_index)
        return row.char_to_word(index, sequence_index)

    def _place(self, first: int, second: int | None) -> tuple[Encoding, int]:
        rows = self.encodings
        return (rows[0], first) if second is None else (rows[first], second)

    # Tensors --------------------------------------------------------------------------------------------------------

    def convert_to_tensors(self, tensor_type: str | None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Turns the items into ``'pt'``, ``'tf'`` or ``'np'`` tensors in place, each of the kind of its values.

        Types and errors are those of ``to_tensor``: whole numbers become int64 (int32 in TensorFlow).
        """
        if tensor_type is not None:
            from .tensors import to_tensor

            for key, value in self.items():
                if key not in _RAGGED:
                    self[key] = to_tensor([value] if prepend_batch_axis else value, tensor_type, key)
        return self
