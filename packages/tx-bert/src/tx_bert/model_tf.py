"""BERT in Keras (Devlin et al. 2018, https://arxiv.org/abs/1810.04805). Mirrors ``model_torch``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width (H = N·D), K keys (S, or the encoder's length).
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import first_token
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_tf import (
    Head,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from tx_core.models.layers_tf import Embedding, LayerNorm, Linear, Module, ModuleList, OutputEmbedding
from tx_core.models.losses import IGNORED
from tx_core.models.losses_tf import class_loss, token_loss
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.pruning_tf import kept_columns, prune_linear

from .architecture import ARCHITECTURE
from .config import BertConfig

Tensor = Any


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

    def call(self, context: ForwardContext) -> Tensor:
        words = context.words(self.word_embeddings)  # (B, S, H)
        if context.token_type_ids is None:
            segments = ops.cast(self.token_type_embeddings.embeddings[0], words.dtype)  # (H,)
        else:
            segments = self.token_type_embeddings(context.token_type_ids)  # (B, S, H)
        embeddings = words + segments + self.position_embeddings(context.position_ids)
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

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        source = hidden_states if context.source is None else context.source
        query, key, value = self.query(hidden_states), self.key(source), self.value(source)  # (B, S or K, N·D)
        return context.attend(query, key, value, self.num_attention_heads, self.dropout)


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

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.self(hidden_states, context=context)
        return self.output_(attended, hidden_states), weights, present

    def prune(self, kept: np.ndarray[Any, Any]) -> None:
        """Keep only the given heads, numbered as they are now."""
        attention = self.self
        index = kept_columns(kept, attention.query.out_features // attention.num_attention_heads)
        for each in (attention.query, attention.key, attention.value):
            prune_linear(each, index)
        prune_linear(self.output_.dense, index, dim=1)
        attention.num_attention_heads = len(kept)


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

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attention(hidden_states, context=context)
        if self.crossattention is not None and context.cross is not None:
            attended, _, _ = self.crossattention(attended, context=context.cross)
        return self.output_(self.intermediate(attended), attended), weights, present


class TFBertEncoder(Module):
    """The layers."""

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = (TFBertLayer(config, i, name=str(i)) for i in range(config.num_hidden_layers))
        self.layer = ModuleList(layers, name="layer")

    def call(self, hidden_states: Tensor, context: ForwardContext) -> dict[str, Any]:
        return context.through(self, self.layer, hidden_states)


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


class TFBertMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at, attention_at = "embeddings.word_embeddings", "encoder.layer", "attention"
    tables_at: ClassVar[dict[str, str]] = {
        "token_type_ids": "embeddings.token_type_embeddings",
        "position_ids": "embeddings.position_embeddings",
    }

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.embeddings = TFBertEmbeddings(config, name="embeddings")
        self.encoder = TFBertEncoder(config, name="encoder")
        self.pooler = TFBertPooler(config, name="pooler")

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
        return_dict: bool | None = None,
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
            return_dict: False for a plain tuple, whose fields have no names.
            training: whether dropout is applied; not by default.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, the sequence is longer than
                ``max_position_embeddings``, there is no token, an id is outside its table, or a shape does not fit.
        """
        context = ForwardContext.of(
            self,
            input_ids,
            inputs_embeds,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            causal=self.config.is_decoder,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        if encoder_hidden_states is not None and self.encoder.layer[0].crossattention is None:
            raise ValueError(
                "encoder_hidden_states need a decoder: set config.is_decoder = True before building the model"
            )
        fields = self.encoder(self.embeddings(context=context), context=context)
        last = fields.pop("last_hidden_state")
        pooled = self.pooler(last, attention_mask)
        return self._output(return_dict, last_hidden_state=last, pooler_output=pooled, **fields)


class TFBertPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all BERT models share."""

    config: BertConfig
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))


class TFBertModel(TFBareModel, TFBertPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), pooler_output (B, H))`` and, if asked for, ``hidden_states`` and
    ``attentions``. With ``config.is_decoder`` attention is causal; ``encoder_hidden_states`` (B, K, H) then feed its
    cross-attention.
    """

    main = TFBertMainLayer


class TFBertForPreTraining(Head, TFBertPreTrainedModel, published=True):
    """The model as it was pre-trained: masked language model and next-sentence prediction."""

    bare = TFBertMainLayer
    takes = ("masked_lm_labels", "next_sentence_label")
    also_takes = ("labels",)
    spellings: ClassVar[dict[str, str]] = {"labels": "masked_lm_labels"}
    new_heads = (("cls.predictions",), ("bert.pooler", "cls.seq_relationship"))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.cls = TFBertPreTrainingHeads(config, name="cls")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[Module, str]:
        return self.cls.predictions, "bias"

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict tokens, and whether sentences follow each other.

        Args:
            masked_lm_labels (or ``labels``): (B, S), the words to predict; -100 and -1 are ignored.
            next_sentence_label: (B,), 0 if the second sentence follows the first, 1 if it is a random one.

        Returns:
            ``(loss, prediction_logits (B, S, vocabulary), seq_relationship_logits (B, 2), …)``; the loss, the sum of
            the given labels' losses, only with labels.
        """
        outputs, own = self._read(given)
        prediction_logits = self.cls.predictions(outputs[0])
        seq_relationship_logits = self.cls.seq_relationship(outputs[1])
        losses = []
        if own["masked_lm_labels"] is not None:
            losses.append(token_loss(prediction_logits, own["masked_lm_labels"], self.spelt("masked_lm_labels")))
        if own["next_sentence_label"] is not None:
            labels = own["next_sentence_label"]
            losses.append(class_loss(seq_relationship_logits, labels, "next_sentence_label", IGNORED))
        return self._output(
            loss=sum(losses) if losses else None,
            prediction_logits=prediction_logits,
            seq_relationship_logits=seq_relationship_logits,
            rest=outputs,
        )


class TFBertForMaskedLM(MaskedLM, TFBertPreTrainedModel, published=True):
    """BERT with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    bare = TFBertMainLayer
    new_heads = (("cls.predictions",), ("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.cls = TFBertOnlyMLMHead(config, name="cls")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[Module, str]:
        return self.cls.predictions, "bias"

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.cls.predictions(outputs[0])


class TFBertForNextSentencePrediction(Head, TFBertPreTrainedModel, published=True):
    """BERT that says whether the second sentence follows the first."""

    bare = TFBertMainLayer
    takes = ("next_sentence_label",)
    also_takes = ("labels",)
    spellings: ClassVar[dict[str, str]] = {"labels": "next_sentence_label"}
    new_heads = (("bert.pooler", "cls.seq_relationship"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.cls = TFBertOnlyNSPHead(config, name="cls")
        self.init_weights()

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict whether sentences follow each other.

        Args:
            next_sentence_label (or ``labels``): (B,), 0 if the second sentence follows the first, 1 if it is random.

        Returns:
            ``(loss, logits (B, 2), …)``; the loss only with labels.
        """
        outputs, own = self._read(given)
        logits, labels = self.cls.seq_relationship(outputs[1]), own["next_sentence_label"]
        name = self.spelt("next_sentence_label")
        loss = None if labels is None else class_loss(logits, labels, name, IGNORED)
        return self._output(loss=loss, logits=logits, rest=outputs)


class TFBertForSequenceClassification(SequenceClassification, TFBertPreTrainedModel, published=True):
    """BERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = TFBertMainLayer
    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[1]))


class TFBertForMultipleChoice(MultipleChoice, TFBertPreTrainedModel, published=True):
    """BERT that scores several continuations of one context, as in SWAG."""

    bare = TFBertMainLayer
    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, 1, config.initializer_range, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[1]))


class TFBertForTokenClassification(TokenClassification, TFBertPreTrainedModel, published=True):
    """BERT that classifies every token, as in named-entity recognition."""

    bare = TFBertMainLayer
    new_heads = (("classifier",), ("bert.pooler",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.classifier = Linear(config.hidden_size, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[0]))


class TFBertForQuestionAnswering(QuestionAnswering, TFBertPreTrainedModel, published=True):
    """BERT that marks the first and last token of an answer, as in SQuAD."""

    bare = TFBertMainLayer
    new_heads = (("qa_outputs",), ("bert.pooler",))

    def __init__(self, config: BertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.qa_outputs = Linear(config.hidden_size, 2, config.initializer_range, name="qa_outputs")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(outputs[0])


def classifier_dropout(config: BertConfig) -> float:
    """The dropout before a classifier: its own, or else that of the hidden states."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout
