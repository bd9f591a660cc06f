"""Batches without their padding, in PyTorch: what layers compute for real tokens only.

Keras has no counterpart: the number of real tokens differs from batch to batch, and TensorFlow traces a graph anew for
each number (on XLA it would compile one).

Shapes: B batch, S sequence, T real tokens of all rows, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .attention_torch import allowed_by_mask, allowed_to_bias, attend, merge_heads, split_heads
from .inputs_torch import has_values


@dataclass(slots=True)
class Packing:
    """Which places of a batch hold tokens.

    Attributes:
        batch, length: B and S.
        places: (T,), where each token stands among the B·S places.
        lengths: how many tokens each row has.
        mask: (B, S), the attention mask that says so.
    """

    batch: int
    length: int
    places: Tensor
    lengths: list[int]
    mask: Tensor

    @classmethod
    def of(cls, attention_mask: Tensor | None, rows: int) -> Packing | None:
        """The packing of a padding mask; None where nothing is padded, or where its values are not known.

        Args:
            attention_mask: (B, S), or (1, S) for all rows.
            rows: how many the batch has.
        """
        if attention_mask is None or attention_mask.dim() != 2 or not has_values(attention_mask):
            return None
        attention_mask = attention_mask.expand(max(rows, len(attention_mask)), -1)
        present = attention_mask > 0
        lengths: list[int] = present.sum(1).tolist()
        if sum(lengths) in (0, present.numel()):
            return None
        batch, length = attention_mask.shape
        return cls(batch, length, present.flatten().nonzero()[:, 0], lengths, attention_mask)

    def pack(self, x: Tensor) -> Tensor:
        """(B or 1, S, …) → (T, …)."""
        return x.expand(self.batch, *x.shape[1:]).flatten(0, 1).index_select(0, self.places)

    def unpack(self, x: Tensor) -> Tensor:
        """(T, …) → (B, S, …), zero where there is no token."""
        padded = x.new_zeros(self.batch * self.length, *x.shape[1:]).index_copy(0, self.places, x)
        return padded.unflatten(0, (self.batch, self.length))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, num_heads: int, dropout: float, scale: bool, is_causal: bool
    ) -> Tensor:
        """Attention of every row to itself: (T, N·D) → (T, N·D)."""
        if query.device.type != "cpu":
            # Few large kernels are faster there than one for each row.
            q, k, v = (split_heads(self.unpack(x), num_heads) for x in (query, key, value))  # (B, N, S, D)
            allowed = allowed_by_mask(self.mask)
            if is_causal:
                allowed = allowed & allowed.new_ones(self.length, self.length).tril()
            bias = allowed_to_bias(allowed, query.dtype)
            return self.pack(merge_heads(attend(q, k, v, bias, None, dropout, False, scale)[0]))
        shape = (num_heads, -1)
        # One split, whose gradient is one concatenation; slices would each get a gradient of the whole's size.
        parts = (x.unflatten(-1, shape).split(self.lengths) for x in (query, key, value))  # each (tokens, N, D)
        attended = [
            F.scaled_dot_product_attention(
                q.transpose(0, 1)[None],
                k.transpose(0, 1)[None],
                v.transpose(0, 1)[None],
                dropout_p=dropout,
                is_causal=is_causal,
                scale=None if scale else 1.0,
            )[0].transpose(0, 1)
            for q, k, v in zip(*parts, strict=True)
            if len(q)
        ]
        return torch.cat(attended).flatten(1)
