"""RoBERTa in Keras (Liu et al. 2019, https://arxiv.org/abs/1907.11692). Mirrors ``model_torch``.

The layers are BERT's. What differs stands here: positions, and the heads of language models and of sequences.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from keras import ops

from tx_bert.model_tf import (
    TFBertForMultipleChoice,
    TFBertForQuestionAnswering,
    TFBertForTokenClassification,
    TFBertMainLayer,
    TFBertPreTrainedModel,
    classifier_dropout,
)
from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import first_token, position_ids
from tx_core.models.heads_tf import MaskedLM, SequenceClassification
from tx_core.models.layers_tf import LayerNorm, Linear, Module, OutputEmbedding
from tx_core.models.main_layer_tf import TFBareModel

from .architecture import ARCHITECTURE
from .config import RobertaConfig

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class TFRobertaLMHead(Module):
    """Scores of every word; the weights are the word embeddings."""

    def __init__(self, config: RobertaConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, config.hidden_size, config.initializer_range, name="dense")
        self.layer_norm = LayerNorm(config.hidden_size, config.layer_norm_eps, name="layer_norm")
        self.decoder = OutputEmbedding(config.hidden_size, config.vocab_size, config.initializer_range, name="decoder")
        self.bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape: Any = None) -> None:
        super().build()
        size = self.decoder.num_embeddings
        self.bias = self.add_weight(shape=(size,), initializer=self.bias_initializer, name="bias")

    def call(self, hidden_states: Tensor) -> Tensor:
        # Whatever ``config.hidden_act`` is, as published.
        hidden_states = self.layer_norm(ACTIVATIONS["gelu"](self.dense(hidden_states)))
        return ops.add(self.decoder(hidden_states), self.bias)  # (B, S, vocabulary)


class TFRobertaClassificationHead(Module):
    """Scores of sequences, from the first token's state."""

    def __init__(self, config: RobertaConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = Linear(config.hidden_size, config.hidden_size, config.initializer_range, name="dense")
        self.dropout = keras.layers.Dropout(classifier_dropout(config), name="dropout")
        self.out_proj = Linear(config.hidden_size, config.num_labels, config.initializer_range, name="out_proj")

    def call(self, hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
        first = self.dropout(first_token(hidden_states, attention_mask))  # (B, H)
        return self.out_proj(self.dropout(ops.tanh(self.dense(first))))  # (B, labels)


class TFRobertaMainLayer(TFBertMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads.

    Positions begin at ``config.pad_token_id`` + 1, and padding does not count: see :meth:`make_positions`.
    """

    config: RobertaConfig

    def __init__(self, config: RobertaConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)

    def make_positions(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, length: Size, keys: Size
    ) -> Tensor:
        """Positions of a sequence's tokens, by their ids: padding has ``pad_token_id``, the others count from there.

        Without ids they count from each row's first unmasked token on.

        Source: fairseq, utils.make_positions.

        Returns:
            (B or 1, S).
        """
        padding = self.config.pad_token_id
        if input_ids is None:
            return position_ids(attention_mask, length, keys) + (padding + 1)
        present = ops.cast(input_ids != padding, "int32")
        return ops.cumsum(present, axis=-1) * present + padding


class TFRobertaPreTrainedModel(TFBertPreTrainedModel, architecture=ARCHITECTURE):
    """What all RoBERTa models share."""

    config: RobertaConfig
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("roberta.pooler",),
        ("roberta.encoder.layer.{i}.crossattention",),
    )


class TFRobertaModel(TFBareModel, TFRobertaPreTrainedModel, published=True):
    """The bare model.

    It is called as :class:`TFBertModel` is, and returns the same.
    """

    main = TFRobertaMainLayer


class TFRobertaForMaskedLM(MaskedLM, TFRobertaPreTrainedModel, published=True):
    """RoBERTa with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    bare = TFRobertaMainLayer
    new_heads = (("lm_head",), ("roberta.pooler",), ("roberta.encoder.layer.{i}.crossattention",))

    def __init__(self, config: RobertaConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.lm_head = TFRobertaLMHead(config, name="lm_head")
        self.init_weights()

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_head.decoder

    def _output_bias(self) -> tuple[Module, str]:
        return self.lm_head, "bias"

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.lm_head(outputs[0])


class TFRobertaForSequenceClassification(SequenceClassification, TFRobertaPreTrainedModel, published=True):
    """RoBERTa with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = TFRobertaMainLayer
    new_heads = (("classifier",), ("roberta.pooler",))

    def __init__(self, config: RobertaConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.classifier = TFRobertaClassificationHead(config, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs[0], attention_mask)


class TFRobertaForMultipleChoice(TFRobertaPreTrainedModel, TFBertForMultipleChoice, published=True):
    """RoBERTa that scores several continuations of one context, as in SWAG."""

    bare: ClassVar[type[Any]] = TFRobertaMainLayer
    new_heads = (("roberta.pooler", "classifier"),)


class TFRobertaForTokenClassification(TFRobertaPreTrainedModel, TFBertForTokenClassification, published=True):
    """RoBERTa that classifies every token, as in named-entity recognition."""

    bare: ClassVar[type[Any]] = TFRobertaMainLayer
    new_heads = (("classifier",), ("roberta.pooler",))


class TFRobertaForQuestionAnswering(TFRobertaPreTrainedModel, TFBertForQuestionAnswering, published=True):
    """RoBERTa that marks the first and last token of an answer, as in SQuAD."""

    bare: ClassVar[type[Any]] = TFRobertaMainLayer
    new_heads = (("qa_outputs",), ("roberta.pooler",))
