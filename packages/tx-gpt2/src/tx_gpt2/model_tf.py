"""GPT-2 in Keras (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").

Mirrors ``model_torch``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.generation.generate_tf import KeyValueGeneration
from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_tf import CausalLM, DoubleHeads
from tx_core.models.layers_tf import (
    Conv1D,
    Embedding,
    LayerNorm,
    Module,
    ModuleList,
    OutputEmbedding,
    SequenceSummary,
)
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.pruning_tf import kept_columns, prune_linear

from .architecture import ARCHITECTURE
from .config import GPT2Config

Tensor = Any


class TFGPT2Attention(Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: GPT2Config, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = len(config.kept_heads(layer))
        width = self.num_heads * (config.n_embd // config.n_head)
        self.c_attn = Conv1D(config.n_embd, 3 * width, config.initializer_range, name="c_attn")
        self.c_proj = Conv1D(width, config.n_embd, config.residual_range, name="c_proj")
        self.dropout = keras.layers.Dropout(config.attn_pdrop, name="dropout")
        self.resid_dropout = keras.layers.Dropout(config.resid_pdrop, name="resid_dropout")
        self.scale = config.scale_attn_weights
        self.divisor = layer + 1 if config.scale_attn_by_inverse_layer_idx else 1
        self.upcast = config.reorder_and_upcast_attn

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = ops.split(self.c_attn(hidden_states), 3, axis=-1)  # each (B, S, N·D)
        if self.divisor != 1:
            query = query / self.divisor
        attended, weights, present = context.attend(
            query, key, value, self.num_heads, self.dropout, self.scale, self.upcast
        )
        return self.resid_dropout(self.c_proj(attended)), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.c_proj.in_features // self.num_heads  # D
        heads = np.concatenate([kept + part * self.num_heads for part in range(3)])  # of queries, keys and values
        prune_linear(self.c_attn, kept_columns(heads, width))
        prune_linear(self.c_proj, kept_columns(kept, width), dim=1)
        self.num_heads = len(kept)


class TFGPT2MLP(Module):
    """The feed-forward network."""

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.c_fc = Conv1D(config.n_embd, config.inner_size, config.initializer_range, name="c_fc")
        self.c_proj = Conv1D(config.inner_size, config.n_embd, config.residual_range, name="c_proj")
        self.activation = ACTIVATIONS[config.activation_function]
        self.dropout = keras.layers.Dropout(config.resid_pdrop, name="dropout")

    def call(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.activation(self.c_fc(hidden_states))))


class TFGPT2Block(Module):
    """Attention and the feed-forward network, each normalising its input and adding to it."""

    def __init__(self, config: GPT2Config, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon, name="ln_1")
        self.attn = TFGPT2Attention(config, layer, name="attn")
        self.ln_2 = LayerNorm(config.n_embd, config.layer_norm_epsilon, name="ln_2")
        self.mlp = TFGPT2MLP(config, name="mlp")

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attn(self.ln_1(hidden_states), context=context)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.ln_2(hidden_states)), weights, present


class TFGPT2MainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at, attention_at = "wte", "h", "attn"
    tables_at: ClassVar[dict[str, str]] = {"token_type_ids": "wte", "position_ids": "wpe"}

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        width, std = config.n_embd, config.initializer_range
        self.wte = Embedding(config.vocab_size, width, std, name="wte")
        self.wpe = Embedding(config.n_positions, width, std, name="wpe")
        self.drop = keras.layers.Dropout(config.embd_pdrop, name="drop")
        self.h = ModuleList((TFGPT2Block(config, i, name=str(i)) for i in range(config.n_layer)), name="h")
        self.ln_f = LayerNorm(width, config.layer_norm_epsilon, name="ln_f")

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H). Token types are tokens whose embeddings are added."""
        hidden_states = context.words(self.wte) + self.wpe(context.position_ids)
        if context.token_type_ids is not None:
            hidden_states = hidden_states + self.wte(context.token_type_ids)
        return self.drop(hidden_states)

    def finish(self, hidden_states: Tensor) -> Tensor:
        """What the last layer's states become."""
        return self.ln_f(hidden_states)

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
            token_type_ids: (B, S), tokens whose embeddings are added, such as a speaker's.
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


class TFGPT2PreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all GPT-2 models share."""

    config: GPT2Config


class TFGPT2Model(TFBareModel, TFGPT2PreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    main = TFGPT2MainLayer


class TFGPT2LMHeadModel(KeyValueGeneration, CausalLM, TFGPT2PreTrainedModel, published=True):
    """GPT-2 with a language model head; the weights are the word embeddings."""

    bare = TFGPT2MainLayer

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.lm_head = OutputEmbedding(config.n_embd, config.vocab_size, config.initializer_range, name="lm_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head


class TFGPT2DoubleHeadsModel(KeyValueGeneration, DoubleHeads, TFGPT2PreTrainedModel, published=True):
    """GPT-2 with a language model head and one that chooses between texts, as in SWAG or ROCStories."""

    bare = TFGPT2MainLayer
    new_heads = (("multiple_choice_head",),)

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.lm_head = OutputEmbedding(config.n_embd, config.vocab_size, config.initializer_range, name="lm_head")
        self.multiple_choice_head = SequenceSummary(config, labels=1, name="multiple_choice_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head
