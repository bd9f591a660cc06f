"""CTRL in Keras (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). Mirrors ``model_torch``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.generation.generate_tf import KeyValueGenerationMixin, Past, extend_past, past_length
from tx_core.models.attention_tf import attend, attention_bias, layer_head_masks, merge_heads, split_heads
from tx_core.models.attention_tf import position_ids as positions_from_mask
from tx_core.models.layers_tf import (
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ModuleList,
    OutputEmbedding,
    prune_linear,
    replace_layer,
)
from tx_core.models.losses_tf import causal_loss
from tx_core.models.pretrained_tf import (
    TFMainLayer,
    TFPreTrainedModel,
    as_rows,
    chosen,
    from_rows,
    input_shape,
)
from tx_core.outputs import output
from tx_core.weights import WeightTable

from .config import CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP, CTRLConfig
from .positions import frequencies
from .weights import WEIGHTS

Tensor = Any

TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "tf_model.h5") for name, url in CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


class TFCTRLMultiHeadAttention(Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: CTRLConfig, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = len(config.kept_heads(layer))
        width, std = self.num_heads * (config.n_embd // config.n_head), config.initializer_range
        self.Wq = Linear(config.n_embd, width, std, name="Wq")
        self.Wk = Linear(config.n_embd, width, std, name="Wk")
        self.Wv = Linear(config.n_embd, width, std, name="Wv")
        self.dense = Linear(width, config.n_embd, std, name="dense")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        past: Past | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        query = split_heads(self.Wq(hidden_states), self.num_heads)  # (B, N, S, D)
        key = split_heads(self.Wk(hidden_states), self.num_heads)
        value = split_heads(self.Wv(hidden_states), self.num_heads)
        present = ops.stack((key, value))  # (2, B, N, S, D)
        context, weights = attend(query, key, value, bias, head_mask, None, need_weights, past=past)
        return self.dense(merge_heads(context)), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.Wq.out_features // self.num_heads  # D
        index = (kept[:, None] * width + np.arange(width)).flatten()
        prune_linear(self.Wq, index)
        prune_linear(self.Wk, index)
        prune_linear(self.Wv, index)
        prune_linear(self.dense, index, dim=1)
        self.num_heads = len(kept)


class TFCTRLEncoderLayer(Module):
    """Attention and the feed-forward network, each normalising its input and adding to it."""

    def __init__(self, config: CTRLConfig, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width, std, epsilon = config.n_embd, config.initializer_range, config.layer_norm_epsilon
        self.multi_head_attention = TFCTRLMultiHeadAttention(config, layer, name="multi_head_attention")
        self.ffn = ModuleList(
            (
                Linear(width, config.dff, std, name="0"),
                keras.layers.Activation("relu", name="1"),
                Linear(config.dff, width, std, name="2"),
            ),
            name="ffn",
        )
        self.layernorm1 = LayerNorm(width, epsilon, name="layernorm1")
        self.layernorm2 = LayerNorm(width, epsilon, name="layernorm2")
        self.dropout1 = keras.layers.Dropout(config.resid_pdrop, name="dropout1")
        self.dropout2 = keras.layers.Dropout(config.resid_pdrop, name="dropout2")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        past: Past | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        attended, weights, present = self.multi_head_attention(
            self.layernorm1(hidden_states), bias, head_mask, past=past, need_weights=need_weights
        )
        hidden_states = hidden_states + self.dropout1(attended)
        fed = self.layernorm2(hidden_states)
        for part in self.ffn:
            fed = part(fed)
        return hidden_states + self.dropout2(fed), weights, present


class TFCTRLMainLayer(TFMainLayer):
    """The bare model as a layer, for models with heads."""

    config_class = CTRLConfig

    def __init__(self, config: CTRLConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        width, std = config.n_embd, config.initializer_range
        self.w = Embedding(config.vocab_size, width, std, name="w")
        self.dropout = keras.layers.Dropout(config.embd_pdrop, name="dropout")
        self.h = ModuleList((TFCTRLEncoderLayer(config, i, name=str(i)) for i in range(config.n_layer)), name="h")
        self.layernorm = LayerNorm(width, config.layer_norm_epsilon, name="layernorm")
        self.frequencies = frequencies(width)

    def get_input_embeddings(self) -> Any:
        return self.w

    def set_input_embeddings(self, value: Any) -> None:
        replace_layer(self, "w", value)

    def _prune_layer(self, layer: int, kept: np.ndarray[Any, Any]) -> None:
        self.h[layer].multi_head_attention.prune(kept)

    def _positions(self, position_ids: Tensor) -> Tensor:
        """Sines, then cosines: (B, S) → (B, S, H). In float64, as published: angles are large at late positions."""
        angles = ops.expand_dims(ops.cast(position_ids, "float64"), -1) * ops.convert_to_tensor(self.frequencies)
        return ops.cast(ops.concatenate((ops.sin(angles), ops.cos(angles)), axis=-1), self.compute_dtype)

    def call(
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
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFCTRLModel.call`."""
        config = self.config
        axes, (input_ids, attention_mask, token_type_ids, position_ids) = as_rows(
            input_ids, attention_mask, token_type_ids, position_ids
        )
        before = past_length(past, config.n_layer)
        _, length = input_shape(input_ids, inputs_embeds, config.vocab_size, config.n_positions, attention_mask, before)
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, before + length)
        bias = attention_bias(attention_mask, True, length, before + length, self.compute_dtype)
        hidden_states = self.w(input_ids) if inputs_embeds is None else inputs_embeds
        if token_type_ids is not None:
            hidden_states = hidden_states + self.w(token_type_ids)
        hidden_states = self.dropout(hidden_states * config.n_embd**0.5 + self._positions(position_ids))

        need_states = chosen(output_hidden_states, config.output_hidden_states)
        need_weights = chosen(output_attentions, config.output_attentions)
        head_masks = layer_head_masks(head_mask, config, self.compute_dtype)
        all_hidden_states, all_attentions, presents = [hidden_states], [], []
        for i, layer in enumerate(self.h):
            hidden_states, weights, present = layer(
                hidden_states, bias, head_masks[i], past=None if past is None else past[i], need_weights=need_weights
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
            presents.append(present)
        hidden_states = all_hidden_states[-1] = self.layernorm(hidden_states)
        return output(
            "CTRLModelOutput",
            last_hidden_state=from_rows(hidden_states, axes),
            past=extend_past(past, presents) if chosen(use_cache, config.use_cache) else None,
            hidden_states=tuple(from_rows(x, axes) for x in all_hidden_states) if need_states else None,
            attentions=tuple(from_rows(x, axes) for x in all_attentions) if need_weights else None,
        )

    def _decode(
        self, input_ids: Tensor, position_ids: Tensor, bias: Tensor, memory: Sequence[Past] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Read the next tokens (B, S), after those of the memory. For ``generate``.

        Returns:
            The last token's state (B, H), and per layer the keys and values of the new tokens, (2, B, N, S, D).
        """
        hidden_states = self.w(input_ids) * self.config.n_embd**0.5 + self._positions(position_ids)
        presents = []
        for i, layer in enumerate(self.h):
            hidden_states, _, present = layer(hidden_states, bias, None, past=None if memory is None else memory[i])
            presents.append(present)
        return self.layernorm(hidden_states[:, -1]), tuple(presents)


class TFCTRLPreTrainedModel(TFPreTrainedModel):
    """What all CTRL models share: the configuration and the weight table."""

    config: CTRLConfig
    config_class = CTRLConfig
    base_model_prefix = "transformer"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    pretrained_model_archive_map = TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP


class TFCTRLModel(TFCTRLPreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    new_heads = ()

    def __init__(self, config: CTRLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = TFCTRLMainLayer(config, name="transformer")
        self.init_weights()

    def call(
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
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a batch, or its continuation.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

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
            training: whether dropout is applied; not by default.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, past and sequence are longer
                than ``n_positions``, or a shape does not fit.
        """
        return self.transformer(
            input_ids,
            past,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )


class TFCTRLLMHeadModel(KeyValueGenerationMixin, TFCTRLPreTrainedModel):
    """CTRL with a language model head; the weights are the word embeddings, the bias its own."""

    # A bias alone, which a file of the bare model lacks.
    new_heads = (("lm_head.bias",),)

    def __init__(self, config: CTRLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = TFCTRLMainLayer(config, name="transformer")
        self.lm_head = OutputEmbedding(
            config.n_embd, config.vocab_size, config.initializer_range, use_bias=True, name="lm_head"
        )
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head

    def _output_bias(self) -> tuple[OutputEmbedding, str]:
        return self.lm_head, "bias"

    def call(
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
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFCTRLModel.call`.

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
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.lm_head(outputs[0])
        return self._output(
            "CTRLLMHeadModelOutput",
            loss=None if labels is None else causal_loss(logits, labels),
            logits=logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )
