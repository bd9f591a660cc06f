"""DistilBERT in PyTorch (Sanh et al. 2019, https://arxiv.org/abs/1910.01108). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, K keys, C choices, N heads, H hidden size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import first_token
from tx_core.models.blocks_torch import FeedForward, SelfAttention
from tx_core.models.forward_torch import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_torch import (
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from tx_core.models.positions_torch import SinusoidalEmbedding
from tx_core.models.pretrained_torch import PreTrainedModel

from .architecture import ARCHITECTURE
from .config import LAYER_NORM_EPS, DistilBertConfig


class DistilBertEmbeddings(nn.Module):
    """Sum of word and position embeddings, normalised."""

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        table = SinusoidalEmbedding if config.sinusoidal_pos_embds else nn.Embedding
        self.word_embeddings = nn.Embedding(config.vocab_size, config.dim, padding_idx=config.pad_token_id)
        self.position_embeddings = table(config.max_position_embeddings, config.dim)
        self.LayerNorm = nn.LayerNorm(config.dim, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, context: ForwardContext) -> Tensor:
        embeddings = context.words(self.word_embeddings) + self.position_embeddings(context.position_ids)  # (B, S, H)
        return self.dropout(self.LayerNorm(embeddings))


class DistilBertLayer(nn.Module):
    """Attention and the feed-forward network, each added to its input and normalised."""

    def __init__(self, config: DistilBertConfig, layer: int) -> None:
        super().__init__()
        heads, width = len(config.kept_heads(layer)), config.dim // config.n_heads
        self.attention = SelfAttention(config.dim, heads, width, config.attention_dropout)
        self.sa_layer_norm = nn.LayerNorm(config.dim, eps=LAYER_NORM_EPS)
        self.ffn = FeedForward(config.dim, config.hidden_dim, config.activation, config.dropout)
        self.output_layer_norm = nn.LayerNorm(config.dim, eps=LAYER_NORM_EPS)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attention(hidden_states, context)
        attended = self.sa_layer_norm(attended + hidden_states)
        return self.output_layer_norm(self.ffn(attended) + attended), weights, present


class DistilBertTransformer(nn.Module):
    """The layers."""

    gradient_checkpointing = False

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(DistilBertLayer(config, i) for i in range(config.n_layers))

    def forward(self, hidden_states: Tensor, context: ForwardContext) -> dict[str, Any]:
        return context.through(self, self.layer, hidden_states)


class DistilBertPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all DistilBERT models share."""

    config: DistilBertConfig


class DistilBertModel(DistilBertPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H),)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    words_at, layers_at, attention_at = "embeddings.word_embeddings", "transformer.layer", "attention"
    tables_at: ClassVar[dict[str, str]] = {"position_ids": "embeddings.position_embeddings"}

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.embeddings = DistilBertEmbeddings(config)
        self.transformer = DistilBertTransformer(config)
        self.init_weights()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        skip_padding: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Encode a batch. Positions are counted from each row's first token that is not padding.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S) or (B, S, K), 1 for tokens to attend to, 0 for padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
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
            head_mask=head_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            skip_padding=skip_padding,
        )
        return self._output(return_dict, **self.transformer(self.embeddings(context), context))


class DistilBertForMaskedLM(MaskedLM, DistilBertPreTrainedModel, published=True):
    """DistilBERT with a language model head, whose weights are the word embeddings; its bias is its own."""

    bare = DistilBertModel
    new_heads = (("vocab_transform", "vocab_layer_norm", "vocab_projector"),)

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.activation = ACTIVATIONS[config.activation]
        self.vocab_transform = nn.Linear(config.dim, config.dim)
        self.vocab_layer_norm = nn.LayerNorm(config.dim, eps=LAYER_NORM_EPS)
        self.vocab_projector = nn.Linear(config.dim, config.vocab_size)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.vocab_projector

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        transformed = self.vocab_layer_norm(self.activation(self.vocab_transform(outputs[0])))  # (B, S, H)
        return self.vocab_projector(transformed)  # (B, S, vocabulary)


class DistilBertForSequenceClassification(SequenceClassification, DistilBertPreTrainedModel, published=True):
    """DistilBERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = DistilBertModel
    new_heads = (("pre_classifier", "classifier"),)

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.pre_classifier = nn.Linear(config.dim, config.dim)
        self.classifier = nn.Linear(config.dim, config.num_labels)
        self.dropout = nn.Dropout(config.seq_classif_dropout)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        pooled = self.pre_classifier(first_token(outputs[0], attention_mask))  # (B, H)
        return self.classifier(self.dropout(torch.relu(pooled)))


class DistilBertForTokenClassification(TokenClassification, DistilBertPreTrainedModel, published=True):
    """DistilBERT that classifies every token, as in named-entity recognition."""

    bare = DistilBertModel
    new_heads = (("classifier",),)

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(config.dim, config.num_labels)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(self.dropout(outputs[0]))


class DistilBertForQuestionAnswering(QuestionAnswering, DistilBertPreTrainedModel, published=True):
    """DistilBERT that marks the first and last token of an answer, as in SQuAD."""

    bare = DistilBertModel
    new_heads = (("qa_outputs",),)

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.qa_outputs = nn.Linear(config.dim, 2)
        self.dropout = nn.Dropout(config.qa_dropout)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(self.dropout(outputs[0]))


class DistilBertForMultipleChoice(MultipleChoice, DistilBertPreTrainedModel, published=True):
    """DistilBERT that scores several continuations of one context, as in SWAG."""

    bare = DistilBertModel
    new_heads = (("pre_classifier", "classifier"),)

    def __init__(self, config: DistilBertConfig) -> None:
        super().__init__(config)
        self.pre_classifier = nn.Linear(config.dim, config.dim)
        self.classifier = nn.Linear(config.dim, 1)
        self.dropout = nn.Dropout(config.seq_classif_dropout)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        pooled = self.pre_classifier(first_token(outputs[0], attention_mask))  # (B·C, H)
        return self.classifier(self.dropout(torch.relu(pooled)))
