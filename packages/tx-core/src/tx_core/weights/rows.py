"""The rows of a weight table, and functions that make the rows of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["parameter", "projection", "linear", "conv1d", "norm", "embedding", "shared_embedding"]

# Published leaf → leaf in tf_model.h5, where they differ.
_KERAS_LEAVES: dict[Kind, dict[str, str]] = {
    "parameter": {},
    "projection": {},
    "linear": {"weight": "kernel"},
    "conv1d": {},
    "norm": {"weight": "gamma", "bias": "beta"},
    "embedding": {"weight": "embeddings"},
    "shared_embedding": {},
}
PUBLISHED_LEAVES = {keras: leaf for leaves in _KERAS_LEAVES.values() for leaf, keras in leaves.items()}
"""Leaf in ``tf_model.h5`` → published leaf, where they differ."""


@dataclass(frozen=True)
class Row:
    """One parameter, or one a layer where the name has ``{i}`` (further numbers: ``{j}``).

    Several rows may name one original. It is then cut into parts, or it is whole in some models and a stack in others;
    the names of the model's own parameters say which.

    Args:
        name: the published name, with the architecture's prefix.
        original: the name in the authors' checkpoints; None where they have no such parameter.
        layout: how the authors' array, or the part of it, becomes the published one: ``same``, ``transpose``,
            ``squeeze``, ``conv1d``.
        kind: what the parameter belongs to. It gives the leaf of the name in ``tf_model.h5``: ``kernel`` for the weight
            of a ``linear``, ``embeddings`` for an ``embedding``, ``gamma`` and ``beta`` for a ``norm``; otherwise the
            published leaf. A kernel is transposed there, and so is a ``projection``, a matrix that no layer owns.
        part: which part of the authors' array it is. ``(k, n)``: the k-th of n equal parts along the first axis.
            ``"{i}"``: the item at i of the first axis, which ``original`` then does not have. None: all of it.
        axes: of the item of a stack, how many axes it has. An array of the authors' with no more is no stack, but what
            all layers share, under the number 0.
        absent: what the parameter is where the authors' file does not have it, such that the model computes what theirs
            computes: the value of every element, or ``identity`` for a square matrix that leaves vectors as they are.
            None where there is no such value.
    """

    name: str
    original: str | None = None
    layout: str = "same"
    kind: Kind = "parameter"
    part: tuple[int, int] | str | None = None
    axes: int | None = None
    absent: float | Literal["identity"] | None = None

    @property
    def keras_leaf(self) -> str:
        """The last part of the name in a ``tf_model.h5`` file."""
        leaf = self.name.rpartition(".")[2]
        return _KERAS_LEAVES[self.kind].get(leaf, leaf)

    @property
    def keras_layout(self) -> str:
        """How the array in a ``tf_model.h5`` file becomes the published one."""
        return "transpose" if self.kind == "projection" or self.keras_leaf == "kernel" else "same"


@dataclass(frozen=True)
class Tied:
    """A second published name of the same parameter, e.g. an output layer that shares the word embeddings.

    Args:
        alias: the second name.
        name: the parameter.
        kind: what the alias belongs to, see :class:`Row`.
    """

    alias: str
    name: str
    kind: Kind = "linear"


def linear(
    name: str,
    original: str | None = None,
    leaves: tuple[str, ...] = ("/kernel", "/bias"),
    layout: str = "transpose",
    part: tuple[int, int] | None = None,
) -> tuple[Row, ...]:
    """Weight and bias of a fully connected layer.

    Args:
        name: the layer's published name.
        original: what the authors' names of the two begin with; None where they have no such layer.
        leaves: what the authors' names of weight and bias end with; one alone for a layer without a bias.
        layout: of the weight, see :class:`Row`. TensorFlow's kernels are transposed.
        part: see :class:`Row`; of weight and bias.
    """
    return _layer("linear", name, original, leaves, layout, part)


def conv1d(
    name: str, original: str | None = None, leaves: tuple[str, ...] = ("/w", "/b"), layout: str = "squeeze"
) -> tuple[Row, ...]:
    """Weight (in, out) and bias of a Conv1D, which OpenAI's code wrote as a convolution over one position.

    Arguments as those of :func:`linear`.
    """
    return _layer("conv1d", name, original, leaves, layout)


def norm(name: str, original: str | None = None, leaves: tuple[str, ...] = ("/gamma", "/beta")) -> tuple[Row, ...]:
    """Weight and bias of a layer normalisation. Arguments as those of :func:`linear`."""
    return _layer("norm", name, original, leaves)


def embedding(name: str, original: str | None = None, shared: bool = False, absent: float | None = None) -> Row:
    """The weight of an embedding.

    Args:
        name: the layer's published name.
        original: the authors' name of the weight; None where they have none.
        shared: whether the Keras models of 2019 could score the vocabulary with it; ``tf_model.h5`` calls it ``weight``
            then.
        absent: see :class:`Row`.
    """
    return Row(f"{name}.weight", original, kind="shared_embedding" if shared else "embedding", absent=absent)


def _layer(
    kind: Kind,
    name: str,
    original: str | None,
    leaves: tuple[str, ...],
    layout: str = "same",
    part: tuple[int, int] | None = None,
) -> tuple[Row, ...]:
    return tuple(
        Row(f"{name}.{own}", None if original is None else original + leaf, each, kind, part)
        for own, leaf, each in zip(("weight", "bias"), leaves, (layout, "same"), strict=False)
    )
