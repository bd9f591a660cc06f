"""Attention as functions without parameters, in PyTorch. Mirrored by ``attention_tf``.

Shapes: B batch, N heads, Q query length, K key length, S sequence, D head width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from tx_core.config import PretrainedConfig


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """(B, S, N·D) → (B, N, S, D)."""
    # Here and in other functions not unflatten: files for ONNX would fix all sizes.
    batch, length, width = x.shape
    return x.view(batch, length, num_heads, width // num_heads).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, N, S, D) → (B, S, N·D)."""
    return x.transpose(1, 2).flatten(2)


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    head_mask: Tensor | None = None,
    dropout: float = 0.0,
    need_weights: bool = False,
    scale: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot-product attention (Vaswani et al. 2017, §3.2.1).

    PyTorch's fused kernels do the work unless the attention probabilities or a head mask are asked for.

    Args:
        query: (B, N, Q, D). key, value: (B, N, K, D).
        bias: added to the scores before the softmax, broadcastable to (B, N, Q, K).
        head_mask: multiplies the probabilities, broadcastable to (B, N, Q, K).
        dropout: probability with which attention probabilities are dropped; 0 outside of training.
        need_weights: whether the probabilities are returned.
        scale: whether scores are divided by √D.
        is_causal: in place of a bias, for as many queries as keys: query i attends to keys up to i. Spares the bias.

    Returns:
        The context (B, N, Q, D), and the probabilities (B, N, Q, K) after dropout and head mask, or None.
    """
    if is_causal and (need_weights or head_mask is not None):
        bias, is_causal = allowed_to_bias(causal(query.shape[-2], key.shape[-2], query.device), query.dtype), False
    if bias is not None and bias.dtype != query.dtype:
        # Under autocast the scores are of lower precision: float32's most negative number would become -inf there.
        lowest = max(torch.finfo(dtype).min for dtype in (bias.dtype, query.dtype))
        bias = bias.clamp(min=lowest).to(query.dtype)
    if not need_weights and head_mask is None:
        context = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout, is_causal=is_causal, scale=None if scale else 1.0
        )
        return context, None
    scores = query @ key.transpose(-1, -2)  # (B, N, Q, K)
    if scale:
        scores = scores / query.shape[-1] ** 0.5
    if bias is not None:
        scores = scores + bias
    weights = F.dropout(scores.softmax(-1), dropout)
    if head_mask is not None:
        weights = weights * head_mask
    return weights.to(value.dtype) @ value, weights if need_weights else None


def allowed_to_bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Boolean "may attend" → additive bias: 0 where true, the most negative finite number where false.

    A query that may attend to nothing, such as a padded one, attends to everything: so softmax has it when all scores
    are shifted alike. That number would swallow the scores instead, and fused kernels then get wrong gradients.
    """
    allowed = allowed | ~allowed.any(-1, keepdim=True)
    bias = torch.zeros(allowed.shape, dtype=dtype, device=allowed.device)
    return bias.masked_fill(~allowed, torch.finfo(dtype).min)


def allowed_by_mask(attention_mask: Tensor) -> Tensor:
    """An attention mask (1 attend, 0 ignore) of shape (B, K) or (B, Q, K) → boolean (B, 1, 1 or Q, K)."""
    if attention_mask.dim() == 2:
        return attention_mask[:, None, None, :] > 0
    if attention_mask.dim() == 3:
        return attention_mask[:, None, :, :] > 0
    raise ValueError(
        f"attention_mask must have shape (batch, keys) or (batch, queries, keys), not {tuple(attention_mask.shape)}"
    )


def causal(query_length: int, key_length: int, device: torch.device) -> Tensor:
    """Boolean (1, 1, Q, K): query i, the last Q of K positions, may attend to keys up to its own position."""
    positions = torch.arange(key_length, device=device)
    return (positions[None, :] <= positions[key_length - query_length :, None])[None, None]


def attention_bias(
    attention_mask: Tensor | None,
    is_causal: bool,
    query_length: int,
    key_length: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor | None:
    """The additive bias (B or 1, 1, 1 or Q, K) of a padding mask and causality; None where everything is allowed."""
    allowed = None if attention_mask is None else allowed_by_mask(attention_mask)
    if is_causal:
        earlier = causal(query_length, key_length, device)
        allowed = earlier if allowed is None else allowed & earlier
    return None if allowed is None else allowed_to_bias(allowed, dtype)


def causal_bias(
    attention_mask: Tensor | None, query_length: int, key_length: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor | None, bool]:
    """What :func:`attend` needs for attention to earlier positions, of the last Q of K: its ``bias`` and ``is_causal``.

    Without padding no bias is made: fused kernels know causality by themselves, and a single query attends to all keys.
    """
    if attention_mask is None and query_length == key_length:
        return None, True
    if attention_mask is None and query_length == 1 and not torch.jit.is_tracing():  # type: ignore[attr-defined]
        return None, False
    return attention_bias(attention_mask, True, query_length, key_length, dtype, device), False


def left_padding(attention_mask: Tensor) -> Tensor:
    """How many positions at the start of each row are masked: (B, K) → (B, 1)."""
    # Numbers, since ONNX sums no booleans.
    present = (attention_mask > 0).long()
    return (present.cumsum(-1) == 0).long().sum(-1, keepdim=True)


def first_token(hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
    """The states of each row's first token that is not left padding: (B, S, H) → (B, H)."""
    if attention_mask is None or attention_mask.dim() != 2:
        return hidden_states[:, 0]
    index = left_padding(attention_mask).clamp(max=hidden_states.shape[1] - 1)[:, :, None]  # (B, 1, 1)
    # Not take_along_dim, for which torch.export and torch.compile fix batch size and length.
    return hidden_states.gather(1, index.expand(hidden_states.shape[0], 1, hidden_states.shape[2]))[:, 0]


def position_ids(attention_mask: Tensor | None, query_length: int, key_length: int, device: torch.device) -> Tensor:
    """Positions of the last Q of K tokens, counted from each row's first unmasked one: (B or 1, Q).

    So a left-padded row gets the positions of the same row without padding. Padding itself gets position 0.

    Args:
        attention_mask: (B, K), or anything else, which does not shift positions.
    """
    positions = torch.arange(key_length - query_length, key_length, device=device)[None]  # (1, Q)
    if attention_mask is None or attention_mask.dim() != 2:
        return positions
    return (positions - left_padding(attention_mask)).clamp(min=0)


def layer_head_masks(
    head_mask: Tensor | None, config: PretrainedConfig, dtype: torch.dtype, pruned: bool = True
) -> list[Tensor | None]:
    """A head mask of shape (N,) or (layers, N), 1 keeps a head, → per layer (1, its heads, 1, 1) or None.

    N counts the heads of the unpruned model; those of removed heads have no effect. Cross-attention keeps all its
    heads, which ``pruned=False`` says.
    """
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    if head_mask is None:
        return [None] * layers
    if head_mask.shape not in ((heads,), (layers, heads)):
        raise ValueError(f"head_mask must have shape ({heads},) or ({layers}, {heads}), not {tuple(head_mask.shape)}")
    per_layer = head_mask.to(dtype).expand(layers, heads)
    kept = [config.kept_heads(layer) if pruned else list(range(heads)) for layer in range(layers)]
    return [per_layer[layer, kept[layer]][None, :, None, None] for layer in range(layers)]
