"""Surrogates in texts: JSON that was cut, UTF-16 and file names leave them in strings of Python.

A pair of them is the character that it stands for in UTF-16. One alone stands for nothing and is read as U+FFFD. So
does OpenAI's own tokenizer.
"""

from __future__ import annotations

import re

# Compiled when they are needed, which is rarely.
_PAIR = "[\ud800-\udbff][\udc00-\udfff]"
_LONE = "[\ud800-\udfff]"


def _has_surrogates(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()  # quicker than a search
    except UnicodeEncodeError:
        return True
    return False


def join_pairs(text: str) -> str:
    """The text with the character in the place of each pair."""
    if not _has_surrogates(text):
        return text
    return re.sub(_PAIR, lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), text)


def pair_places(text: str) -> list[int] | None:
    """For each character of ``join_pairs(text)`` its place in ``text``, and the text's length; None without pairs."""
    if not _has_surrogates(text):
        return None
    places: list[int] = []
    end = 0
    for pair in re.finditer(_PAIR, text):
        places += range(end, pair.start() + 1)
        end = pair.end()
    return [*places, *range(end, len(text) + 1)] if end else None


def replace_lone(text: str) -> str:
    """The text with U+FFFD in the place of each surrogate, once pairs are joined."""
    return re.sub(_LONE, "\ufffd", text) if _has_surrogates(text) else text
