"""Keys and values of earlier tokens, in Keras. Mirrors ``past_torch``.

Shapes: B batch, S sequence, P past, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run

# What one layer is given: keys and values (B, N, P, D), a pair or one tensor (2, …).
Past = Tensor | tuple[Tensor, Tensor]


def past_length(past: Sequence[Tensor] | None, layers: int) -> Size:
    """The number of tokens P of a ``past``: per layer keys and values, (2, B, N, P, D).

    Raises:
        ValueError: if it is not of that form.
    """
    if past is None:
        return 0
    if len(past) != layers or any(len(each.shape) != 5 or each.shape[0] != 2 for each in past):
        raise ValueError(
            f"past must hold the keys and values of each of {layers} layers, (2, batch, heads, tokens, head width)"
        )
    return ops.shape(past[0])[-2]


def extend_past(past: Sequence[Tensor] | None, presents: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Keys and values (2, B, N, S, D) of every layer with those of the past before them: each (2, B, N, P + S, D)."""
    if past is None:
        return tuple(presents)
    return tuple(ops.concatenate(pair, axis=-2) for pair in zip(past, presents, strict=True))
