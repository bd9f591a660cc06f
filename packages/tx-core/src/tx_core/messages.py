"""Parts of error messages. Values from files are shortened: a damaged file must not fill a screen."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def shorten(text: str, length: int = 120) -> str:
    """The text itself, or its first `length` characters and how many it has."""
    return text if len(text) <= length else f"{text[:length]}… ({len(text)} characters)"


def quoted(value: object, length: int = 120) -> str:
    """The value as Python writes it, `repr(value)`, shortened."""
    try:
        return shorten(repr(value), length)
    except ValueError:  # Python writes no integer of thousands of digits
        return shorten(hex(value), length) if isinstance(value, int) else f"a {type(value).__name__} of huge numbers"
    except RecursionError:
        return f"a deeply nested {type(value).__name__}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a message on an unknown name, "; did you mean 'x'?"; empty if no name is like it."""
    from difflib import get_close_matches

    close = get_close_matches(name, [*names], n=1)
    return f"; did you mean {quoted(close[0])}?" if close else ""
