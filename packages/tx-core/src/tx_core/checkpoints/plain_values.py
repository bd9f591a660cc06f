"""The plain values of what `unpickle` made: a training's arguments, as dictionaries, lists, numbers and texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tx_core.checkpoints.base import CheckpointError
from tx_core.checkpoints.unpickle import Record

MAX_VALUES = 1_000_000
"""Values of one answer. Containers that share parts are copied as often as they stand somewhere."""
MAX_DEPTH = 32

_PLAIN = (bool, int, float, str, bytes)
_NOTHING = object()


def plain(value: Any, path: Path) -> Any:
    """A copy of a value of a pickle.

    An `argparse.Namespace` and OmegaConf's containers become dictionaries and lists, an enumeration's member its value.
    What has no such form (a tensor, an object of another class) is left out of dictionaries, and None elsewhere; so are
    keys that are neither numbers nor texts.

    Args:
        path: the file's name for errors.

    Raises:
        CheckpointError: it has too many values, or they lie too deep.
    """
    left = MAX_VALUES

    def copy(node: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise CheckpointError(path, f"holds arguments of more than {MAX_VALUES} values")
        if node is None or isinstance(node, _PLAIN):
            return node
        if depth > MAX_DEPTH:
            raise CheckpointError(path, f"holds arguments inside of each other deeper than {MAX_DEPTH}")
        if isinstance(node, dict):
            items = ((key, copy(child, depth + 1)) for key, child in node.items() if isinstance(key, str | int))
            return {key: child for key, child in items if child is not _NOTHING}
        if isinstance(node, list | tuple):
            return [None if each is _NOTHING else each for each in (copy(child, depth + 1) for child in node)]
        return copy(_content(node), depth + 1) if isinstance(node, Record) else _NOTHING

    found = copy(value, 0)
    return None if found is _NOTHING else found


def _content(record: Record) -> Any:
    """What a record stands for."""
    package, _, module = record.kind.module.partition(".")
    state = record.state
    if (package, record.kind.name) == ("argparse", "Namespace"):
        return state if isinstance(state, dict) else {}
    if package == "omegaconf" and isinstance(state, dict):
        return state.get("_val" if module == "nodes" else "_content", _NOTHING)
    # A member of an enumeration is made of its value.
    if package == "fairseq" and isinstance(state, tuple) and len(state) == 1 and isinstance(state[0], _PLAIN):
        return state[0]
    return _NOTHING
