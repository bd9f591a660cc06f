"""The fields of configuration classes: their names, their types, and values that have these types."""

from __future__ import annotations

import copy
from dataclasses import MISSING
from dataclasses import fields as dataclass_fields
from functools import cache

from .messages import nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import inspect
    from collections.abc import Iterable
    from typing import Any

    from .config import PretrainedConfig

FIRST = "vocab_size_or_config_json_file"

# Frameworks know no larger integers, and Python has integers that are no floats.
_MAX_INTEGER = 2**63 - 1
_MAX_FLOAT = 2.0**1023
# Keys that are numbers count layers or classes. Long ones can be chosen so that a dictionary of them takes minutes.
_MAX_KEY_DIGITS = 9


class FieldSignature:
    """The `__signature__` of a config class, made when it is asked for: `help()` and editors show its fields."""

    def __set_name__(self, owner: type[PretrainedConfig], name: str) -> None:
        # Kept, since without docstrings (-OO) dataclass asks for the signature before the class has its name.
        self.base = owner

    def __get__(self, instance: object, owner: type[PretrainedConfig]) -> inspect.Signature:
        from inspect import Parameter, Signature

        first = Parameter(FIRST, Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="int | str | None")
        shared = fields_of(self.base)
        rest = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default_of(each), annotation=each.type)
            for name, each in sorted(fields_of(owner).items(), key=lambda item: item[0] in shared)
        ]
        return Signature([first, *rest])


def fields_of(cls: type[PretrainedConfig]) -> dict[str, Any]:
    """The dataclass fields of a config class by name."""
    return {each.name: each for each in dataclass_fields(cls)}


def default_of(each: Any) -> Any:
    """The default of a dataclass field."""
    return each.default if each.default_factory is MISSING else each.default_factory()


def alias_of(name: str) -> property:
    """A property that is another name of a field."""

    def get(self: PretrainedConfig) -> Any:
        return getattr(self, name)

    def set_(self: PretrainedConfig, value: Any) -> None:
        setattr(self, name, value)

    return property(get, set_, doc=f"Another name of {name}.")


@cache
def _split(annotation: str, separator: str) -> list[str]:
    """The parts of an annotation between separators that stand in no brackets."""
    parts, depth = [""], 0
    for character in annotation.replace(" ", ""):
        depth += (character == "[") - (character == "]")
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def conform(value: Any, annotation: str, text_keys: bool) -> Any:
    """The value as an annotation has it: containers are copied, integers of NumPy become Python's.

    Args:
        text_keys: take "3" for the key 3, since the keys of JSON objects are strings.

    Raises:
        ValueError: it is of another type, not finite, or an integer beyond 64 bits.
    """
    for option in _split(annotation, "|"):
        kind, _, inner = option.removesuffix("]").partition("[")
        match kind:
            case "Any":
                return copy.deepcopy(value)
            case "None" if value is None:
                return None
            case "bool" if isinstance(value, bool):
                return value
            case "str" if isinstance(value, str):
                return value
            case "int" if hasattr(value, "__index__") and not isinstance(value, bool):
                if -_MAX_INTEGER <= value.__index__() <= _MAX_INTEGER:
                    return value.__index__()
            case "float" if isinstance(value, (int, float)) and not isinstance(value, bool):
                if abs(value) <= _MAX_FLOAT:  # false for NaN too
                    return value
            case "list" if isinstance(value, (list, tuple, set)):
                # Files may hold millions of numbers.
                if inner == "int" and {*map(type, value)} == {int} and max(map(abs, value)) <= _MAX_INTEGER:
                    return [*value]
                return [conform(each, inner, text_keys) for each in value]
            case "dict" if hasattr(value, "items"):
                key_kind, value_kind = _split(inner, ",")
                return {
                    conform(_key(key, key_kind, text_keys), key_kind, text_keys): conform(each, value_kind, text_keys)
                    for key, each in value.items()
                }
            case "None" | "bool" | "str" | "int" | "float" | "list" | "dict":
                pass
            case _:
                raise TypeError(
                    f"a configuration's field cannot be annotated {annotation!r}; class attributes take no annotation"
                )
    raise ValueError(f"expected {annotation}")


def _key(key: Any, kind: str, text_keys: bool) -> Any:
    if text_keys and kind == "int" and isinstance(key, str) and len(key) <= _MAX_KEY_DIGITS:
        digits = key.removeprefix("-")
        # Only what Python itself would write: "0" and "00" must not become one key.
        if digits.isascii() and digits.isdecimal() and str(int(key)) == key:
            return int(key)
    return key


def annotations_of(cls: type[PretrainedConfig]) -> dict[str, str]:
    """The type of each field as text, e.g. "int | None"."""
    return {
        name: each.type if isinstance(each.type, str) else getattr(each.type, "__name__", str(each.type))
        for name, each in fields_of(cls).items()
    }


def nearest_field(name: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown field: the one that was meant, or all there are."""
    return nearest(name, names) or f"; it has {', '.join(sorted(names))}"
