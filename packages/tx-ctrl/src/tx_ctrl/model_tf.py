"""CTRL in Keras (Keskar et al. 2019, https://arxiv.org/abs/1909.05858). Mirrors ``model_torch``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from tx_core.generation.generate_tf import KeyValueGeneration
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_tf import CausalLM
from tx_core.models.layers_tf import Embedding, LayerNorm, Linear, Module, ModuleList, OutputEmbedding
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.positions_tf import Sinusoids
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.pruning_tf import kept_columns, prune_linear

from .architecture import ARCHITECTURE
from .config import CTRLConfig

Tensor = Any


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

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = self.Wq(hidden_states), self.Wk(hidden_states), self.Wv(hidden_states)  # (B, S, N·D)
        attended, weights, present = context.attend(query, key, value, self.num_heads)
        return self.dense(attended), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        index = kept_columns(kept, self.Wq.out_features // self.num_heads)
        for each in (self.Wq, self.Wk, self.Wv):
            prune_linear(each, index)
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

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.multi_head_attention(self.layernorm1(hidden_states), context=context)
        hidden_states = hidden_states + self.dropout1(attended)
        fed = self.layernorm2(hidden_states)
        for part in self.ffn:
            fed = part(fed)
        return hidden_states + self.dropout2(fed), weights, present


class TFCTRLMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at, attention_at = "w", "h", "multi_head_attention"
    tables_at: ClassVar[dict[str, str]] = {"token_type_ids": "w", "position_ids": "positions"}

    def __init__(self, config: CTRLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        width, std = config.n_embd, config.initializer_range
        self.w = Embedding(config.vocab_size, width, std, name="w")
        self.dropout = keras.layers.Dropout(config.embd_pdrop, name="dropout")
        self.h = ModuleList((TFCTRLEncoderLayer(config, i, name=str(i)) for i in range(config.n_layer)), name="h")
        self.layernorm = LayerNorm(width, config.layer_norm_epsilon, name="layernorm")
        self.positions = Sinusoids(config.n_positions, width, name="positions")

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H). Token types are tokens whose embeddings are added."""
        words = context.words(self.w)
        if context.token_type_ids is not None:
            words = words + self.w(context.token_type_ids)
        return self.dropout(words * self.config.n_embd**0.5 + self.positions(context.position_ids))

    def finish(self, hidden_states: Tensor) -> Tensor:
        """What the last layer's states become."""
        return self.layernorm(hidden_states)

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
        return_dict: bool | None = None,
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
            return_dict: False for a plain tuple, whose fields have no names.
            training: whether dropout is applied; not by default.

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
        )
        return self._output(return_dict, **context.through(self, self.h, self.embed(context), self.finish))


class TFCTRLPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all CTRL models share."""

    config: CTRLConfig


class TFCTRLModel(TFBareModel, TFCTRLPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    main = TFCTRLMainLayer


class TFCTRLLMHeadModel(KeyValueGeneration, CausalLM, TFCTRLPreTrainedModel, published=True):
    """CTRL with a language model head; the weights are the word embeddings, the bias its own."""

    bare = TFCTRLMainLayer
    # A bias alone, which a file of the bare model lacks.
    new_heads = (("lm_head.bias",),)

    def __init__(self, config: CTRLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.lm_head = OutputEmbedding(config.n_embd, config.vocab_size, config.initializer_range, True, name="lm_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head
