"""GPT-2 in Keras (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").

Mirrors ``model_torch``.

Shapes: B batch, C choices, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.generation.generate_tf import KeyValueGenerationMixin, Past, extend_past, past_length
from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import attend, attention_bias, layer_head_masks, merge_heads, split_heads
from tx_core.models.attention_tf import position_ids as positions_from_mask
from tx_core.models.layers_tf import (
    Conv1D,
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ModuleList,
    OutputEmbedding,
    prune_linear,
    replace_layer,
)
from tx_core.models.losses_tf import causal_loss, summarize, token_loss
from tx_core.models.pretrained_tf import (
    TFMainLayer,
    TFPreTrainedModel,
    as_rows,
    chosen,
    flatten_choices,
    from_rows,
    input_shape,
    one_of,
)
from tx_core.outputs import output
from tx_core.weights import WeightTable

from .config import GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP, GPT2Config
from .weights import WEIGHTS

Tensor = Any

TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "tf_model.h5") for name, url in GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


def residual_range(config: GPT2Config) -> float:
    """The standard deviation of new weights of what the layers add to the hidden states (§2.3 of the paper).

    It is scaled down by the root of how many they are.
    """
    return float(config.initializer_range / (2 * config.n_layer) ** 0.5)


class TFGPT2Attention(Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: GPT2Config, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = len(config.kept_heads(layer))
        width = self.num_heads * (config.n_embd // config.n_head)
        self.c_attn = Conv1D(config.n_embd, 3 * width, config.initializer_range, name="c_attn")
        self.c_proj = Conv1D(width, config.n_embd, residual_range(config), name="c_proj")
        self.dropout = keras.layers.Dropout(config.attn_pdrop, name="dropout")
        self.resid_dropout = keras.layers.Dropout(config.resid_pdrop, name="resid_dropout")
        self.scale = config.scale_attn_weights
        self.divisor = layer + 1 if config.scale_attn_by_inverse_layer_idx else 1
        self.upcast = config.reorder_and_upcast_attn

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        past: Past | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        query, key, value = ops.split(self.c_attn(hidden_states), 3, axis=-1)  # each (B, S, N·D)
        query, key, value = (split_heads(x, self.num_heads) for x in (query, key, value))  # (B, N, S, D)
        present = ops.stack((key, value))  # (2, B, N, S, D)
        if self.divisor != 1:
            query = query / self.divisor
        if self.upcast and self.compute_dtype in ("float16", "bfloat16"):
            query, key, value = (ops.cast(x, "float32") for x in (query, key, value))
            past = None if past is None else tuple(ops.cast(x, "float32") for x in (past[0], past[1]))
        context, weights = attend(query, key, value, bias, head_mask, self.dropout, need_weights, self.scale, past)
        context = merge_heads(ops.cast(context, self.compute_dtype))  # (B, S, N·D)
        return self.resid_dropout(self.c_proj(context)), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.c_proj.in_features // self.num_heads  # D
        index = (kept[:, None] * width + np.arange(width)).flatten()
        thirds = np.arange(3)[:, None] * (self.num_heads * width)  # queries, keys, values
        prune_linear(self.c_attn, (thirds + index).flatten())
        prune_linear(self.c_proj, index, dim=1)
        self.num_heads = len(kept)


class TFGPT2MLP(Module):
    """The feed-forward network."""

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.c_fc = Conv1D(config.n_embd, config.inner_size, config.initializer_range, name="c_fc")
        self.c_proj = Conv1D(config.inner_size, config.n_embd, residual_range(config), name="c_proj")
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

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        past: Past | None = None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        attended, weights, present = self.attn(
            self.ln_1(hidden_states), bias, head_mask, past=past, need_weights=need_weights
        )
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.ln_2(hidden_states)), weights, present


class TFGPT2SequenceSummary(Module):
    """The head that scores a whole sequence."""

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summary_type = config.summary_type
        self.first_dropout = keras.layers.Dropout(config.summary_first_dropout, name="first_dropout")
        outputs = 1 if config.summary_proj_to_labels else config.n_embd
        self.summary = (
            Linear(config.n_embd, outputs, config.initializer_range, name="summary")
            if config.summary_use_proj
            else keras.layers.Identity(name="summary")
        )
        self.activation = ACTIVATIONS[config.summary_activation or "linear"]

    def call(self, hidden_states: Tensor, mc_token_ids: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        vectors = summarize(hidden_states, self.summary_type, mc_token_ids, attention_mask)  # (B, H)
        return self.activation(self.summary(self.first_dropout(vectors)))  # (B, 1)


class TFGPT2MainLayer(TFMainLayer):
    """The bare model as a layer, for models with heads."""

    config_class = GPT2Config

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        width, std = config.n_embd, config.initializer_range
        self.wte = Embedding(config.vocab_size, width, std, name="wte")
        self.wpe = Embedding(config.n_positions, width, std, name="wpe")
        self.drop = keras.layers.Dropout(config.embd_pdrop, name="drop")
        self.h = ModuleList((TFGPT2Block(config, i, name=str(i)) for i in range(config.n_layer)), name="h")
        self.ln_f = LayerNorm(width, config.layer_norm_epsilon, name="ln_f")

    def get_input_embeddings(self) -> Any:
        return self.wte

    def set_input_embeddings(self, value: Any) -> None:
        replace_layer(self, "wte", value)

    def _prune_layer(self, layer: int, kept: np.ndarray[Any, Any]) -> None:
        self.h[layer].attn.prune(kept)

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
        """As :meth:`TFGPT2Model.call`."""
        config = self.config
        axes, (input_ids, attention_mask, token_type_ids, position_ids) = as_rows(
            input_ids, attention_mask, token_type_ids, position_ids
        )
        before = past_length(past, config.n_layer)
        _, length = input_shape(input_ids, inputs_embeds, config.vocab_size, config.n_positions, attention_mask, before)
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, before + length)
        bias = attention_bias(attention_mask, True, length, before + length, self.compute_dtype)
        hidden_states = self.wte(input_ids) if inputs_embeds is None else inputs_embeds
        hidden_states = hidden_states + self.wpe(position_ids)
        if token_type_ids is not None:
            hidden_states = hidden_states + self.wte(token_type_ids)
        hidden_states = self.drop(hidden_states)

        need_states = chosen(output_hidden_states, config.output_hidden_states)
        need_weights = chosen(output_attentions, config.output_attentions)
        head_masks = layer_head_masks(head_mask, config, self.compute_dtype)
        all_hidden_states, all_attentions, presents = [hidden_states], [], []
        for i, block in enumerate(self.h):
            hidden_states, weights, present = block(
                hidden_states, bias, head_masks[i], past=None if past is None else past[i], need_weights=need_weights
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
            presents.append(present)
        hidden_states = all_hidden_states[-1] = self.ln_f(hidden_states)
        return output(
            "GPT2ModelOutput",
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
        hidden_states = self.wte(input_ids) + self.wpe(position_ids)
        presents = []
        for i, block in enumerate(self.h):
            hidden_states, _, present = block(hidden_states, bias, None, past=None if memory is None else memory[i])
            presents.append(present)
        return self.ln_f(hidden_states[:, -1]), tuple(presents)


class TFGPT2PreTrainedModel(TFPreTrainedModel):
    """What all GPT-2 models share: the configuration and the weight table."""

    config: GPT2Config
    config_class = GPT2Config
    base_model_prefix = "transformer"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    pretrained_model_archive_map = TF_GPT2_PRETRAINED_MODEL_ARCHIVE_MAP


class TFGPT2Model(TFGPT2PreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    new_heads = ()

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = TFGPT2MainLayer(config, name="transformer")
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
            token_type_ids: (B, S), tokens whose embeddings are added, such as a speaker's.
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


class TFGPT2LMHeadModel(KeyValueGenerationMixin, TFGPT2PreTrainedModel):
    """GPT-2 with a language model head; the weights are the word embeddings."""

    new_heads = ()

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = TFGPT2MainLayer(config, name="transformer")
        self.lm_head = OutputEmbedding(config.n_embd, config.vocab_size, config.initializer_range, name="lm_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head

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
        """As :meth:`TFGPT2Model.call`.

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
            "GPT2LMHeadModelOutput",
            loss=None if labels is None else causal_loss(logits, labels),
            logits=logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )


class TFGPT2DoubleHeadsModel(KeyValueGenerationMixin, TFGPT2PreTrainedModel):
    """GPT-2 with a language model head and one that chooses between texts, as in SWAG or ROCStories."""

    new_heads = (("multiple_choice_head",),)

    def __init__(self, config: GPT2Config, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.transformer = TFGPT2MainLayer(config, name="transformer")
        self.lm_head = OutputEmbedding(config.n_embd, config.vocab_size, config.initializer_range, name="lm_head")
        self.multiple_choice_head = TFGPT2SequenceSummary(config, name="multiple_choice_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head

    def call(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        mc_token_ids: Tensor | None = None,
        lm_labels: Tensor | None = None,
        mc_labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFGPT2Model.call`, with one more axis: all inputs are (B, C, S), C the number of choices.

        Inputs may also be (B, S): one text a row, each with a score.

        Args:
            mc_token_ids: (B, C), the token whose state is scored; by default the last that is not padding.
            lm_labels (or ``labels``): (B, C, S), usually the input ids; -100 and -1 are ignored.
            mc_labels: (B,), the index of the right choice.

        Returns:
            ``(loss, mc_loss, logits (B, C, S, vocabulary), mc_logits (B, C), past, …)``; the language model's loss only
            with ``lm_labels``, the choice's only with ``mc_labels``. Past, hidden states and attentions are those of
            B·C texts.
        """
        given: Any = input_ids if input_ids is not None else inputs_embeds
        choices = given is not None and len(given.shape) == (3 if input_ids is not None else 4)
        if choices:
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds = map(
                flatten_choices, (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
            )
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
        mc_token_ids = None if mc_token_ids is None else ops.reshape(mc_token_ids, (-1,))
        mc_logits = self.multiple_choice_head(outputs[0], mc_token_ids, attention_mask)  # (B·C, 1)
        if mc_logits.shape[-1] == 1:
            mc_logits = ops.squeeze(mc_logits, -1)
        if choices:
            count = ops.shape(given)[1]
            logits, mc_logits = (ops.reshape(x, (-1, count, *ops.shape(x)[1:])) for x in (logits, mc_logits))
        lm_labels = one_of(lm_labels=lm_labels, labels=labels)
        return self._output(
            "GPT2DoubleHeadsModelOutput",
            loss=None if lm_labels is None else causal_loss(logits, lm_labels),
            mc_loss=None if mc_labels is None else token_loss(mc_logits, ops.reshape(mc_labels, (-1,))),
            logits=logits,
            mc_logits=mc_logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )
