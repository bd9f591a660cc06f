"""How a layer reads single tokens fast, for ``generate`` in PyTorch.

Calls of modules take longer than the arithmetic of a single token, and a product of few rows does not keep all threads
busy. A layer may therefore have a ``step``: the function that does with one token a row what its ``forward`` does.

Shapes: R rows, H hidden size, I inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .past_torch import Extends

# Takes one token's states (R, H) through a layer, with the bias of attention.
Step = Callable[[Tensor, Tensor | None], Tensor]

# Up to so many rows a product takes about as long as reading the weights. Beyond, the usual functions do well.
_FEW_ROWS = 32
# Rows of a weight matrix that one product takes at a time: a few megabytes stay in a processor's cache.
_WEIGHT_ROWS = 1024
# Of two or three rows smaller pieces are faster by a third, of one or of more they are not.
_WEIGHT_ROWS_OF_TWO = 128


def steps(base: Any, memory: Sequence[Extends]) -> list[Step]:
    """What reads a single token fast, layer by layer; empty where a layer is not what its class says.

    Args:
        base: the bare model. Its ``plain``, if it has that, lists the kinds of modules that a layer consists of whose
            ``step`` does what its ``forward`` does.
        memory: of each layer.
    """
    layers, plain = base.get_submodule(base.layers_at), getattr(base, "plain", ())
    if not plain or not is_plain(layers, (nn.ModuleList, *plain)):
        return []
    return [layer.step(past) for layer, past in zip(layers, memory, strict=True)]


def is_plain(model: nn.Module, kinds: Sequence[type[nn.Module]]) -> bool:
    """Whether a model computes exactly what its classes' ``forward`` say, outside of training.

    That is so if it consists of modules of the given classes, none of a subclass (adapters, quantised layers,
    parametrisations are), none with hooks, and autocast is off.
    """
    return (
        all(type(module) in kinds and not module.training and not _has_hooks(module) for module in model.modules())
        # Last: a quantised layer has no parameters.
        and not torch.is_autocast_enabled(next(model.parameters()).device.type)
    )


def _has_hooks(module: nn.Module) -> bool:
    own = module._forward_hooks or module._forward_pre_hooks
    return bool(own or nn.modules.module._global_forward_hooks or nn.modules.module._global_forward_pre_hooks)


def apply_linear(layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer gives for few rows (R, I); fast if it is an ``nn.Linear`` and nothing but that."""
    if type(layer) is nn.Linear and not _has_hooks(layer) and not torch.is_autocast_enabled(x.device.type):
        return linear(x, layer.weight, layer.bias)
    result: Tensor = layer(x)
    return result


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x·Wᵀ + b, as torch.nn.functional.linear, but of few rows faster.

    The product of few rows with a matrix runs in one thread on some processors; a batch of smaller ones is shared out.

    Args:
        x: (R, I). weight: (O, I). bias: (O,).

    Returns:
        (R, O).
    """
    rows, (outputs, inputs) = x.shape[0], weight.shape
    parts = max(torch.get_num_threads(), outputs // (_WEIGHT_ROWS_OF_TWO if rows in (2, 3) else _WEIGHT_ROWS))
    if not _are_few(x) or parts == 1 or parts > outputs:
        return nn.functional.linear(x, weight, bias)
    size = outputs // parts
    whole = parts * size
    blocks = weight[:whole].unflatten(0, (parts, size)).transpose(1, 2)  # (parts, I, size)
    y = torch.bmm(x.expand(parts, rows, inputs), blocks).transpose(0, 1).reshape(rows, whole)
    if whole < outputs:
        y = torch.cat((y, x @ weight[whole:].T), 1)
    return y if bias is None else y + bias


def linear_transposed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x·W + b, as torch.addmm, but of few rows faster; see :func:`linear`.

    Args:
        x: (R, I). weight: (I, O). bias: (O,).

    Returns:
        (R, O).
    """
    rows, inputs = x.shape
    parts = torch.get_num_threads()
    if parts == 1 or inputs % parts or not _are_few(x):
        return torch.addmm(bias, x, weight)
    pieces = x.view(rows, parts, -1).transpose(0, 1)  # (parts, R, I / parts)
    return torch.bmm(pieces, weight.view(parts, -1, weight.shape[1])).sum(0).add_(bias)


def _are_few(x: Tensor) -> bool:
    return x.shape[0] <= _FEW_ROWS and x.dtype == torch.float32 and x.device.type == "cpu"
