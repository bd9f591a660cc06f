"""Pruning of single PyTorch layers, as scripts of 2019 call it; models prune heads with `model.prune_heads`."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from torch import Tensor, nn

from .pretrained_torch import prune_linear

Layer = TypeVar("Layer", bound=nn.Module)


def prune_layer(layer: Layer, index: Tensor, dim: int | None = None) -> Layer:
    """A new layer with only some outputs or inputs of a linear layer.

    Args:
        layer: the layer, which is left as it is: an `nn.Linear`, or a `Conv1D` of an architecture that has one.
        index: the outputs or inputs to keep, in order (long integers, one dimension).
        dim: the dimension of the weight. None keeps outputs, as 0 does for an `nn.Linear` and 1 for a `Conv1D`.

    Raises:
        TypeError: the layer is of another kind.
        ValueError: another `dim`.
    """
    if dim not in (None, 0, 1):
        raise ValueError(f"dim is {dim}, expected 0 or 1")
    pruned: Layer = prune(layer, index, dim)
    return pruned


@functools.singledispatch
def prune(layer: nn.Module, index: Tensor, dim: int | None) -> Any:
    """What `prune_layer` does for a kind of layer; architectures register their own."""
    raise TypeError(f"prune_layer takes an nn.Linear or a Conv1D, not {type(layer).__name__}")


@prune.register(nn.Linear)
def _(layer: nn.Linear, index: Tensor, dim: int | None) -> nn.Linear:
    return prune_linear(layer, index, dim or 0)
