"""Relative positions in attention (Dai et al. 2019, §3.3), as functions, in ``keras.ops``. Mirrors ``relative_torch``.

A score has a part that depends on the query and on how far before it the key stands. That part is one product of the
queries with the encodings of all distances; a shift then puts each distance where its key is.

Shapes: B batch, N heads, S queries, K keys, L distances, H hidden size, D head width.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .attention_tf import LOWEST

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


def relative_encodings(first: Size, last: Size, width: int, dtype: str, clamp_len: int = -1) -> Tensor:
    """Sines, then cosines, of the distances from ``first`` down to ``last``, both included: (L, H).

    Args:
        width: H.
        clamp_len: the largest distance that is told from larger ones, before and after; none if it is not positive.
    """
    distances = ops.cast(first - ops.arange(first - last + 1, dtype="int32"), "float32")  # (L,)
    if clamp_len > 0:
        distances = ops.clip(distances, -clamp_len, clamp_len)
    frequencies = 1 / 10000 ** (ops.arange(0, width, 2, dtype="float32") / width)
    angles = ops.expand_dims(distances, 1) * frequencies  # (L, H/2)
    return ops.cast(ops.concatenate((ops.sin(angles), ops.cos(angles)), axis=-1), dtype)


def relative_shift(scores: Tensor, keys: Size) -> Tensor:
    """Scores (B, N, S, L) of distances → those of keys (B, N, S, K): ``[i, j]`` is what was at ``[i, j + S - 1 - i]``.

    Rows of one number less than L begin one number further left in each row. So L is at least K + 1.
    """
    _, heads, queries, distances = ops.shape(scores)
    flat = ops.reshape(scores, (-1, heads, queries * distances))
    used = flat[..., queries - 1 : queries - 1 + queries * (distances - 1)]
    return ops.reshape(used, (-1, heads, queries, distances - 1))[..., :keys]


def relative_scores(query: Tensor, encodings: Tensor, keys: Size) -> Tensor:
    """What distances add to attention's scaled scores: (B, N, S, K).

    Args:
        query: (B, N, S, D). encodings: of distances, projected, from the first key's to the last query, that is S - 1
            more than the first key's to the first query, down: (1 or B, N, L, D), L at least K + 1.
        keys: K.
    """
    scaled = query * query.shape[-1] ** -0.5  # the queries are fewer numbers than the scores
    return relative_shift(ops.matmul(scaled, ops.transpose(encodings, (0, 1, 3, 2))), keys)


def disallow(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Scores (B, N, S, K), of no weight where ``allowed`` (broadcastable, boolean) is false.

    A query that may attend to nothing attends to everything alike, as in the authors' code.
    """
    if allowed is None:
        return scores
    dtype = keras.backend.standardize_dtype(scores.dtype)
    return ops.where(allowed, scores, ops.full((), LOWEST[dtype], dtype))
