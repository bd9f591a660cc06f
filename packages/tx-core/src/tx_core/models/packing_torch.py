"""Batches without their padding, in PyTorch: what layers compute for real tokens only.

Keras has no counterpart: the number of real tokens differs from batch to batch, and TensorFlow traces a graph anew for
each number (on XLA it would compile one).

Shapes: B batch, S sequence, T real tokens of all rows, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from .attention_torch import allowed_by_mask, allowed_to_bias, attend, merge_heads, split_heads
from .inputs_torch import has_values


@dataclass(slots=True)
class Packing:
    """Which places of a batch hold tokens.

    Tokens are packed row by row, the shortest rows first. So rows of one length lie side by side, and attention
    computes them together.

    Attributes:
        batch, length: B and S.
        places: (T,), where each token stands among the B·S places.
        groups: (rows, tokens of each) of the rows of one length.
        mask: (B, S), the attention mask that says so.
    """

    batch: int
    length: int
    places: Tensor
    groups: list[tuple[int, int]]
    mask: Tensor

    @classmethod
    def of(cls, attention_mask: Tensor | None, rows: int) -> Packing | None:
        """The packing of a padding mask; None where nothing is padded, or where its values are not known.

        Padding stands before or after the tokens of a row. What a mask leaves out between them is none: such batches
        are computed whole, as in 2019.

        Args:
            attention_mask: (B, S), or (1, S) for all rows.
            rows: how many the batch has.
        """
        if attention_mask is None or attention_mask.dim() != 2 or not has_values(attention_mask):
            return None
        attention_mask = attention_mask.expand(max(rows, len(attention_mask)), -1)
        batch, length = attention_mask.shape
        present = attention_mask > 0
        lengths, order = present.sum(1).sort(stable=True)
        runs = present[:, :1].sum() + (present[:, 1:] > present[:, :-1]).sum()
        found: list[int]
        *found, stretches = torch.cat((lengths, runs.view(1))).tolist()  # all at once: on a GPU each read has to wait
        if sum(found) in (0, batch * length) or stretches > sum(map(bool, found)):
            return None
        row, column = present[order].nonzero().unbind(1)
        groups = [(count, each) for each, count in Counter(found).items() if each]
        return cls(batch, length, order[row] * length + column, groups, attention_mask)

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
            # Few large kernels are faster there than one for each length.
            q, k, v = (split_heads(self.unpack(x), num_heads) for x in (query, key, value))  # (B, N, S, D)
            allowed = allowed_by_mask(self.mask)
            if is_causal:
                allowed = allowed & allowed.new_ones(self.length, self.length).tril()
            bias = allowed_to_bias(allowed, query.dtype)
            return self.pack(merge_heads(attend(q, k, v, bias, None, dropout, False, scale)[0]))
        # One split, whose gradient is one concatenation; slices would each get a gradient of the whole's size.
        sizes = [rows * length for rows, length in self.groups]
        attended = []
        for group, *parts in zip(self.groups, *(x.split(sizes) for x in (query, key, value)), strict=True):
            q, k, v = (split_heads(x.unflatten(0, group), num_heads) for x in parts)  # (rows, N, length, D)
            found, _ = attend(q, k, v, None, None, dropout, False, scale, is_causal)
            attended.append(merge_heads(found).flatten(0, 1))  # (rows · length, N·D)
        return torch.cat(attended)
