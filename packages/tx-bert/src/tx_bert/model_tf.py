"""BERT in Keras (Devlin et al. 2018, https://arxiv.org/abs/1810.04805). Mirrors ``model_torch``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width (H = N·D), K keys (S, or the encoder's length).
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import (
    allowed_by_mask,
    allowed_to_bias,
    attend,
    attention_bias,
    first_token,
    layer_head_masks,
    merge_heads,
    split_heads,
)
from tx_core.models.attention_tf import (
    position_ids as positions_from_mask,
)
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
from tx_core.models.losses_tf import causal_loss, sequence_loss, span_loss, token_loss
from tx_core.models.pretrained_tf import (
    TFMainLayer,
    TFPreTrainedModel,
    check_together,
    choices,
    chosen,
    flatten_choices,
    input_shape,
    one_of,
)
from tx_core.outputs import output
from tx_core.weights import WeightTable

from .config import BERT_PRETRAINED_CONFIG_ARCHIVE_MAP, BertConfig
from .weights import WEIGHTS

Tensor = Any

TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "tf_model.h5") for name, url in BERT_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


class TFBertEmbeddings(Module):
    """Sum of word, position and segment embeddings, normalised."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        width, std = config.hidden_size, config.initializer_range
        self.word_embeddings = Embedding(config.vocab_size, width, std, name="word_embeddings")
        self.position_embeddings = Embedding(config.max_position_embeddings, width, std, name="position_embeddings")
        self.token_type_embeddings = Embedding(config.type_vocab_size, width, std, name="token_type_embeddings")
        self.LayerNorm = LayerNorm(width, config.layer_norm_eps, name="LayerNorm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout_prob, name="dropout")

    def call(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds  # (B, S, H)
        if token_type_ids is None:
            segments = ops.cast(self.token_type_embeddings.embeddings[0], words.dtype)  # (H,)
        else:
            segments = self.token_type_embeddings(token_type_ids)  # (B, S, H)
        embeddings = words + segments + self.position_embeddings(position_ids)
        return self.dropout(self.LayerNorm(embeddings))


class TFBertSelfAttention(Module):
    """Multi-head attention of a sequence to itself, or to an encoder's output."""

    def __init__(self, config: BertConfig, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_attention_heads = num_heads
        width = num_heads * (config.hidden_size // config.num_attention_heads)
        self.query = Linear(config.hidden_size, width, config.initializer_range, name="query")
        self.key = Linear(config.hidden_size, width, config.initializer_range, name="key")
        self.value = Linear(config.hidden_size, width, config.initializer_range, name="value")
        self.dropout = keras.layers.Dropout(config.attention_probs_dropout_prob, name="dropout")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = split_heads(self.query(hidden_states), self.num_attention_heads)  # (B, N, S, D)
        key = split_heads(self.key(source), self.num_attention_heads)  # (B, N, K, D)
        value = split_heads(self.value(source), self.num_attention_heads)  # (B, N, K, D)
        context, weights = attend(query, key, value, bias, head_mask, self.dropout, need_weights)
        return merge_heads(context), weights  # (B, S, N·D), (B, N, S, K)


class TFBertSelfOutput(Module):
    """Projection of what attention found, added to its input and normalised."""

    def __init__(self, config: BertConfig, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(width, config.hidden_size, config.initializer_range, name="dense")
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps, name="LayerNorm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout_prob, name="dropout")

    def call(self, hidden_states: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + residual)


class TFBertAttention(Module):
    """Attention with its projection; heads can be removed."""

    def __init__(self, config: BertConfig, num_heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.self = TFBertSelfAttention(config, num_heads, name="self")
        self.output_ = TFBertSelfOutput(config, self.self.query.out_features, name="output")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        context, weights = self.self(hidden_states, bias, head_mask, encoder_hidden_states, need_weights=need_weights)
        return self.output_(context, hidden_states), weights

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        attention = self.self
        width = attention.query.out_features // attention.num_attention_heads  # D
        index = (kept[:, None] * width + np.arange(width)).flatten()
        prune_linear(attention.query, index)
        prune_linear(attention.key, index)
        prune_linear(attention.value, index)
        attention.num_attention_heads = len(kept)
        prune_linear(self.output_.dense, index, dim=1)


class TFBertIntermediate(Module):
    """The first half of the feed-forward network."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, config.intermediate_size, config.initializer_range, name="dense")
        self.activation = ACTIVATIONS[config.hidden_act]

    def call(self, hidden_states: Tensor) -> Tensor:
        return self.activation(self.dense(hidden_states))


class TFBertOutput(Module):
    """The second half of the feed-forward network, added to its input and normalised."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.intermediate_size, config.hidden_size, config.initializer_range, name="dense")
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps, name="LayerNorm")
        self.dropout = keras.layers.Dropout(config.hidden_dropout_prob, name="dropout")

    def call(self, hidden_states: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + residual)


class TFBertLayer(Module):
    """Self-attention, in a decoder also cross-attention, and the feed-forward network."""

    def __init__(self, config: BertConfig, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = TFBertAttention(config, len(config.kept_heads(layer)), name="attention")
        self.crossattention = (
            TFBertAttention(config, config.num_attention_heads, name="crossattention")
            if config.has_cross_attention
            else None
        )
        self.intermediate = TFBertIntermediate(config, name="intermediate")
        self.output_ = TFBertOutput(config, name="output")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        encoder_bias: Tensor | None,
        encoder_head_mask: Tensor | None,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(hidden_states, bias, head_mask, None, need_weights=need_weights)
        if self.crossattention is not None and encoder_hidden_states is not None:
            attended, _ = self.crossattention(attended, encoder_bias, encoder_head_mask, encoder_hidden_states)
        return self.output_(self.intermediate(attended), attended), weights


class TFBertEncoder(Module):
    """The layers."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = (TFBertLayer(config, i, name=str(i)) for i in range(config.num_hidden_layers))
        self.layer = ModuleList(layers, name="layer")

    def call(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_masks: list[Tensor | None],
        encoder_hidden_states: Tensor | None,
        encoder_bias: Tensor | None,
        encoder_head_masks: list[Tensor | None],
        output_attentions: bool = False,
        output_hidden_states: bool = False,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None, tuple[Tensor, ...] | None]:
        all_hidden_states = [hidden_states]
        all_attentions = []
        for layer, head_mask, encoder_head_mask in zip(self.layer, head_masks, encoder_head_masks, strict=True):
            hidden_states, weights = layer(
                hidden_states,
                bias,
                head_mask,
                encoder_hidden_states,
                encoder_bias,
                encoder_head_mask,
                need_weights=output_attentions,
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
        return (
            hidden_states,
            tuple(all_hidden_states) if output_hidden_states else None,
            tuple(all_attentions) if output_attentions else None,
        )


class TFBertPooler(Module):
    """The first token's state through a layer trained on next-sentence prediction."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, config.hidden_size, config.initializer_range, name="dense")

    def call(self, hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
        return ops.tanh(self.dense(first_token(hidden_states, attention_mask)))  # (B, H)


class TFBertPredictionHeadTransform(Module):
    """What precedes the output embeddings of the language model head."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, config.hidden_size, config.initializer_range, name="dense")
        self.activation = ACTIVATIONS[config.hidden_act]
        self.LayerNorm = LayerNorm(config.hidden_size, config.layer_norm_eps, name="LayerNorm")

    def call(self, hidden_states: Tensor) -> Tensor:
        return self.LayerNorm(self.activation(self.dense(hidden_states)))


class TFBertLMPredictionHead(Module):
    """Scores of every word; the weights are the word embeddings."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transform = TFBertPredictionHeadTransform(config, name="transform")
        self.decoder = OutputEmbedding(config.hidden_size, config.vocab_size, config.initializer_range, name="decoder")
        self.bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape: Any = None) -> None:
        super().build()
        size = self.decoder.num_embeddings
        self.bias = self.add_weight(shape=(size,), initializer=self.bias_initializer, name="bias")

    def call(self, hidden_states: Tensor) -> Tensor:
        return ops.add(self.decoder(self.transform(hidden_states)), self.bias)  # (B, S, vocabulary)


class TFBertOnlyMLMHead(Module):
    """The head of :class:`TFBertForMaskedLM`."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.predictions = TFBertLMPredictionHead(config, name="predictions")


class TFBertOnlyNSPHead(Module):
    """The head of :class:`TFBertForNextSentencePrediction`."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seq_relationship = Linear(config.hidden_size, 2, config.initializer_range, name="seq_relationship")


class TFBertPreTrainingHeads(Module):
    """The heads of :class:`TFBertForPreTraining`."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.predictions = TFBertLMPredictionHead(config, name="predictions")
        self.seq_relationship = Linear(config.hidden_size, 2, config.initializer_range, name="seq_relationship")


class TFBertMainLayer(TFMainLayer):
    """The bare model as a layer, for models with heads."""

    config_class = BertConfig

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        self.embeddings = TFBertEmbeddings(config, name="embeddings")
        self.encoder = TFBertEncoder(config, name="encoder")
        self.pooler = TFBertPooler(config, name="pooler")

    def get_input_embeddings(self) -> Any:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: Any) -> None:
        replace_layer(self.embeddings, "word_embeddings", value)

    def _prune_layer(self, layer: int, kept: np.ndarray[Any, Any]) -> None:
        self.encoder.layer[layer].attention.prune(kept)

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`."""
        config = self.config
        _, length = input_shape(
            input_ids, inputs_embeds, config.vocab_size, config.max_position_embeddings, attention_mask
        )
        if encoder_hidden_states is not None and self.encoder.layer[0].crossattention is None:
            raise ValueError(
                "encoder_hidden_states need a decoder: set config.is_decoder = True before building the model"
            )
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, length)
        bias = attention_bias(attention_mask, config.is_decoder, length, length, self.compute_dtype)
        encoder_bias = None
        if encoder_attention_mask is not None:
            encoder_bias = allowed_to_bias(allowed_by_mask(encoder_attention_mask), self.compute_dtype)
        hidden_states = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        hidden_states, all_hidden_states, all_attentions = self.encoder(
            hidden_states,
            bias,
            layer_head_masks(head_mask, config, self.compute_dtype),
            encoder_hidden_states,
            encoder_bias,
            layer_head_masks(head_mask, config, self.compute_dtype, pruned=False),
            output_attentions=chosen(output_attentions, config.output_attentions),
            output_hidden_states=chosen(output_hidden_states, config.output_hidden_states),
        )
        return output(
            "BertModelOutput",
            last_hidden_state=hidden_states,
            pooler_output=self.pooler(hidden_states, attention_mask),
            hidden_states=all_hidden_states,
            attentions=all_attentions,
        )


class TFBertPreTrainedModel(TFPreTrainedModel):
    """What all BERT models share: the configuration and the weight table."""

    config: BertConfig
    config_class = BertConfig
    base_model_prefix = "bert"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))
    pretrained_model_archive_map = TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP


class TFBertModel(TFBertPreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), pooler_output (B, H))`` and, if asked for, ``hidden_states`` and
    ``attentions``. With ``config.is_decoder`` attention is causal; ``encoder_hidden_states`` (B, K, H) then feed its
    cross-attention.
    """

    new_heads = TFBertPreTrainedModel.new_heads

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.bert = TFBertMainLayer(config, name="bert")
        self.init_weights()

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode a batch.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S) or (B, S, K), 1 for tokens to attend to, 0 for padding.
            token_type_ids: (B, S), the segment of each token; 0 by default.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            encoder_hidden_states: (B, K, H), and encoder_attention_mask: (B, K), for the cross-attention of a decoder.
            output_attentions, output_hidden_states: override the configuration.
            training: whether dropout is applied; not by default.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, the sequence is longer than
                ``max_position_embeddings``, or a shape does not fit.
        """
        return self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            encoder_hidden_states,
            encoder_attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )


class TFBertForPreTraining(TFBertPreTrainedModel):
    """The model as it was pre-trained: masked language model and next-sentence prediction."""

    new_heads = (("cls.predictions",), ("bert.pooler", "cls.seq_relationship"))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.bert = TFBertMainLayer(config, name="bert")
        self.cls = TFBertPreTrainingHeads(config, name="cls")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[Module, str]:
        return self.cls.predictions, "bias"

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        masked_lm_labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            masked_lm_labels (or ``labels``): (B, S), the words to predict; -100 and -1 are ignored.
            next_sentence_label: (B,), 0 if the second sentence follows the first, 1 if it is a random one.

        Returns:
            ``(loss, prediction_logits (B, S, vocabulary), seq_relationship_logits (B, 2), …)``; the loss, the sum of
            the given labels' losses, only with labels.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        prediction_logits = self.cls.predictions(outputs[0])
        seq_relationship_logits = self.cls.seq_relationship(outputs[1])
        losses = []
        masked_lm_labels = one_of(masked_lm_labels=masked_lm_labels, labels=labels)
        if masked_lm_labels is not None:
            losses.append(token_loss(prediction_logits, masked_lm_labels))
        if next_sentence_label is not None:
            losses.append(token_loss(seq_relationship_logits, ops.reshape(next_sentence_label, (-1,))))
        return self._output(
            "BertForPreTrainingOutput",
            loss=sum(losses) if losses else None,
            prediction_logits=prediction_logits,
            seq_relationship_logits=seq_relationship_logits,
            rest=outputs,
        )


class TFBertForMaskedLM(TFBertPreTrainedModel):
    """BERT with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    new_heads = (("cls.predictions",), ("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.bert = TFBertMainLayer(config, name="bert")
        self.cls = TFBertOnlyMLMHead(config, name="cls")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[Module, str]:
        return self.cls.predictions, "bias"

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        masked_lm_labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        lm_labels: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            masked_lm_labels (or ``labels``): (B, S), the words to predict in place; -100 and -1 are ignored.
            lm_labels: (B, S), usually the input ids, each to be predicted from those before it (a decoder's loss).

        Returns:
            ``(loss, logits (B, S, vocabulary), …)``; the loss only with labels. With both kinds of labels both losses
            come first: ``(lm_loss, loss, logits, …)``.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            encoder_hidden_states,
            encoder_attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.cls.predictions(outputs[0])
        masked_lm_labels = one_of(masked_lm_labels=masked_lm_labels, labels=labels)
        loss = None if masked_lm_labels is None else token_loss(logits, masked_lm_labels)
        lm_loss = None if lm_labels is None else causal_loss(logits, lm_labels)
        if loss is None:
            lm_loss, loss = None, lm_loss
        return self._output(
            "BertForMaskedLMOutput",
            lm_loss=lm_loss,
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class TFBertForNextSentencePrediction(TFBertPreTrainedModel):
    """BERT that says whether the second sentence follows the first."""

    new_heads = (("bert.pooler", "cls.seq_relationship"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.bert = TFBertMainLayer(config, name="bert")
        self.cls = TFBertOnlyNSPHead(config, name="cls")
        self.init_weights()

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            next_sentence_label (or ``labels``): (B,), 0 if the second sentence follows the first, 1 if it is random.

        Returns:
            ``(loss, logits (B, 2), …)``; the loss only with labels.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.cls.seq_relationship(outputs[1])
        next_sentence_label = one_of(next_sentence_label=next_sentence_label, labels=labels)
        loss = None if next_sentence_label is None else token_loss(logits, ops.reshape(next_sentence_label, (-1,)))
        return self._output(
            "BertForNextSentencePredictionOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class TFBertForSequenceClassification(TFBertPreTrainedModel):
    """BERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.bert = TFBertMainLayer(config, name="bert")
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            labels: (B,), classes, or numbers if ``config.num_labels`` is 1.

        Returns:
            ``(loss, logits (B, num_labels), …)``; the loss only with labels.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.classifier(self.dropout(outputs[1]))
        loss = None if labels is None else sequence_loss(logits, labels, self.config)
        return self._output(
            "BertForSequenceClassificationOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class TFBertForMultipleChoice(TFBertPreTrainedModel):
    """BERT that scores several continuations of one context, as in SWAG."""

    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.bert = TFBertMainLayer(config, name="bert")
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, 1, config.initializer_range, name="classifier")
        self.init_weights()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Token ids (3, 2, 5) with which the model can be called."""
        return {"input_ids": ops.stack([super().dummy_inputs["input_ids"]] * 2, axis=1)}

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`, with one more axis: all inputs are (B, C, S), C the number of choices.

        Args:
            labels: (B,), the index of the right choice.

        Returns:
            ``(loss, logits (B, C), …)``; the loss only with labels.
        """
        num_choices = choices(input_ids, inputs_embeds)
        outputs = self.bert(
            flatten_choices(input_ids),
            flatten_choices(attention_mask),
            flatten_choices(token_type_ids),
            flatten_choices(position_ids),
            head_mask,
            flatten_choices(inputs_embeds),
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = ops.reshape(self.classifier(self.dropout(outputs[1])), (-1, num_choices))
        loss = None if labels is None else token_loss(logits, ops.reshape(labels, (-1,)))
        return self._output(
            "BertForMultipleChoiceOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class TFBertForTokenClassification(TFBertPreTrainedModel):
    """BERT that classifies every token, as in named-entity recognition."""

    new_heads = (("classifier",), ("bert.pooler",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.bert = TFBertMainLayer(config, name="bert")
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            labels: (B, S), classes; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, num_labels), …)``; the loss only with labels.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.classifier(self.dropout(outputs[0]))
        loss = None if labels is None else token_loss(logits, labels)
        return self._output(
            "BertForTokenClassificationOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class TFBertForQuestionAnswering(TFBertPreTrainedModel):
    """BERT that marks the first and last token of an answer, as in SQuAD."""

    new_heads = (("qa_outputs",), ("bert.pooler",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.bert = TFBertMainLayer(config, name="bert")
        self.qa_outputs = Linear(config.hidden_size, 2, config.initializer_range, name="qa_outputs")
        self.init_weights()

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`TFBertModel.call`.

        Args:
            start_positions, end_positions: (B,), the answer's first and last token; those beyond the sequence are
                ignored.

        Returns:
            ``(loss, start_logits (B, S), end_logits (B, S), …)``; the loss only with both positions.
        """
        outputs = self.bert(
            input_ids,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        logits = self.qa_outputs(outputs[0])
        start_logits, end_logits = logits[..., 0], logits[..., 1]
        check_together(start_positions=start_positions, end_positions=end_positions)
        loss = None
        if start_positions is not None and end_positions is not None:
            loss = span_loss(start_logits, end_logits, start_positions, end_positions)
        return self._output(
            "BertForQuestionAnsweringOutput",
            loss=loss,
            start_logits=start_logits,
            end_logits=end_logits,
            rest=outputs,
        )


def classifier_dropout(config: BertConfig) -> float:
    """The dropout before a classifier: its own, or else that of the hidden states."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
