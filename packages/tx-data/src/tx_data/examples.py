"""One example of a dataset as read, and as a model takes it."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Record:
    """What examples and features share: they are written as JSON."""

    def __repr__(self) -> str:
        return self.to_json_string()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, as a copy."""
        return copy.deepcopy(self.__dict__)

    def to_json_string(self) -> str:
        """The fields as indented JSON with sorted keys, ending in a newline."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"


@dataclass(repr=False)
class InputExample(_Record):
    """A text or a pair of texts, and its label.

    Args:
        guid: what the example is told from others by, such as "train-17"; a number where the source numbers them.
        text_a: the first text.
        text_b: the second text of a pair.
        label: the label as the dataset spells it; None where it is not known, as in test sets.
    """

    guid: str | int
    text_a: str
    text_b: str | None = None
    label: str | None = None


@dataclass(repr=False)
class InputFeatures(_Record):
    """One padded example as a model takes it.

    Args:
        input_ids: the ids of the tokens, with special tokens and padding.
        attention_mask: 1 for tokens and 0 for padding.
        token_type_ids: 0 for the first text and 1 for the second, where the model tells them apart.
        label: the number of the class, or the value of a regression; None where it is not known.
    """

    input_ids: list[int]
    attention_mask: list[int]
    token_type_ids: list[int]
    label: int | float | None
