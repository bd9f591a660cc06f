"""Sinusoidal positions as a layer, in Keras. Mirrors ``positions_torch``.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any

from keras import ops

from .layers_tf import Module
from .positions import sinusoids

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
