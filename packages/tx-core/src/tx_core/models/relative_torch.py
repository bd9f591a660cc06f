"""Relative positions in attention (Dai et al. 2019, §3.3), as functions, in PyTorch. Mirrored by ``relative_tf``.

A score has a part that depends on the query and on how far before it the key stands. That part is one product of the
queries with the encodings of all distances; a shift by views then puts each distance where its key is.

Shapes: B batch, N heads, S queries, K keys, L distances, H hidden size, D head width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def relative_encodings(
    first: int, last: int, width: int, dtype: torch.dtype, device: torch.device, clamp_len: int = -1
) -> Tensor:
    """Sines, then cosines, of the distances from ``first`` down to ``last``, both included: (L, H).

    Args:
        width: H.
        clamp_len: the largest distance that is told from larger ones, before and after; none if it is not positive.
    """
    distances = torch.arange(first, last - 1, -1, device=device).float()  # (L,)
    if clamp_len > 0:
        distances = distances.clamp(-clamp_len, clamp_len)
    frequencies = 1 / 10000 ** (torch.arange(0, width, 2, device=device).float() / width)
    angles = distances[:, None] * frequencies  # (L, H/2)
    return torch.cat((angles.sin(), angles.cos()), -1).to(dtype)


def relative_shift(scores: Tensor, keys: int) -> Tensor:
    """Scores (…, S, L) of distances → those of keys (…, S, K): ``[i, j]`` is what was at ``[i, j + S - 1 - i]``.

    No number is copied: rows of one number less than L begin one number further left in each row. So L is at least
    K + 1.
    """
    *others, queries, distances = scores.shape
    used = scores.flatten(-2).narrow(-1, queries - 1, queries * (distances - 1))
    return used.view(*others, queries, distances - 1).narrow(-1, 0, keys)


def relative_scores(query: Tensor, encodings: Tensor, keys: int) -> Tensor:
    """What distances add to attention's scaled scores, as a tensor that may be written to: (B, N, S, K).

    Args:
        query: (B, N, S, D). encodings: of distances, projected, from the first key's to the last query, that is S - 1
            more than the first key's to the first query, down: (1 or B, N, L, D), L at least K + 1.
        keys: K.
    """
    scaled = query * query.shape[-1] ** -0.5  # the queries are fewer numbers than the scores
    if encodings.shape[0] > 1:
        return relative_shift(scaled @ encodings.transpose(-1, -2), keys)
    # All rows have the same encodings: a product of batches would copy them for each. So heads come first.
    by_head = scaled.transpose(0, 1)  # (N, B, S, D)
    scores = by_head.flatten(1, 2) @ encodings[0].transpose(-1, -2)  # (N, B·S, L)
    heads, batch, queries, _ = by_head.shape
    return relative_shift(scores.view(heads, batch, queries, scores.shape[-1]).transpose(0, 1), keys)


def disallow(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Scores (B, N, S, K), written to, of no weight where ``allowed`` (broadcastable, boolean) is false.

    A query that may attend to nothing attends to everything alike, as in the authors' code.
    """
    return scores if allowed is None else scores.masked_fill_(~allowed, torch.finfo(scores.dtype).min)
