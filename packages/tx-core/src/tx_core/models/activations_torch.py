"""The activation functions configurations may name, in PyTorch. Mirrored by ``activations_tf``."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def gelu(x: Tensor) -> Tensor:
    """x·Φ(x), exact (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415)."""
    return F.gelu(x)


def gelu_new(x: Tensor) -> Tensor:
    """The tanh approximation of GELU, as OpenAI GPT and GPT-2 were trained with."""
    return F.gelu(x, approximate="tanh")


def gelu_fast(x: Tensor) -> Tensor:
    """The tanh approximation with √(2/π) cut to 0.7978845608, as some published configurations name it."""
    return 0.5 * x * (1.0 + torch.tanh(0.7978845608 * x * (1.0 + 0.044715 * x * x)))


def quick_gelu(x: Tensor) -> Tensor:
    """x·σ(1.702 x), the sigmoid approximation of GELU."""
    return x * torch.sigmoid(1.702 * x)


def linear(x: Tensor) -> Tensor:
    """The identity."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "relu": F.relu,
    "swish": F.silu,
    "silu": F.silu,
    "gelu_new": gelu_new,
    "tanh": torch.tanh,
    "gelu_pytorch_tanh": gelu_new,
    "gelu_fast": gelu_fast,
    "quick_gelu": quick_gelu,
    "sigmoid": torch.sigmoid,
    "mish": F.mish,
    "linear": linear,
}
