"""Pruning of single PyTorch layers, as scripts of 2019 call it; models prune heads with `model.prune_heads`."""

from __future__ import annotations

from torch import Tensor, nn

from .pretrained_torch import prune_linear


def prune_layer(layer: nn.Linear, index: Tensor, dim: int | None = None) -> nn.Linear:
    """A new layer with only some outputs or inputs of a linear layer.

    Args:
        layer: the layer, which is left as it is.
        index: the outputs or inputs to keep, in order (long integers, one dimension).
        dim: 0 (or None) to keep outputs, 1 to keep inputs.

    Raises:
        TypeError: the layer is none of `nn.Linear`.
        ValueError: another `dim`.
    """
    if not isinstance(layer, nn.Linear):
        raise TypeError(f"prune_layer takes an nn.Linear, not {type(layer).__name__}")
    if dim not in (None, 0, 1):
        raise ValueError(f"dim is {dim}, expected 0 (outputs) or 1 (inputs)")
    return prune_linear(layer, index, dim or 0)
