"""JSON from files that nobody vouches for: bounded in size and depth, each key once, errors that name the file."""

from __future__ import annotations

import os

from .messages import quoted
from .mistaken import HEAD, text_mistaken_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Refuse = Callable[[str | os.PathLike[str], str], ValueError]

# Published files have five levels; beyond a few hundred Python could neither copy nor show the values.
MAX_DEPTH = 64
_NESTING = frozenset({dict, list})


def _refuse(path: str | os.PathLike[str], problem: str) -> ValueError:
    return ValueError(f"{path}: {problem}")


def read_json(path: str | os.PathLike[str], max_bytes: int, refuse: Refuse = _refuse) -> Any:
    """The value that a JSON file holds.

    Args:
        path: a file in UTF-8, with or without a byte order mark.
        max_bytes: the largest file that is parsed. No more is read.
        refuse: makes the error of a path and a problem; a ValueError that joins them by default.

    Raises:
        OSError: the file cannot be read.
        ValueError: made by `refuse`, if the file is larger than `max_bytes` or :func:`parse_json` refuses it.
    """
    with open(path, "rb") as file:
        # Python makes room for all that it is told to read, however small the file is. What is no file has no size.
        size = os.fstat(file.fileno()).st_size or max_bytes
        content = file.read(min(size, max_bytes) + 1)
    if len(content) > max_bytes:
        raise refuse(path, f"is larger than {max_bytes} bytes, the most that is read of such a file")
    return parse_json(path, content, refuse)


def read_json_object(path: str | os.PathLike[str], max_bytes: int, refuse: Refuse = _refuse) -> dict[str, Any]:
    """As :func:`read_json`; it also refuses values that are no JSON object."""
    value = read_json(path, max_bytes, refuse)
    if not isinstance(value, dict):
        raise refuse(path, f"holds {quoted(value)}, expected a JSON object")
    return value


def parse_json(path: str | os.PathLike[str], content: bytes, refuse: Refuse = _refuse) -> Any:
    """The value of JSON that was read from a file. NaN and Infinity, which Python writes, are read too.

    Args:
        path: the file, for messages.
        content: UTF-8, with or without a byte order mark.
        refuse: as in :func:`read_json`.

    Raises:
        ValueError: made by `refuse`, if this is no JSON, an object gives a key twice, or values are nested deeper
            than `MAX_DEPTH`.
    """
    import json

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            first: dict[str, Any] = {}
            for key, value in pairs:
                if key in first:
                    raise ValueError(f"{quoted(key)} is given twice, as {quoted(first[key])} and as {quoted(value)}")
                first[key] = value
        return values

    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique)
    except RecursionError:
        raise refuse(path, f"nests values deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        found = text_mistaken_for(content[:HEAD])
        reason = f" ({error}); correct it or fetch it again" if found is None else f": {found}"
        raise refuse(path, f"is not valid JSON{reason}") from None
    if nests_too_deep(value):
        raise refuse(path, f"nests values deeper than {MAX_DEPTH} levels")
    return value


def nests_too_deep(value: object) -> bool:
    """Whether lists and dictionaries are nested deeper than `MAX_DEPTH`."""
    level: list[Any] = [value] if type(value) in _NESTING else []
    for _ in range(MAX_DEPTH):
        deeper = []
        for outer in level:
            inner = outer.values() if isinstance(outer, dict) else outer
            # Large objects, as vocabularies are, mostly nest nothing.
            if not _NESTING.isdisjoint(map(type, inner)):
                deeper += [each for each in inner if type(each) in _NESTING]
        if not deeper:
            return False
        level = deeper
    return True
