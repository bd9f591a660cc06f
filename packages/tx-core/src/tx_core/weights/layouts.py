"""How an array of the authors' checkpoints becomes a published parameter, and back: its layout and its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Part = tuple[int, int] | int
"""Which part of an array a parameter is: ``(k, n)``, the k-th of n equal parts along the first axis; or ``k``, the item
at k of the first axis, which the parameter does not have."""


class Layout(NamedTuple):
    """A way to lay out the same values twice.

    Attributes:
        shape: shape of the original → shape of the published array. Raises ValueError if it is no shape of the layout.
        published: original array → published array.
        original: published array → original array.
    """

    shape: Callable[[Shape], Shape]
    published: Callable[[Array], Array]
    original: Callable[[Array], Array]


def _without_one(shape: Shape) -> Shape:
    if shape[:1] != (1,):
        raise ValueError(f"shape {shape} does not begin with an axis of one")
    return shape[1:]


def _perhaps_without_one(shape: Shape) -> Shape:
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


LAYOUTS: dict[str, Layout] = {
    "same": Layout(lambda s: s, lambda a: a, lambda a: a),
    "transpose": Layout(lambda s: s[::-1], lambda a: a.T, lambda a: a.T),
    # TensorFlow 1's conv1d kernels and stacked scalars: a leading axis of one.
    "squeeze": Layout(_without_one, lambda a: a.reshape(a.shape[1:]), lambda a: a.reshape((1, *a.shape))),
    # The same, where some files leave the axis out.
    "conv1d": Layout(
        _perhaps_without_one,
        lambda a: a.reshape(_perhaps_without_one(a.shape)),
        lambda a: a.reshape((1, *a.shape)),
    ),
}


def part_shape(shape: Shape, part: Part) -> Shape:
    """The shape of a part of an array.

    Raises:
        ValueError: if the array has no such parts.
    """
    if isinstance(part, int):
        return shape[1:]
    if not shape or shape[0] % part[1]:
        raise ValueError(f"an array of shape {shape} has no {part[1]} equal parts along its first axis")
    return shape[0] // part[1], *shape[1:]


def take(array: Array, part: Part) -> Array:
    """A part of an array, as an array of its own."""
    if isinstance(part, int):
        return np.array(array[part])
    k, n = part
    rows = array.shape[0] // n
    return array[k * rows : (k + 1) * rows].copy()
