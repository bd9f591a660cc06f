"""What both frameworks share: clusters of words by their frequency, and checks of the memory.

Shapes: M memory, B batch, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Cluster(NamedTuple):
    """Words from one id up to another, which it is without, and the width of their vectors."""

    start: int
    end: int
    width: int


def clusters(words: int, width: int, cutoffs: Sequence[int], div_val: int) -> list[Cluster]:
    """The most frequent words, then each cluster of the others.

    Args:
        words: how many there are.
        width: of the most frequent ones' vectors.
        cutoffs: the first ids of the others' clusters.
        div_val: by how much each cluster's vectors are narrower than those of the one before.
    """
    bounds = [0, *cutoffs, words]
    widths = [width // div_val**i for i in range(len(bounds) - 1)]
    return [Cluster(*each) for each in zip(bounds, bounds[1:], widths, strict=False)]


def check_cutoffs(words: int, cutoffs: Sequence[int]) -> None:
    """Raise ValueError unless cutoffs are ids in rising order."""
    bounds = [0, *cutoffs, words]
    if bounds != sorted({*bounds}):
        raise ValueError(
            f"cutoffs is {[*cutoffs]}, expected ids in rising order, each from 1 to {words - 1} (of {words} words); an "
            "empty list is one softmax over all words"
        )


def check_words(size: int, cutoffs: Sequence[int]) -> None:
    """Raise ValueError if a vocabulary is to end before its last cluster begins."""
    if cutoffs and size <= cutoffs[-1]:
        raise ValueError(
            f"the vocabulary cannot be made {size} words: its last cluster begins at {cutoffs[-1]}, the last of "
            f"cutoffs, and has to keep a word. Build a new model with vocab_size={size} and other cutoffs"
        )


def check_memory(mems: Any, layers: int, batch: Any, width: int) -> Any:
    """M of ``mems``, per layer (M, B, H). A size that is not known before the run is None, or no integer.

    Raises:
        ValueError: if they are not of that form; names it.
    """
    wanted = f"mems must hold the states of each of {layers} layers, (memory, batch, {width})"
    if not isinstance(mems, Sequence) and not hasattr(mems, "shape"):
        raise ValueError(f"{wanted}, not {type(mems).__name__}")
    if len(mems) != layers:
        raise ValueError(f"{wanted}, not of {len(mems)}")
    shapes = [tuple(each.shape) for each in mems]
    for shape in shapes:
        known = [isinstance(size, int) for size in shape]
        same = all(x == y or not isinstance(x, int) for x, y in zip(shape, shapes[0], strict=False))
        if len(shape) != 3 or not same or (known[2] and shape[2] != width):
            raise ValueError(f"{wanted}, not {shape}")
    rows = shapes[0][1]
    if isinstance(rows, int) and isinstance(batch, int) and rows != batch:
        raise ValueError(f"mems are those of {rows} rows, (memory, batch, {width}), but the batch has {batch}")
    return shapes[0][0]


def of_config(name: str, doc: str) -> Any:
    """A field of a model's configuration as a property of the model, as 2019's scripts set it."""
    return property(
        lambda model: getattr(model.config, name), lambda model, value: setattr(model.config, name, value), doc=doc
    )


def check_generates(config: Any) -> None:
    """Raise ValueError if a configuration's memory is none that a text can be continued with."""
    if config.mem_len == 0:
        raise ValueError("config.mem_len is 0: without a memory each new token would see itself alone; set it above 0")
    if config.ext_len:
        raise ValueError(
            f"config.ext_len is {config.ext_len}: the memory would lack the last tokens; set it to 0 to generate"
        )
