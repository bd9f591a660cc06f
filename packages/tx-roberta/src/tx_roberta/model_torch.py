"""RoBERTa in PyTorch (Liu et al. 2019, https://arxiv.org/abs/1907.11692). Mirrored by ``model_tf``.

The layers are BERT's. What differs stands here: positions, and the heads of language models and of sequences.

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tx_bert.model_torch import (
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForTokenClassification,
    BertModel,
    BertPreTrainedModel,
    classifier_dropout,
)
from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import first_token, position_ids
from tx_core.models.heads_torch import MaskedLM, SequenceClassification

from .architecture import ARCHITECTURE
from .config import RobertaConfig


class RobertaLMHead(nn.Module):
    """Scores of every word; the weights are the word embeddings."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden_states: Tensor) -> Tensor:
        # Whatever ``config.hidden_act`` is, as published.
        hidden_states = self.layer_norm(ACTIVATIONS["gelu"](self.dense(hidden_states)))
        return self.decoder(hidden_states) + self.bias  # (B, S, vocabulary)


class RobertaClassificationHead(nn.Module):
    """Scores of sequences, from the first token's state."""

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.out_proj = nn.Linear(config.hidden_size, config.num_labels)

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None) -> Tensor:
        first = self.dropout(first_token(hidden_states, attention_mask))  # (B, H)
        return self.out_proj(self.dropout(torch.tanh(self.dense(first))))  # (B, labels)


class RobertaPreTrainedModel(BertPreTrainedModel, architecture=ARCHITECTURE):
    """What all RoBERTa models share."""

    config: RobertaConfig
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("roberta.pooler",),
        ("roberta.encoder.layer.{i}.crossattention",),
    )


class RobertaModel(RobertaPreTrainedModel, BertModel, published=True):
    """The bare model.

    It is called as :class:`BertModel` is, and returns the same. Positions begin at ``config.pad_token_id`` + 1, and
    padding does not count: see :meth:`make_positions`.
    """

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__(config)
        # The position of padding; nothing is learnt there.
        self.embeddings.position_embeddings.padding_idx = config.pad_token_id

    def make_positions(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, length: int, keys: int, device: torch.device
    ) -> Tensor:
        """Positions of a sequence's tokens, by their ids: padding has ``pad_token_id``, the others count from there.

        Without ids they count from each row's first unmasked token on.

        Source: fairseq, utils.make_positions.

        Returns:
            (B or 1, S).
        """
        padding = self.config.pad_token_id
        if input_ids is None:
            return position_ids(attention_mask, length, keys, device) + padding + 1
        present = (input_ids != padding).long()
        return present.cumsum(-1) * present + padding


class RobertaForMaskedLM(MaskedLM, RobertaPreTrainedModel, published=True):
    """RoBERTa with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    bare = RobertaModel
    new_heads = (("lm_head",), ("roberta.pooler",), ("roberta.encoder.layer.{i}.crossattention",))
    unread = ("pooler",)

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__(config)
        self.lm_head = RobertaLMHead(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head.decoder

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.lm_head, "bias"

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.lm_head(outputs[0])


class RobertaForSequenceClassification(SequenceClassification, RobertaPreTrainedModel, published=True):
    """RoBERTa with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = RobertaModel
    new_heads = (("classifier",), ("roberta.pooler",))
    unread = ("pooler",)

    def __init__(self, config: RobertaConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.classifier = RobertaClassificationHead(config)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs[0], attention_mask)


class RobertaForMultipleChoice(RobertaPreTrainedModel, BertForMultipleChoice, published=True):
    """RoBERTa that scores several continuations of one context, as in SWAG.

    By position it takes token types before the mask, then the labels, as in 2019; in that it differs from BERT's and
    from its twin in Keras.
    """

    bare: ClassVar[type[Any]] = RobertaModel
    leading = ("input_ids", "token_type_ids", "attention_mask", "labels")
    new_heads = (("roberta.pooler", "classifier"),)


class RobertaForTokenClassification(RobertaPreTrainedModel, BertForTokenClassification, published=True):
    """RoBERTa that classifies every token, as in named-entity recognition."""

    bare: ClassVar[type[Any]] = RobertaModel
    new_heads = (("classifier",), ("roberta.pooler",))


class RobertaForQuestionAnswering(RobertaPreTrainedModel, BertForQuestionAnswering, published=True):
    """RoBERTa that marks the first and last token of an answer, as in SQuAD."""

    bare: ClassVar[type[Any]] = RobertaModel
    new_heads = (("qa_outputs",), ("roberta.pooler",))
