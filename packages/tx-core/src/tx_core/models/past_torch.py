"""Keys and values of earlier tokens, in PyTorch. Mirrored by ``past_tf``.

Shapes: B batch, S sequence, P past, K keys (P + S), N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Extends(Protocol):
    """One layer's memory, which is written to in place, as ``generate`` has it."""

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write the keys and values (B, N, S, D) of the next tokens; returns those of all tokens, (B, N, K, D)."""


# What one layer is given: keys and values (B, N, P, D), a pair or one tensor (2, …); or a memory to write to.
Past = Tensor | tuple[Tensor, Tensor] | Extends


def extend_past(past: Past | None, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (B, N, S, D) with those of the past before them: (B, N, K, D)."""
    if past is None:
        return key, value
    if isinstance(past, Tensor | tuple):
        return torch.cat((past[0], key), -2), torch.cat((past[1], value), -2)
    return past.extend(key, value)


def past_length(past: Sequence[Tensor] | None, layers: int) -> int:
    """The number of tokens P of a ``past``: per layer keys and values, (2, B, N, P, D).

    Raises:
        ValueError: if it is not of that form.
    """
    if past is None:
        return 0
    if len(past) != layers or any(len(each) != 2 or each[0].dim() != 4 for each in past):
        raise ValueError(
            f"past must hold the keys and values of each of {layers} layers, (2, batch, heads, tokens, head width)"
        )
    return past[0][0].shape[-2]


def stack_past(presents: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
    """Keys and values of every layer as models return them, each (2, B, N, K, D)."""
    return tuple(torch.stack(present) for present in presents)
