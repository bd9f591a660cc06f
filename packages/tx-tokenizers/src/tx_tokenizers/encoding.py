"""What a tokenizer's calls return."""

from __future__ import annotations

from .tensors import to_tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    _Dict = dict[str, Any]
else:
    _Dict = dict

#: Columns that are never made tensors: their rows differ in length.
_RAGGED = frozenset({"overflowing_tokens", "num_truncated_tokens"})


class BatchEncoding(_Dict):
    """A dictionary of model inputs, for ``model(**encoding)``. Its items are attributes as well.

    Its keys are what the model takes. ``extras`` holds what ``encode_plus`` works out besides: ``special_tokens_mask``,
    ``overflowing_tokens`` and ``num_truncated_tokens``. Subscripts, attributes, ``in`` and ``get`` find extras;
    iteration and ``**`` pass them by.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        extras: Mapping[str, Any] | None = None,
        sequence_ids: Sequence[list[int | None]] | None = None,
        word_ids: Sequence[list[int | None]] | None = None,
    ) -> None:
        super().__init__(data or {})
        self.__dict__["extras"] = dict(extras or {})
        self.__dict__["_sequence_ids"] = sequence_ids
        self.__dict__["_word_ids"] = word_ids

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
        raise AttributeError(f"the encoding has no {name!r}; it has {names}")

    def __reduce__(self) -> tuple[Any, ...]:
        state = self.__dict__
        return type(self), (dict(self), state["extras"], state["_sequence_ids"], state["_word_ids"])

    def copy(self) -> BatchEncoding:
        state = self.__dict__
        return type(self)(self, state["extras"], state["_sequence_ids"], state["_word_ids"])

    def to(self, device: Any) -> BatchEncoding:
        """Moves the PyTorch tensors to ``device`` (in place); returns the encoding."""
        for key, value in self.items():
            if hasattr(value, "to"):
                self[key] = value.to(device)
        return self

    def sequence_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row: 0 or 1 for the first or second sequence, None for special and padding tokens.

        Kept when ``return_offsets_mapping``, ``return_overflowing_tokens`` or ``is_split_into_words`` was asked for;
        raises ValueError otherwise.
        """
        rows = self.__dict__["_sequence_ids"]
        if rows is None:
            raise ValueError("sequence_ids are kept with return_offsets_mapping=True: ask the tokenizer for it")
        return list(rows[batch_index])

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of a row: the index of the given word it is part of, None for special and padding tokens.

        Kept with ``is_split_into_words=True``; raises ValueError otherwise.
        """
        rows = self.__dict__["_word_ids"]
        if rows is None:
            raise ValueError("word_ids are kept with is_split_into_words=True: give the tokenizer lists of words")
        return list(rows[batch_index])

    def convert_to_tensors(self, tensor_type: str | None, prepend_batch_axis: bool = False) -> BatchEncoding:
        """Turns the items into ``'pt'``, ``'tf'`` or ``'np'`` tensors in place, each of the kind of its values.

        Types and errors are those of ``to_tensor``: whole numbers become int64 (int32 in TensorFlow).
        """
        if tensor_type is not None:
            for key, value in self.items():
                if key not in _RAGGED:
                    self[key] = to_tensor([value] if prepend_batch_axis else value, tensor_type, key)
        return self
