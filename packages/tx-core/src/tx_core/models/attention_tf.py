"""Attention as functions without parameters, in ``keras.ops``. Mirrors ``attention_torch``.

Shapes: B batch, N heads, Q query length, K key length, S sequence, D head width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tx_core.config import PretrainedConfig

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run

# The most negative finite number of each type. (bfloat16's is float32's, cut to 8 bits of precision.)
LOWEST = {
    "float16": -65504.0,
    "bfloat16": -3.3895313892515355e38,
    "float32": -3.4028234663852886e38,
    "float64": -1.7976931348623157e308,
}


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, S, N·D) → (B, N, S, D)."""
    width = x.shape[-1] // num_heads  # D
    return ops.transpose(ops.reshape(x, (-1, ops.shape(x)[1], num_heads, width)), (0, 2, 1, 3))


def merge_heads(x: Tensor) -> Tensor:
    """(B, N, S, D) → (B, S, N·D)."""
    return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, ops.shape(x)[2], x.shape[1] * x.shape[3]))


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    head_mask: Tensor | None = None,
    dropout: Callable[[Tensor], Tensor] | None = None,
    need_weights: bool = False,
    scale: bool = True,
    past: tuple[Tensor, Tensor] | Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot-product attention (Vaswani et al. 2017, §3.2.1).

    Args:
        query: (B, N, Q, D). key, value: (B, N, K, D).
        bias: added to the scores before the softmax, broadcastable to (B, N, Q, K).
        head_mask: multiplies the probabilities, broadcastable to (B, N, Q, K).
        dropout: the layer that drops attention probabilities in training; None for none.
        need_weights: whether the probabilities are returned.
        scale: whether scores are divided by √D.
        past: keys and values (B, N, P, D) before these: K is P + K everywhere else then. They are read where they are:
            a long memory is not copied for one more token.

    Returns:
        The context (B, N, Q, D), and the probabilities (B, N, Q, K) after dropout and head mask, or None.
    """
    if scale:
        query = query * query.shape[-1] ** -0.5  # the queries are fewer numbers than the scores
    scores = _products(query, key)  # (B, N, Q, K)
    if past is not None:
        scores = ops.concatenate((_products(query, past[0]), scores), axis=-1)
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    # Keras warns of a softmax over one number: to a single key attention is 1.
    weights = ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
    if dropout is not None:
        weights = dropout(weights)
    if head_mask is not None:
        weights = weights * ops.cast(head_mask, weights.dtype)
    if past is None:
        context = ops.matmul(weights, value)
    else:
        before = ops.shape(past[0])[2]
        context = ops.matmul(weights[..., :before], past[1]) + ops.matmul(weights[..., before:], value)
    return context, weights if need_weights else None


def _products(query: Tensor, key: Tensor) -> Tensor:
    """Queries (B, N, Q, D) times keys (B, N, K, D): (B, N, Q, K)."""
    if keras.backend.backend() != "tensorflow":
        return ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
    # XLA would copy the keys to transpose them; TensorFlow's product can read them as they are.
    import tensorflow as tf

    return tf.matmul(query, key, transpose_b=True)


def allowed_to_bias(allowed: Tensor, dtype: str) -> Tensor:
    """Boolean "may attend" → additive bias: 0 where true, the most negative finite number where false.

    A query that may attend to nothing, such as a padded one, attends to everything: so softmax has it when all scores
    are shifted alike, where that number would swallow the scores instead.
    """
    allowed = ops.logical_or(allowed, ops.logical_not(ops.any(allowed, axis=-1, keepdims=True)))
    return ops.where(allowed, ops.zeros((), dtype), ops.full((), LOWEST[dtype], dtype))


def is_set(attention_mask: Tensor) -> Tensor:
    """An attention mask as booleans, true where it attends."""
    # TensorFlow does not compare booleans with numbers.
    return attention_mask if keras.backend.standardize_dtype(attention_mask.dtype) == "bool" else attention_mask > 0


def allowed_by_mask(attention_mask: Tensor) -> Tensor:
    """An attention mask (1 attend, 0 ignore) of shape (B, K) or (B, Q, K) → boolean (B, 1, 1 or Q, K)."""
    rank = len(attention_mask.shape)
    if rank == 2:
        return ops.expand_dims(is_set(attention_mask), (1, 2))
    if rank == 3:
        return ops.expand_dims(is_set(attention_mask), 1)
    raise ValueError(
        f"attention_mask must have shape (batch, keys) or (batch, queries, keys), not {tuple(attention_mask.shape)}"
    )


def causal(query_length: Size, key_length: Size) -> Tensor:
    """Boolean (1, 1, Q, K): query i, the last Q of K positions, may attend to keys up to its own position."""
    keys = ops.arange(key_length)  # (K,)
    queries = ops.arange(query_length) + (key_length - query_length)  # (Q,)
    return ops.expand_dims(ops.expand_dims(keys, 0) <= ops.expand_dims(queries, 1), (0, 1))


def attention_bias(
    attention_mask: Tensor | None,
    is_causal: bool,
    query_length: Size,
    key_length: Size,
    dtype: str,
) -> Tensor | None:
    """The additive bias (B or 1, 1, 1 or Q, K) of a padding mask and causality; None where everything is allowed."""
    allowed = None if attention_mask is None else allowed_by_mask(attention_mask)
    if is_causal:
        earlier = causal(query_length, key_length)
        allowed = earlier if allowed is None else ops.logical_and(allowed, earlier)
    elif allowed is not None and not isinstance(key_length, int):
        # A mask of another length has to fail: where sizes are found out while it runs, TensorFlow's product on CPUs
        # adds the bias without a look at its length.
        allowed = ops.logical_and(allowed, ops.ones((1, 1, 1, key_length), "bool"))
    return None if allowed is None else allowed_to_bias(allowed, dtype)


def left_padding(attention_mask: Tensor) -> Tensor:
    """How many positions at the start of each row are masked: (B, K) → (B, 1)."""
    before = ops.cumsum(ops.cast(is_set(attention_mask), "int32"), axis=-1) == 0
    return ops.sum(ops.cast(before, "int32"), axis=-1, keepdims=True)


def first_token(hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The states of each row's first token that is not left padding: (B, S, H) → (B, H)."""
    if attention_mask is None or len(attention_mask.shape) != 2:
        return hidden_states[:, 0]
    index = ops.minimum(left_padding(attention_mask), ops.shape(hidden_states)[1] - 1)  # (B, 1)
    return ops.take_along_axis(hidden_states, ops.expand_dims(index, -1), axis=1)[:, 0]


def position_ids(attention_mask: Tensor | None, query_length: Size, key_length: Size) -> Tensor:
    """Positions of the last Q of K tokens, counted from each row's first unmasked one: (B or 1, Q).

    So a left-padded row gets the positions of the same row without padding. Padding itself gets position 0.

    Args:
        attention_mask: (B, K), or anything else, which does not shift positions.
    """
    positions = ops.expand_dims(ops.arange(query_length, dtype="int32") + (key_length - query_length), 0)  # (1, Q)
    if attention_mask is None or len(attention_mask.shape) != 2:
        return positions
    return ops.maximum(positions - left_padding(attention_mask), 0)


def layer_head_masks(
    head_mask: Tensor | None, config: PretrainedConfig, dtype: str, pruned: bool = True
) -> list[Tensor | None]:
    """A head mask of shape (N,) or (layers, N), 1 keeps a head, → per layer (1, its heads, 1, 1) or None.

    N counts the heads of the unpruned model; those of removed heads have no effect. Cross-attention keeps all its
    heads, which ``pruned=False`` says.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    if head_mask is None:
        return [None] * layers
    if tuple(head_mask.shape) not in ((heads,), (layers, heads)):
        raise ValueError(f"head_mask must have shape ({heads},) or ({layers}, {heads}), not {tuple(head_mask.shape)}")
    per_layer = ops.broadcast_to(ops.cast(head_mask, dtype), (layers, heads))
    kept = [config.kept_heads(layer) if pruned else list(range(heads)) for layer in range(layers)]
    return [ops.expand_dims(ops.take(per_layer[i], kept[i], axis=0), (0, 2, 3)) for i in range(layers)]
