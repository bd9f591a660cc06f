"""Sinusoidal positions as layers, in Keras. Mirrors ``positions_torch``.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .layers_tf import Module
from .positions import alternating_sinusoids, sinusoids

Tensor = Any


class Sinusoids(Module):
    """A table of vectors that nobody learns, (…) positions → (…, H). It is no part of a file.

    Args:
        positions: how many there are. width: H.
    """

    def __init__(self, positions: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_dim = positions
        self.table = sinusoids(positions, width)

    def call(self, position_ids: Tensor) -> Tensor:
        # The conversion is part of no graph, so none computes with float64.
        return ops.take(ops.convert_to_tensor(self.table, self.compute_dtype), position_ids, axis=0)


class _Alternating(keras.initializers.Initializer):
    """The numbers of :class:`SinusoidalEmbedding`."""

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        return ops.convert_to_tensor(alternating_sinusoids(*shape), dtype)


class SinusoidalEmbedding(keras.layers.Embedding):
    """A table of vectors that files hold and nobody learns, (…) positions → (…, H). A new one is computed.

    Sines and cosines alternate. Thawing a model does not thaw it.

    Args:
        positions: how many there are. width: H, an even number.
    """

    def __init__(self, positions: int, width: int, **kwargs: Any) -> None:
        super().__init__(positions, width, embeddings_initializer=_Alternating(), **kwargs)

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        # Keras makes all variables trainable that ever were when a model's `trainable` is set to True.
        return super().add_weight(*args, **{**kwargs, "trainable": False})
