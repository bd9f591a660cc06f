"""CTRL in PyTorch (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.generation.generate_torch import KeyValueGeneration
from tx_core.models.forward_torch import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_torch import CausalLM
from tx_core.models.past_torch import Extends
from tx_core.models.positions_torch import Sinusoids
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.pruning_torch import kept_columns, prune_linear
from tx_core.models.steps_torch import Step, linear

from .architecture import ARCHITECTURE
from .config import CTRLConfig


class CTRLMultiHeadAttention(nn.Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: CTRLConfig, layer: int) -> None:
        super().__init__()
        self.num_heads = len(config.kept_heads(layer))
        width = self.num_heads * (config.n_embd // config.n_head)
        self.Wq = nn.Linear(config.n_embd, width)
        self.Wk = nn.Linear(config.n_embd, width)
        self.Wv = nn.Linear(config.n_embd, width)
        self.dense = nn.Linear(width, config.n_embd)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = self.Wq(hidden_states), self.Wk(hidden_states), self.Wv(hidden_states)  # (B, S, N·D)
        attended, weights, present = context.attend(query, key, value, self.num_heads)
        return self.dense(attended), weights, present

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        index = kept_columns(kept, self.Wq.out_features // self.num_heads)
        self.Wq, self.Wk, self.Wv = (prune_linear(each, index) for each in (self.Wq, self.Wk, self.Wv))
        self.dense = prune_linear(self.dense, index, dim=1)
        self.num_heads = len(kept)


class CTRLEncoderLayer(nn.Module):
    """Attention and the feed-forward network, each normalising its input and adding to it."""

    def __init__(self, config: CTRLConfig, layer: int) -> None:
        super().__init__()
        self.multi_head_attention = CTRLMultiHeadAttention(config, layer)
        self.ffn = nn.Sequential(nn.Linear(config.n_embd, config.dff), nn.ReLU(), nn.Linear(config.dff, config.n_embd))
        self.layernorm1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.layernorm2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.dropout1 = nn.Dropout(config.resid_pdrop)
        self.dropout2 = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.multi_head_attention(self.layernorm1(hidden_states), context)
        hidden_states = hidden_states + self.dropout1(attended)
        return hidden_states + self.dropout2(self.ffn(self.layernorm2(hidden_states))), weights, present

    def step(self, past: Extends) -> Step:
        """What :meth:`forward` does with one token a row, for ``generate``.

        Calls of modules take longer than the arithmetic of a single token, so there are none.
        """
        attention, ffn_0, ffn_2 = self.multi_head_attention, self.ffn[0], self.ffn[2]
        assert isinstance(ffn_0, nn.Linear)
        assert isinstance(ffn_2, nn.Linear)
        heads, shape, epsilon = attention.num_heads, self.layernorm1.normalized_shape, self.layernorm1.eps
        norm1, norm2 = ((norm.weight, norm.bias) for norm in (self.layernorm1, self.layernorm2))
        layers = (attention.Wq, attention.Wk, attention.Wv, attention.dense, ffn_0, ffn_2)
        q, k, v, dense, first, second = ((layer.weight, layer.bias) for layer in layers)

        def step(hidden_states: Tensor, bias: Tensor | None) -> Tensor:
            normed = torch.layer_norm(hidden_states, shape, *norm1, epsilon)  # (B, H)
            query, key, value = (linear(normed, *w).unflatten(1, (heads, 1, -1)) for w in (q, k, v))  # (B, N, 1, D)
            key, value = past.extend(key, value)  # (B, N, K, D)
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=bias).flatten(1)  # (B, N·D)
            hidden_states = hidden_states + linear(context, *dense)
            normed = torch.layer_norm(hidden_states, shape, *norm2, epsilon)
            return hidden_states + linear(linear(normed, *first).relu_(), *second)

        return step


class CTRLPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all CTRL models share."""

    config: CTRLConfig


class CTRLModel(CTRLPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    words_at, layers_at, attention_at = "w", "h", "multi_head_attention"
    tables_at: ClassVar[dict[str, str]] = {"token_type_ids": "w", "position_ids": "positions"}
    gradient_checkpointing = False
    # A layer's `step` is its `forward` if it consists of these.
    plain = (CTRLEncoderLayer, CTRLMultiHeadAttention, nn.Sequential, nn.Linear, nn.ReLU, nn.LayerNorm, nn.Dropout)

    def __init__(self, config: CTRLConfig) -> None:
        super().__init__(config)
        self.w = nn.Embedding(config.vocab_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(CTRLEncoderLayer(config, layer) for layer in range(config.n_layer))
        self.layernorm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.positions = Sinusoids(config.n_positions, config.n_embd)
        self.init_weights()

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H). Token types are tokens whose embeddings are added."""
        words = context.words(self.w)
        if context.token_type_ids is not None:
            words = words + self.w(context.token_type_ids)
        return self.dropout(words * self.config.n_embd**0.5 + self.positions(context.position_ids))

    def finish(self, hidden_states: Tensor) -> Tensor:
        """What the last layer's states become."""
        return self.layernorm(hidden_states)

    def forward(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        skip_padding: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a batch, or its continuation.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H). Ids may have any axes before S, as (S,) and
                (B, C, S) have; outputs then have the same, but for ``past``, which is that of all rows.
            past: what an earlier call returned under this name, for the tokens before these: per layer the keys and
                values, (2, B, N, P, D).
            attention_mask: (B, K) or (B, S, K), 1 for tokens to attend to, 0 for padding; it covers the past too.
            token_type_ids: (B, S), tokens whose embeddings are added.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            use_cache: whether ``past`` is returned.
            use_cache, output_attentions, output_hidden_states: override the configuration.
            return_dict: False for a plain tuple, whose fields have no names.
            skip_padding: overrides the model's.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, past and sequence are longer
                than ``n_positions``, there is no token, an id is outside its table, or a shape does not fit.
        """
        context = ForwardContext.of(
            self,
            input_ids,
            inputs_embeds,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            past,
            causal=True,
            any_axes=True,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            skip_padding=skip_padding,
        )
        return self._output(return_dict, **context.through(self, self.h, self.embed(context), self.finish))


class CTRLLMHeadModel(KeyValueGeneration, CausalLM, CTRLPreTrainedModel, published=True):
    """CTRL with a language model head; the weights are the word embeddings, the bias its own."""

    bare = CTRLModel
    # A bias alone, which a file of the bare model lacks.
    new_heads = (("lm_head.bias",),)

    def __init__(self, config: CTRLConfig) -> None:
        super().__init__(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head
