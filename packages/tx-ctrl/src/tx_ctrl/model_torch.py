"""CTRL in PyTorch (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.generation.generate_torch import (
    KeyValueGenerationMixin,
    KeyValueMemory,
    LayerMemory,
    Past,
    Step,
    extend_past,
    is_plain,
    linear,
    past_length,
    stack_past,
)
from tx_core.models.attention_torch import attend, causal_bias, layer_head_masks, merge_heads, split_heads
from tx_core.models.attention_torch import position_ids as positions_from_mask
from tx_core.models.losses_torch import causal_loss
from tx_core.models.pretrained_torch import (
    PreTrainedModel,
    as_rows,
    checkpointed,
    chosen,
    from_rows,
    input_shape,
    prune_linear,
)
from tx_core.weights import WeightTable

from .config import CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP, CTRLConfig
from .positions import frequencies
from .weights import WEIGHTS

CTRL_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "pytorch_model.bin") for name, url in CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


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

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        is_causal: bool,
        head_mask: Tensor | None,
        past: Past | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        query = split_heads(self.Wq(hidden_states), self.num_heads)  # (B, N, S, D)
        key = split_heads(self.Wk(hidden_states), self.num_heads)
        value = split_heads(self.Wv(hidden_states), self.num_heads)
        key, value = extend_past(past, key, value)  # (B, N, K, D)
        context, weights = attend(query, key, value, bias, head_mask, 0.0, need_weights, is_causal=is_causal)
        return self.dense(merge_heads(context)), weights, (key, value)

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.Wq.out_features // self.num_heads  # D
        index = (kept[:, None] * width + torch.arange(width, device=kept.device)).flatten()
        self.Wq = prune_linear(self.Wq, index)
        self.Wk = prune_linear(self.Wk, index)
        self.Wv = prune_linear(self.Wv, index)
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

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        is_causal: bool,
        head_mask: Tensor | None,
        past: Past | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        attended, weights, present = self.multi_head_attention(
            self.layernorm1(hidden_states), bias, is_causal, head_mask, past, need_weights
        )
        hidden_states = hidden_states + self.dropout1(attended)
        return hidden_states + self.dropout2(self.ffn(self.layernorm2(hidden_states))), weights, present

    def step(self, past: LayerMemory) -> Step:
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


# Of these modules a layer consists whose `step` is its `forward`.
_PLAIN = (
    nn.ModuleList,
    CTRLEncoderLayer,
    CTRLMultiHeadAttention,
    nn.Sequential,
    nn.Linear,
    nn.ReLU,
    nn.LayerNorm,
    nn.Dropout,
)


class CTRLPreTrainedModel(PreTrainedModel):
    """What all CTRL models share: the configuration, the weight table, initialisation."""

    config: CTRLConfig
    config_class = CTRLConfig
    base_model_prefix = "transformer"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    pretrained_model_archive_map = CTRL_PRETRAINED_MODEL_ARCHIVE_MAP

    def _init_weights(self, module: nn.Module) -> None:
        """Normal with the configuration's range; zero biases; identity normalisation."""
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            module.weight.data.fill_(1.0)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            module.bias.data.zero_()


class CTRLModel(CTRLPreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    new_heads = ()
    gradient_checkpointing = False

    def __init__(self, config: CTRLConfig) -> None:
        super().__init__(config)
        self.w = nn.Embedding(config.vocab_size, config.n_embd)
        self.dropout = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(CTRLEncoderLayer(config, layer) for layer in range(config.n_layer))
        self.layernorm = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.frequencies = frequencies(config.n_embd)
        self.init_weights()

    def get_input_embeddings(self) -> nn.Module:
        return self.w

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.w = value  # type: ignore[assignment]

    def _prune_layer(self, layer: int, kept: Tensor) -> None:
        self.h[layer].multi_head_attention.prune(kept)  # type: ignore[union-attr, operator]

    def _positions(self, position_ids: Tensor) -> Tensor:
        """Sines, then cosines: (B, S) → (B, S, H). In float64, as published: angles are large at late positions."""
        angles = position_ids[:, :, None] * torch.as_tensor(self.frequencies, device=position_ids.device)
        return torch.cat((angles.sin(), angles.cos()), -1).to(self.w.weight.dtype)

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

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, past and sequence are longer
                than ``n_positions``, or a shape does not fit.
        """
        config = self.config
        axes, (input_ids, attention_mask, token_type_ids, position_ids) = as_rows(
            input_ids, attention_mask, token_type_ids, position_ids
        )
        before = past_length(past, config.n_layer)
        _, length, device = input_shape(
            input_ids, inputs_embeds, config.vocab_size, config.n_positions, attention_mask, before
        )
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, before + length, device)
        hidden_states = self.w(input_ids) if inputs_embeds is None else inputs_embeds
        if token_type_ids is not None:
            hidden_states = hidden_states + self.w(token_type_ids)
        hidden_states = self.dropout(hidden_states * config.n_embd**0.5 + self._positions(position_ids))
        bias, is_causal = causal_bias(attention_mask, length, before + length, hidden_states.dtype, device)

        need_states = chosen(output_hidden_states, config.output_hidden_states)
        need_weights = chosen(output_attentions, config.output_attentions)
        head_masks = layer_head_masks(head_mask, config, hidden_states.dtype)
        all_hidden_states, all_attentions, presents = [hidden_states], [], []
        for i, layer in enumerate(self.h):
            hidden_states, weights, present = checkpointed(self, layer)(
                hidden_states, bias, is_causal, head_masks[i], None if past is None else past[i], need_weights
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
            presents.append(present)
        hidden_states = all_hidden_states[-1] = self.layernorm(hidden_states)
        return self._output(
            "CTRLModelOutput",
            last_hidden_state=from_rows(hidden_states, axes),
            past=stack_past(presents) if chosen(use_cache, config.use_cache) else None,
            hidden_states=tuple(from_rows(x, axes) for x in all_hidden_states) if need_states else None,
            attentions=tuple(from_rows(x, axes) for x in all_attentions) if need_weights else None,
        )

    def _decode(self, input_ids: Tensor, memory: KeyValueMemory) -> Tensor:
        """Read the next tokens (B, S) into the memory; returns the last one's state (B, H). For ``generate``."""
        position_ids, bias, is_causal = memory.next(input_ids.shape[1], self.w.weight.dtype)
        hidden_states = self.dropout(self.w(input_ids) * self.config.n_embd**0.5 + self._positions(position_ids))
        if memory.steps is None:
            plain = is_plain(self.h, _PLAIN)
            pairs = zip(self.h, memory.layers, strict=True)
            memory.steps = [layer.step(past) for layer, past in pairs] if plain else []  # type: ignore[operator]
        if memory.steps and input_ids.shape[1] == 1:
            states = hidden_states[:, 0]
            for step in memory.steps:
                states = step(states, bias)
            return self.layernorm(states)
        for layer, past in zip(self.h, memory.layers, strict=True):
            hidden_states = layer(hidden_states, bias, is_causal, None, past, False)[0]
        return self.layernorm(hidden_states[:, -1])


class CTRLLMHeadModel(KeyValueGenerationMixin, CTRLPreTrainedModel):
    """CTRL with a language model head; the weights are the word embeddings, the bias its own."""

    # A bias alone, which a file of the bare model lacks.
    new_heads = (("lm_head.bias",),)

    def __init__(self, config: CTRLConfig) -> None:
        super().__init__(config)
        self.transformer = CTRLModel(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.lm_head, "bias"

    def forward(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`CTRLModel.forward`.

        Args:
            labels: (B, S), usually the input ids, each to be predicted from those before it; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, vocabulary), past, …)``; the loss only with labels.
        """
        outputs = self.transformer(
            input_ids,
            past,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        logits = self.lm_head(outputs[0])
        return self._output(
            "CTRLLMHeadModelOutput",
            loss=None if labels is None else causal_loss(logits, labels),
            logits=logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )
