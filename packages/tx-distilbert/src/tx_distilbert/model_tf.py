"""DistilBERT in Keras (Sanh et al. 2019, https://arxiv.org/abs/1910.01108). Mirrors ``model_torch``.

Shapes: B batch, S sequence, K keys, C choices, N heads, H hidden size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import ops

from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import first_token
from tx_core.models.blocks_tf import FeedForward, SelfAttention
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_tf import (
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from tx_core.models.layers_tf import Embedding, LayerNorm, Linear, Module, ModuleList, OutputEmbedding
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.positions_tf import SinusoidalEmbedding
from tx_core.models.pretrained_tf import TFPreTrainedModel

from .architecture import ARCHITECTURE
from .config import LAYER_NORM_EPS, DistilBertConfig

Tensor = Any


class TFDistilBertEmbeddings(Module):
    """Sum of word and position embeddings, normalised."""

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        positions, std = config.max_position_embeddings, config.initializer_range
        self.word_embeddings = Embedding(config.vocab_size, config.dim, std, name="word_embeddings")
        self.position_embeddings = (
            SinusoidalEmbedding(positions, config.dim, name="position_embeddings")
            if config.sinusoidal_pos_embds
            else Embedding(positions, config.dim, std, name="position_embeddings")
        )
        self.LayerNorm = LayerNorm(config.dim, LAYER_NORM_EPS, name="LayerNorm")
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")

    def call(self, context: ForwardContext) -> Tensor:
        embeddings = context.words(self.word_embeddings) + self.position_embeddings(context.position_ids)  # (B, S, H)
        return self.dropout(self.LayerNorm(embeddings))


class TFDistilBertLayer(Module):
    """Attention and the feed-forward network, each added to its input and normalised."""

    def __init__(self, config: DistilBertConfig, layer: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        heads, width, std = len(config.kept_heads(layer)), config.dim // config.n_heads, config.initializer_range
        self.attention = SelfAttention(config.dim, heads, width, config.attention_dropout, std, name="attention")
        self.sa_layer_norm = LayerNorm(config.dim, LAYER_NORM_EPS, name="sa_layer_norm")
        self.ffn = FeedForward(config.dim, config.hidden_dim, config.activation, config.dropout, std, name="ffn")
        self.output_layer_norm = LayerNorm(config.dim, LAYER_NORM_EPS, name="output_layer_norm")

    def call(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attention(hidden_states, context=context)
        attended = self.sa_layer_norm(attended + hidden_states)
        return self.output_layer_norm(self.ffn(attended) + attended), weights, present


class TFDistilBertTransformer(Module):
    """The layers."""

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = (TFDistilBertLayer(config, i, name=str(i)) for i in range(config.n_layers))
        self.layer = ModuleList(layers, name="layer")

    def call(self, hidden_states: Tensor, context: ForwardContext) -> dict[str, Any]:
        return context.through(self, self.layer, hidden_states)


class TFDistilBertMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at, attention_at = "embeddings.word_embeddings", "transformer.layer", "attention"
    tables_at: ClassVar[dict[str, str]] = {"position_ids": "embeddings.position_embeddings"}

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.embeddings = TFDistilBertEmbeddings(config, name="embeddings")
        self.transformer = TFDistilBertTransformer(config, name="transformer")

    def call(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode a batch. Positions are counted from each row's first token that is not padding.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S) or (B, S, K), 1 for tokens to attend to, 0 for padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
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
            head_mask=head_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        fields = self.transformer(self.embeddings(context=context), context=context)
        return self._output(return_dict, **fields)


class TFDistilBertPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all DistilBERT models share."""

    config: DistilBertConfig


class TFDistilBertModel(TFBareModel, TFDistilBertPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H),)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    main = TFDistilBertMainLayer


class TFDistilBertForMaskedLM(MaskedLM, TFDistilBertPreTrainedModel, published=True):
    """DistilBERT with a language model head, whose weights are the word embeddings; its bias is its own."""

    bare = TFDistilBertMainLayer
    new_heads = (("vocab_transform", "vocab_layer_norm", "vocab_projector"),)

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        std = config.initializer_range
        self.activation = ACTIVATIONS[config.activation]
        self.vocab_transform = Linear(config.dim, config.dim, std, name="vocab_transform")
        self.vocab_layer_norm = LayerNorm(config.dim, LAYER_NORM_EPS, name="vocab_layer_norm")
        self.vocab_projector = OutputEmbedding(config.dim, config.vocab_size, std, True, name="vocab_projector")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.vocab_projector

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        transformed = self.vocab_layer_norm(self.activation(self.vocab_transform(outputs[0])))  # (B, S, H)
        return self.vocab_projector(transformed)  # (B, S, vocabulary)


class TFDistilBertForSequenceClassification(SequenceClassification, TFDistilBertPreTrainedModel, published=True):
    """DistilBERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = TFDistilBertMainLayer
    new_heads = (("pre_classifier", "classifier"),)

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.pre_classifier = Linear(config.dim, config.dim, config.initializer_range, name="pre_classifier")
        self.classifier = Linear(config.dim, config.num_labels, config.initializer_range, name="classifier")
        self.dropout = keras.layers.Dropout(config.seq_classif_dropout, name="dropout")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        pooled = self.pre_classifier(first_token(outputs[0], attention_mask))  # (B, H)
        return self.classifier(self.dropout(ops.relu(pooled)))


class TFDistilBertForTokenClassification(TokenClassification, TFDistilBertPreTrainedModel, published=True):
    """DistilBERT that classifies every token, as in named-entity recognition."""

    bare = TFDistilBertMainLayer
    new_heads = (("classifier",),)

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")
        self.classifier = Linear(config.dim, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[0]))


class TFDistilBertForQuestionAnswering(QuestionAnswering, TFDistilBertPreTrainedModel, published=True):
    """DistilBERT that marks the first and last token of an answer, as in SQuAD."""

    bare = TFDistilBertMainLayer
    new_heads = (("qa_outputs",),)

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.qa_outputs = Linear(config.dim, 2, config.initializer_range, name="qa_outputs")
        self.dropout = keras.layers.Dropout(config.qa_dropout, name="dropout")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(self.dropout(outputs[0]))


class TFDistilBertForMultipleChoice(MultipleChoice, TFDistilBertPreTrainedModel, published=True):
    """DistilBERT that scores several continuations of one context, as in SWAG."""

    bare = TFDistilBertMainLayer
    new_heads = (("pre_classifier", "classifier"),)

    def __init__(self, config: DistilBertConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.pre_classifier = Linear(config.dim, config.dim, config.initializer_range, name="pre_classifier")
        self.classifier = Linear(config.dim, 1, config.initializer_range, name="classifier")
        self.dropout = keras.layers.Dropout(config.seq_classif_dropout, name="dropout")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        pooled = self.pre_classifier(first_token(outputs[0], attention_mask))  # (B·C, H)
        return self.classifier(self.dropout(ops.relu(pooled)))
