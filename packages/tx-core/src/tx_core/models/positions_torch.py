"""Sinusoidal positions as layers, in PyTorch. Mirrored by ``positions_tf``.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .positions import alternating_sinusoids, sinusoids


class Sinusoids(nn.Module):
    """A table of vectors that nobody learns, (…) positions → (…, H). It is no part of a file.

    Args:
        positions: how many there are. width: H.
    """

    table: Tensor

    def __init__(self, positions: int, width: int) -> None:
        super().__init__()
        self.num_embeddings = positions
        self.register_buffer("table", torch.empty(positions, width), persistent=False)
        self.compute()

    def compute(self) -> None:
        """Fill the table, unless it has no memory (on the meta device)."""
        if not self.table.is_meta:
            values = sinusoids(*self.table.shape)
            self.table = torch.tensor(values, dtype=self.table.dtype, device=self.table.device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # What moves a module may leave the table empty (`to_empty`), or with the digits of a smaller type.
        super()._apply(fn, recurse)
        self.compute()
        return self

    def forward(self, position_ids: Tensor) -> Tensor:
        return F.embedding(position_ids, self.table)


class SinusoidalEmbedding(nn.Embedding):
    """A table of vectors that files hold and nobody learns, (…) positions → (…, H). A new one is computed.

    Sines and cosines alternate. Thawing a model does not thaw it.

    Args:
        positions: how many there are. width: H, an even number.
    """

    def __init__(self, positions: int, width: int) -> None:
        super().__init__(positions, width)
        self.weight.requires_grad_(False)

    def compute(self) -> None:
        """Fill the table."""
        self.weight.data.copy_(torch.from_numpy(alternating_sinusoids(*self.weight.shape)))

    def forward(self, position_ids: Tensor) -> Tensor:
        return F.embedding(position_ids, self.weight.detach())
