"""XLM in Keras (Lample & Conneau 2019, https://arxiv.org/abs/1901.07291). Mirrors ``model_torch``.

Shapes: B batch, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.generation.generate_tf import KeyValueGeneration
from tx_core.models.adaptive_softmax_tf import AdaptiveSoftmax
from tx_core.models.attention_tf import is_set
from tx_core.models.blocks_tf import FeedForward, SelfAttention
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_tf import (
    BeamQuestionAnswering,
    Head,
    LanguageModelling,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from tx_core.models.inputs_tf import Kept, is_dense, readable
from tx_core.models.layers_tf import (
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ModuleList,
    OutputEmbedding,
    SequenceSummary,
)
from tx_core.models.losses_tf import token_loss
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.positions_tf import SinusoidalEmbedding
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.squad_head_tf import SQuADHead

from .architecture import ARCHITECTURE
from .config import XLMConfig
from .inputs import check_lengths, read_cache, refuse_generation, with_languages

Tensor = Any


class TFXLMPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all XLM models share."""

    config: XLMConfig


class TFXLMMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    # The parts of a layer stand in lists of their own; attention is the one that has heads.
    words_at, layers_at = "embeddings", "attentions"
    tables_at: ClassVar[dict[str, str]] = {"token_type_ids": "embeddings", "position_ids": "position_embeddings"}

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        width, layers, epsilon = config.emb_dim, range(config.n_layers), config.layer_norm_eps
        positions, std = config.max_position_embeddings, config.embed_init_std
        self.position_embeddings = (
            SinusoidalEmbedding(positions, width, name="position_embeddings")
            if config.sinusoidal_embeddings
            else Embedding(positions, width, std, name="position_embeddings")
        )
        if config.has_lang_embeddings:
            self.lang_embeddings = Embedding(config.n_langs, width, std, name="lang_embeddings")
        self.embeddings = Embedding(config.vocab_size, width, std, name="embeddings")
        self.layer_norm_emb = LayerNorm(width, epsilon, name="layer_norm_emb")
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")
        heads, dropout = [len(config.kept_heads(i)) for i in layers], config.attention_dropout
        self.attentions = ModuleList(
            (
                SelfAttention(width, heads[i], width // config.n_heads, dropout, config.init_std, name=str(i))
                for i in layers
            ),
            name="attentions",
        )
        self.layer_norm1 = ModuleList((LayerNorm(width, epsilon, name=str(i)) for i in layers), name="layer_norm1")
        activation = "gelu" if config.gelu_activation else "relu"
        self.ffns = ModuleList(
            (FeedForward(width, 4 * width, activation, config.dropout, config.init_std, name=str(i)) for i in layers),
            name="ffns",
        )
        self.layer_norm2 = ModuleList((LayerNorm(width, epsilon, name=str(i)) for i in layers), name="layer_norm2")

    def rows_of(self, name: str) -> tuple[int | None, str]:
        """As :meth:`TFMainLayer.rows_of`. Languages count also where nothing is added for them."""
        return (self.config.n_langs, "") if name == "langs" else super().rows_of(name)

    def _prune_layer(self, layer: int, kept: np.ndarray[Any, Any]) -> None:
        self.attentions[layer].prune(kept)

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H). Token types are tokens whose embeddings are added."""
        embeddings = context.words(self.embeddings) + self.position_embeddings(context.position_ids)
        if "langs" in context.extra and self.config.has_lang_embeddings:
            embeddings = embeddings + self.lang_embeddings(context.extra["langs"])
        if context.token_type_ids is not None:
            embeddings = embeddings + self.embeddings(context.token_type_ids)
        return self.dropout(self.layer_norm_emb(embeddings))

    def layer(
        self, index: int, hidden_states: Tensor, context: LayerContext, present: Tensor | None = None
    ) -> LayerOutput:
        """One layer: attention and the feed-forward network, each added to its input and normalised.

        Args:
            present: (B, S, 1), what the states are multiplied by: 1 for tokens, 0 for padding; None for no padding.
        """
        attended, weights, kept = self.attentions[index](hidden_states, context=context)
        hidden_states = self.layer_norm1[index](hidden_states + self.dropout(attended))
        hidden_states = self.layer_norm2[index](hidden_states + self.ffns[index](hidden_states))
        return hidden_states if present is None else hidden_states * present, weights, kept

    def layer_calls(self, present: Tensor | None = None) -> list[Callable[..., LayerOutput]]:
        """As :meth:`TFMainLayer.layer_calls`; ``present`` as in :meth:`layer`."""
        return [partial(self.layer, index, present=present) for index in range(self.config.n_layers)]

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        langs: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        lengths: Tensor | None = None,
        cache: Kept | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode a batch.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S) or (B, S, S), 1 for tokens to attend to, 0 for padding.
            langs: (B, S), the language of each token; by default nothing is added for it.
            token_type_ids: (B, S), tokens whose embeddings are added.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            lengths: (B,), instead of an attention mask how many tokens each row has, which stand before its padding; by
                default as many as are not ``config.pad_index``. With an attention mask it is not read.
            cache: a dictionary for the keys and values of a causal model, ``{}`` at first. Each call computes what it
                does not hold of ``input_ids``, which are all tokens so far, as are the other inputs; returns that; and
                adds to it: ``slen``, how many tokens it holds, and for layer i at i keys and values, a pair of
                (B, N, K, D).
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            output_attentions, output_hidden_states: override the configuration.
            return_dict: False for a plain tuple, whose fields have no names.
            training: whether dropout is applied; not by default.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, the sequence is longer than
                ``max_position_embeddings``, there is no token, an id is outside its table, a shape does not fit, or
                the cache is none of this model's.
        """
        attention_mask = padding_mask(self.config, input_ids, inputs_embeds, attention_mask, lengths)
        past: Any = None
        if cache is not None:
            start, past = read_cache(self.config, cache.entries)
            past = None if past is None else [ops.stack(pair) for pair in past]  # (2, B, N, P, D)
            given = (input_ids, inputs_embeds, langs, token_type_ids, position_ids)
            rest = (None if x is None else x[:, start:] for x in given)
            input_ids, inputs_embeds, langs, token_type_ids, position_ids = rest
        context = ForwardContext.of(
            self,
            input_ids,
            inputs_embeds,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            past,
            causal=self.config.causal,
            use_cache=cache is not None,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            extra={"langs": langs},
        )
        states, present = self.embed(context), None
        if attention_mask is not None and len(attention_mask.shape) == 2:
            present = ops.expand_dims(ops.cast(is_set(attention_mask[:, -context.length :]), states.dtype), -1)
            states = states * present  # (B, S, 1)
        fields = context.through(self, self.layer_calls(present), states)
        kept = fields.pop("past")
        if cache is not None:
            cache.entries |= {i: tuple(ops.unstack(pair)) for i, pair in enumerate(kept)}
            cache.entries["slen"] = context.before + context.length
        return self._output(return_dict, **fields)


class TFXLMModel(TFBareModel, TFXLMPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H),)`` and, if asked for, ``hidden_states`` and ``attentions``. With
    ``config.causal`` attention is to earlier positions. States of padding are 0.
    """

    main = TFXLMMainLayer


def padding_mask(
    config: XLMConfig,
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    attention_mask: Tensor | None,
    lengths: Tensor | None,
) -> Tensor | None:
    """The attention mask, or that of rows of so many tokens: (B, S). None where there is no padding.

    Without lengths a row has as many tokens as are not ``config.pad_index``. So the models of 2019 have it.

    Raises:
        ValueError: if the lengths are not (B,), or one is that of no row.
    """
    read = input_ids if input_ids is not None else inputs_embeds
    if attention_mask is not None or read is None or not is_dense(read) or len(read.shape) < 2:
        return attention_mask
    batch, length = ops.shape(read)[:2]
    if lengths is not None:
        least, most = (None, None) if not readable(lengths) else (int(ops.min(lengths)), int(ops.max(lengths)))
        check_lengths(tuple(lengths.shape), batch, length, least, most)
    elif input_ids is None:
        return None
    else:
        tokens = ops.cast(ops.not_equal(input_ids, config.pad_index), "int32")
        lengths = ops.sum(tokens, axis=1)
    return ops.expand_dims(ops.arange(length, dtype="int32"), 0) < ops.expand_dims(ops.cast(lengths, "int32"), 1)


class TFXLMHead(Head):
    """What the heads of XLM share: they are told of padding as the bare model finds it."""

    def _read(self, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        names = ("input_ids", "inputs_embeds", "attention_mask", "lengths")
        given["attention_mask"] = padding_mask(self.config, *(given.get(name) for name in names))  # type: ignore[attr-defined]
        return super()._read(given)


class TFXLMPredLayer(Module):
    """The head of :class:`TFXLMWithLMHeadModel`."""

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        sizes, std = (config.emb_dim, config.vocab_size), config.init_std
        self.proj: Any = (
            AdaptiveSoftmax(*sizes, config.asm_cutoffs, config.asm_div_value, std, name="proj")
            if config.asm
            else OutputEmbedding(*sizes, std, use_bias=True, name="proj")
        )

    def call(self, hidden_states: Tensor) -> Tensor:
        return self.proj(hidden_states)  # (B, S, vocabulary)


class TFXLMWithLMHeadModel(KeyValueGeneration, TFXLMHead, LanguageModelling, TFXLMPreTrainedModel, published=True):
    """XLM with a language model head; its weights are the word embeddings, its bias its own.

    With ``config.asm`` it is an adaptive softmax: logits are logarithms of probabilities, and nothing is tied.
    """

    bare = TFXLMMainLayer
    takes = ("labels",)
    new_heads = (("pred_layer",),)
    generation_inputs = ("langs",)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.pred_layer = TFXLMPredLayer(config, name="pred_layer")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding | None:
        return None if self.config.asm else self.pred_layer.proj

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict tokens.

        Args:
            labels: (B, S), the words to predict in place, of a causal model too: the next token's label stands where
                it is predicted, one place before the token; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, vocabulary), …)``; the loss only with labels.
        """
        outputs, own = self._read(given)
        logits = self.pred_layer(outputs[0])
        loss = None if own["labels"] is None else token_loss(logits, own["labels"])
        return self._output(loss=loss, logits=logits, rest=outputs)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the last one's states (R, H)."""
        return self.pred_layer(states) if self.config.asm else super().score(states)

    def _prepare(self) -> None:
        refuse_generation(self.config)
        super()._prepare()

    def _run(self, prompts: Any, *args: Any, **own: Any) -> Any:
        return super()._run(with_languages(self.config, prompts), *args, **own)


class TFXLMForSequenceClassification(TFXLMHead, SequenceClassification, TFXLMPreTrainedModel, published=True):
    """XLM with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = TFXLMMainLayer
    new_heads = (("sequence_summary",),)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.sequence_summary = SequenceSummary(config, config.num_labels, name="sequence_summary")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.sequence_summary(outputs[0], None, attention_mask)


class TFXLMForQuestionAnsweringSimple(TFXLMHead, QuestionAnswering, TFXLMPreTrainedModel, published=True):
    """XLM that marks the first and last token of an answer, as in SQuAD."""

    bare = TFXLMMainLayer
    new_heads = (("qa_outputs",),)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.qa_outputs = Linear(config.emb_dim, 2, config.init_std, name="qa_outputs")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(outputs[0])


class TFXLMForQuestionAnswering(TFXLMHead, BeamQuestionAnswering, TFXLMPreTrainedModel, published=True):
    """XLM that finds the likeliest answers, and whether there is one, as in SQuAD 2.0."""

    bare = TFXLMMainLayer
    new_heads = (("qa_outputs",),)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.qa_outputs = SQuADHead(config, config.init_std, name="qa_outputs")
        self.init_weights()


class TFXLMForTokenClassification(TFXLMHead, TokenClassification, TFXLMPreTrainedModel, published=True):
    """XLM that classifies every token, as in named-entity recognition."""

    bare = TFXLMMainLayer
    new_heads = (("classifier",),)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")
        self.classifier = Linear(config.emb_dim, config.num_labels, config.init_std, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[0]))


class TFXLMForMultipleChoice(TFXLMHead, MultipleChoice, TFXLMPreTrainedModel, published=True):
    """XLM that scores several continuations of one context, as in SWAG."""

    bare = TFXLMMainLayer
    new_heads = (("sequence_summary", "logits_proj"),)

    def __init__(self, config: XLMConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.sequence_summary = SequenceSummary(config, config.num_labels, name="sequence_summary")
        self.logits_proj = Linear(config.summary_width, 1, config.init_std, name="logits_proj")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.logits_proj(self.sequence_summary(outputs[0], None, attention_mask))
