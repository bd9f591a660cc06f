"""Layers of other sizes, in PyTorch. Mirrored by ``pruning_tf``."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

from .layers_torch import Conv1D

Layer = TypeVar("Layer", bound=nn.Module)


def prune_layer(layer: Layer, index: Tensor, dim: int | None = None) -> Layer:
    """A new layer with only some outputs or inputs of a linear layer, as scripts of 2019 make it.

    Models prune heads with `model.prune_heads`.

    Args:
        layer: an `nn.Linear` or a `Conv1D`, which is left as it is.
        index: the outputs or inputs to keep, in order (long integers, one dimension).
        dim: the dimension of the weight. None keeps outputs, as 0 does for an `nn.Linear` and 1 for a `Conv1D`.

    Raises:
        TypeError: the layer is of another kind.
        ValueError: another `dim`.
    """
    if dim not in (None, 0, 1):
        raise ValueError(f"dim is {dim}, expected 0 or 1")
    if isinstance(layer, Conv1D):
        return prune_conv1d(layer, index, 1 if dim is None else dim)  # type: ignore[return-value]
    if isinstance(layer, nn.Linear):
        return prune_linear(layer, index, dim or 0)  # type: ignore[return-value]
    raise TypeError(f"prune_layer takes an nn.Linear or a Conv1D, not {type(layer).__name__}")


def kept_columns(kept: Tensor, width: int) -> Tensor:
    """The columns of heads, each of so many: (heads,) → (heads · width,)."""
    return (kept[:, None] * width + torch.arange(width, device=kept.device)).flatten()


def prune_linear(layer: nn.Linear, index: Tensor, dim: int = 0) -> nn.Linear:
    """A linear layer with only the given outputs (``dim`` 0) or inputs (``dim`` 1)."""
    outputs, inputs = _kept_shape(layer.weight, index, dim)
    pruned = nn.Linear(inputs, outputs, layer.bias is not None, device="meta")
    return _filled(pruned, layer, index, dim, outputs=0)


def prune_conv1d(layer: Conv1D, index: Tensor, dim: int = 1) -> Conv1D:
    """A Conv1D with only the given outputs (``dim`` 1) or inputs (``dim`` 0)."""
    inputs, outputs = _kept_shape(layer.weight, index, dim)
    with torch.device("meta"):
        pruned = Conv1D(outputs, inputs)
    return _filled(pruned, layer, index, dim, outputs=1)


def _kept_shape(weight: Tensor, index: Tensor, dim: int) -> list[int]:
    shape = list(weight.shape)
    shape[dim] = len(index)
    return shape


def _filled(pruned: Layer, layer: Layer, index: Tensor, dim: int, outputs: int) -> Layer:
    """The new layer with what is kept of the old one's parameters; ``outputs`` is the weight's dimension of those."""
    for name, old in layer.named_parameters(recurse=False):
        value = old.detach()
        if name == "weight" or dim == outputs:
            value = value.index_select(dim if name == "weight" else 0, index)
        setattr(pruned, name, nn.Parameter(value.clone(), requires_grad=old.requires_grad))
    return pruned


def resize_rows(parameter: Tensor, rows: int) -> nn.Parameter:
    """A table with so many rows, or a bias with so many numbers. New ones are the mean of the old.

    A new token's score is then the mean of the old ones'. Rows around 0 would score 0: more than any other token where
    a model scores all of them below it. See Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language
    Models".

    Args:
        parameter: (old rows,) or (old rows, width).
    """
    old = parameter.detach()
    resized = old.new_empty((rows, *old.shape[1:]))
    resized[: len(old)] = old[:rows]
    resized[len(old) :] = old.mean(0, dtype=torch.promote_types(old.dtype, torch.float32))
    return nn.Parameter(resized, parameter.requires_grad)
