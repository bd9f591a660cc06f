"""BERT in PyTorch (Devlin et al. 2018, https://arxiv.org/abs/1810.04805). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width (H = N·D), K keys (S, or the encoder's length).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import first_token
from tx_core.models.conversion import load_original_weights
from tx_core.models.forward_torch import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_torch import (
    Head,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    on_padding,
)
from tx_core.models.losses import IGNORED
from tx_core.models.losses_torch import class_loss, token_loss
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.pruning_torch import kept_columns, prune_linear

from .architecture import ARCHITECTURE
from .config import BertConfig


class BertEmbeddings(nn.Module):
    """Sum of word, position and segment embeddings, normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, context: ForwardContext) -> Tensor:
        words = context.words(self.word_embeddings)  # (B, S, H)
        if context.token_type_ids is None:
            segments = self.token_type_embeddings.weight[0]  # (H,)
        else:
            segments = self.token_type_embeddings(context.token_type_ids)  # (B, S, H)
        embeddings = words + segments + self.position_embeddings(context.position_ids)
        return self.dropout(self.LayerNorm(embeddings))


class BertSelfAttention(nn.Module):
    """Multi-head attention of a sequence to itself, or to an encoder's output."""

    def __init__(self, config: BertConfig, num_heads: int) -> None:
        super().__init__()
        self.num_attention_heads = num_heads
        width = num_heads * (config.hidden_size // config.num_attention_heads)
        self.query = nn.Linear(config.hidden_size, width)
        self.key = nn.Linear(config.hidden_size, width)
        self.value = nn.Linear(config.hidden_size, width)
        self.dropout = config.attention_probs_dropout_prob

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        source = hidden_states if context.source is None else context.source
        query, key, value = self.query(hidden_states), self.key(source), self.value(source)  # (B, S or K, N·D)
        dropout = self.dropout if self.training else 0.0
        return context.attend(query, key, value, self.num_attention_heads, dropout)


class BertSelfOutput(nn.Module):
    """Projection of what attention found, added to its input and normalised."""

    def __init__(self, config: BertConfig, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + residual)


class BertAttention(nn.Module):
    """Attention with its projection; heads can be removed."""

    def __init__(self, config: BertConfig, num_heads: int) -> None:
        super().__init__()
        self.self = BertSelfAttention(config, num_heads)
        self.output = BertSelfOutput(config, self.self.query.out_features)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.self(hidden_states, context)
        return self.output(attended, hidden_states), weights, present

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        attention = self.self
        index = kept_columns(kept, attention.query.out_features // attention.num_attention_heads)
        for name in ("query", "key", "value"):
            setattr(attention, name, prune_linear(getattr(attention, name), index))
        attention.num_attention_heads = len(kept)
        self.output.dense = prune_linear(self.output.dense, index, dim=1)


class BertIntermediate(nn.Module):
    """The first half of the feed-forward network."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.hidden_act]

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.activation(self.dense(hidden_states))


class BertOutput(nn.Module):
    """The second half of the feed-forward network, added to its input and normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.intermediate_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: Tensor, residual: Tensor) -> Tensor:
        return self.LayerNorm(self.dropout(self.dense(hidden_states)) + residual)


class BertLayer(nn.Module):
    """Self-attention, in a decoder also cross-attention, and the feed-forward network."""

    def __init__(self, config: BertConfig, layer: int) -> None:
        super().__init__()
        self.attention = BertAttention(config, len(config.kept_heads(layer)))
        self.crossattention = BertAttention(config, config.num_attention_heads) if config.has_cross_attention else None
        self.intermediate = BertIntermediate(config)
        self.output = BertOutput(config)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attention(hidden_states, context)
        if self.crossattention is not None and context.cross is not None:
            attended, _, _ = self.crossattention(attended, context.cross)
        return self.output(self.intermediate(attended), attended), weights, present


class BertEncoder(nn.Module):
    """The layers."""

    gradient_checkpointing = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config, i) for i in range(config.num_hidden_layers))

    def forward(self, hidden_states: Tensor, context: ForwardContext) -> dict[str, Any]:
        return context.through(self, self.layer, hidden_states)


class BertPooler(nn.Module):
    """The first token's state through a layer trained on next-sentence prediction."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
        return torch.tanh(self.dense(first_token(hidden_states, attention_mask)))  # (B, H)


class BertPredictionHeadTransform(nn.Module):
    """What precedes the output embeddings of the language model head."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.hidden_act]
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.LayerNorm(self.activation(self.dense(hidden_states)))


class BertLMPredictionHead(nn.Module):
    """Scores of every word; the weights are the word embeddings."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = BertPredictionHeadTransform(config)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.decoder(self.transform(hidden_states)) + self.bias  # (B, S, vocabulary)


class BertOnlyMLMHead(nn.Module):
    """The head of :class:`BertForMaskedLM`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(config)


class BertOnlyNSPHead(nn.Module):
    """The head of :class:`BertForNextSentencePrediction`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.seq_relationship = nn.Linear(config.hidden_size, 2)


class BertPreTrainingHeads(nn.Module):
    """The heads of :class:`BertForPreTraining`."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(config)
        self.seq_relationship = nn.Linear(config.hidden_size, 2)


class BertPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all BERT models share."""

    config: BertConfig
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))


class BertModel(BertPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), pooler_output (B, H))`` and, if asked for, ``hidden_states`` and
    ``attentions``. With ``config.is_decoder`` attention is causal; ``encoder_hidden_states`` (B, K, H) then feed its
    cross-attention.
    """

    words_at, layers_at, attention_at = "embeddings.word_embeddings", "encoder.layer", "attention"
    tables_at: ClassVar[dict[str, str]] = {
        "token_type_ids": "embeddings.token_type_embeddings",
        "position_ids": "embeddings.position_embeddings",
    }

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config)
        self.init_weights()

    def forward(
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
        skip_padding: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode a batch.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S) or (B, S, K), 1 for tokens to attend to, 0 for padding.
            token_type_ids: (B, S), the segment of each token; 0 by default.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            encoder_hidden_states: (B, K, H), and encoder_attention_mask: (B, K), for the cross-attention of a decoder.
            output_attentions, output_hidden_states: override the configuration.
            return_dict: False for a plain tuple, whose fields have no names.
            skip_padding: overrides the model's.

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
            skip_padding=skip_padding,
        )
        if encoder_hidden_states is not None and self.encoder.layer[0].crossattention is None:
            raise ValueError(
                "encoder_hidden_states need a decoder: set config.is_decoder = True before building the model"
            )
        fields = self.encoder(self.embeddings(context), context)
        last = fields.pop("last_hidden_state")
        pooled = self.pooler(last, attention_mask)
        return self._output(return_dict, last_hidden_state=last, pooler_output=pooled, **fields)


class BertForPreTraining(Head, BertPreTrainedModel, published=True):
    """The model as it was pre-trained: masked language model and next-sentence prediction."""

    bare = BertModel
    takes = ("masked_lm_labels", "next_sentence_label")
    also_takes = ("labels",)
    spellings: ClassVar[dict[str, str]] = {"labels": "masked_lm_labels"}
    new_heads = (("cls.predictions",), ("bert.pooler", "cls.seq_relationship"))

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.cls = BertPreTrainingHeads(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.cls.predictions, "bias"

    def _needs_padding(self, own: dict[str, Any], attention_mask: Tensor | None) -> bool:
        return on_padding(own["masked_lm_labels"], attention_mask)

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


class BertForMaskedLM(MaskedLM, BertPreTrainedModel, published=True):
    """BERT with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    bare = BertModel
    new_heads = (("cls.predictions",), ("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))
    unread = ("pooler",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.cls = BertOnlyMLMHead(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.cls.predictions, "bias"

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.cls.predictions(outputs[0])


class BertForNextSentencePrediction(Head, BertPreTrainedModel, published=True):
    """BERT that says whether the second sentence follows the first."""

    bare = BertModel
    takes = ("next_sentence_label",)
    also_takes = ("labels",)
    spellings: ClassVar[dict[str, str]] = {"labels": "next_sentence_label"}
    new_heads = (("bert.pooler", "cls.seq_relationship"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.cls = BertOnlyNSPHead(config)
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


class BertForSequenceClassification(SequenceClassification, BertPreTrainedModel, published=True):
    """BERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = BertModel
    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[1]))


class BertForMultipleChoice(MultipleChoice, BertPreTrainedModel, published=True):
    """BERT that scores several continuations of one context, as in SWAG."""

    bare = BertModel
    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[1]))


class BertForTokenClassification(TokenClassification, BertPreTrainedModel, published=True):
    """BERT that classifies every token, as in named-entity recognition."""

    bare = BertModel
    new_heads = (("classifier",), ("bert.pooler",))
    unread = ("pooler",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[0]))


class BertForQuestionAnswering(QuestionAnswering, BertPreTrainedModel, published=True):
    """BERT that marks the first and last token of an answer, as in SQuAD."""

    bare = BertModel
    new_heads = (("qa_outputs",), ("bert.pooler",))
    unread = ("pooler",)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(outputs[0])


def classifier_dropout(config: BertConfig) -> float:
    """The dropout before a classifier: its own, or else that of the hidden states."""
    return config.hidden_dropout_prob if config.classifier_dropout is None else config.classifier_dropout


# The name of 2019.
load_tf_weights_in_bert = load_original_weights
