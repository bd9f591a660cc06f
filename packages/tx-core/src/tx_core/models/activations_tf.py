"""The activation functions configurations may name, in Keras. Mirrors ``activations_torch``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras import ops

Tensor = Any


def gelu(x: Tensor) -> Tensor:
    """x·Φ(x), exact (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415)."""
    # Not ops.gelu, for which TensorFlow has √2 in float32 whatever the type of x is.
    return 0.5 * x * (1.0 + ops.erf(x / math.sqrt(2.0)))


def gelu_new(x: Tensor) -> Tensor:
    """The tanh approximation of GELU, as OpenAI GPT and GPT-2 were trained with."""
    # ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). Not ops.gelu, for which TensorFlow has 0.044715 in float32 whatever the
    # type of x is; and which, called without a graph, takes four times as long.
    scale = math.sqrt(2.0 / math.pi)
    return 0.5 * x * (1.0 + ops.tanh(x * (scale + (0.044715 * scale) * (x * x))))


def gelu_fast(x: Tensor) -> Tensor:
    """The tanh approximation with √(2/π) cut to 0.7978845608, as some published configurations name it."""
    return 0.5 * x * (1.0 + ops.tanh(0.7978845608 * x * (1.0 + 0.044715 * x * x)))


def quick_gelu(x: Tensor) -> Tensor:
    """x·σ(1.702 x), the sigmoid approximation of GELU."""
    return x * ops.sigmoid(1.702 * x)


def mish(x: Tensor) -> Tensor:
    """x·tanh(log(1 + eˣ)) (Misra 2019, https://arxiv.org/abs/1908.08681)."""
    return x * ops.tanh(ops.softplus(x))


def linear(x: Tensor) -> Tensor:
    """The identity."""
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "relu": ops.relu,
    "swish": ops.silu,
    "silu": ops.silu,
    "gelu_new": gelu_new,
    "tanh": ops.tanh,
    "gelu_pytorch_tanh": gelu_new,
    "gelu_fast": gelu_fast,
    "quick_gelu": quick_gelu,
    "sigmoid": ops.sigmoid,
    "mish": mish,
    "linear": linear,
}
