"""BERT in PyTorch (Devlin et al. 2018, https://arxiv.org/abs/1810.04805). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, H hidden size, N heads, D head width (H = N·D), K keys (S, or the encoder's length).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import (
    allowed_by_mask,
    allowed_to_bias,
    attend,
    attention_bias,
    first_token,
    layer_head_masks,
    merge_heads,
    split_heads,
)
from tx_core.models.attention_torch import (
    position_ids as positions_from_mask,
)
from tx_core.models.losses_torch import causal_loss, sequence_loss, span_loss, token_loss
from tx_core.models.pretrained_torch import (
    PreTrainedModel,
    check_together,
    checkpointed,
    choices,
    chosen,
    flatten_choices,
    input_shape,
    one_of,
    prune_linear,
)
from tx_core.weights import WeightTable

from .config import BERT_PRETRAINED_CONFIG_ARCHIVE_MAP, BertConfig
from .weights import WEIGHTS

BERT_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "pytorch_model.bin") for name, url in BERT_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


class BertEmbeddings(nn.Module):
    """Sum of word, position and segment embeddings, normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        input_ids: Tensor | None,
        token_type_ids: Tensor | None,
        position_ids: Tensor,
        inputs_embeds: Tensor | None,
    ) -> Tensor:
        words = self.word_embeddings(input_ids) if inputs_embeds is None else inputs_embeds  # (B, S, H)
        if token_type_ids is None:
            segments = self.token_type_embeddings.weight[0]  # (H,)
        else:
            segments = self.token_type_embeddings(token_type_ids)  # (B, S, H)
        embeddings = words + segments + self.position_embeddings(position_ids)
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

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = split_heads(self.query(hidden_states), self.num_attention_heads)  # (B, N, S, D)
        key = split_heads(self.key(source), self.num_attention_heads)  # (B, N, K, D)
        value = split_heads(self.value(source), self.num_attention_heads)  # (B, N, K, D)
        dropout = self.dropout if self.training else 0.0
        context, weights = attend(query, key, value, bias, head_mask, dropout, need_weights)
        return merge_heads(context), weights  # (B, S, N·D), (B, N, S, K)


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

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        context, weights = self.self(hidden_states, bias, head_mask, encoder_hidden_states, need_weights)
        return self.output(context, hidden_states), weights

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        attention = self.self
        width = attention.query.out_features // attention.num_attention_heads  # D
        index = (kept[:, None] * width + torch.arange(width, device=kept.device)).flatten()
        attention.query = prune_linear(attention.query, index)
        attention.key = prune_linear(attention.key, index)
        attention.value = prune_linear(attention.value, index)
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

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_mask: Tensor | None,
        encoder_hidden_states: Tensor | None,
        encoder_bias: Tensor | None,
        encoder_head_mask: Tensor | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(hidden_states, bias, head_mask, None, need_weights)
        if self.crossattention is not None and encoder_hidden_states is not None:
            attended, _ = self.crossattention(attended, encoder_bias, encoder_head_mask, encoder_hidden_states, False)
        return self.output(self.intermediate(attended), attended), weights


class BertEncoder(nn.Module):
    """The layers."""

    gradient_checkpointing = False

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertLayer(config, i) for i in range(config.num_hidden_layers))

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        head_masks: list[Tensor | None],
        encoder_hidden_states: Tensor | None,
        encoder_bias: Tensor | None,
        encoder_head_masks: list[Tensor | None],
        output_attentions: bool,
        output_hidden_states: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...] | None, tuple[Tensor, ...] | None]:
        all_hidden_states = [hidden_states]
        all_attentions = []
        for layer, head_mask, encoder_head_mask in zip(self.layer, head_masks, encoder_head_masks, strict=True):
            hidden_states, weights = checkpointed(self, layer)(
                hidden_states,
                bias,
                head_mask,
                encoder_hidden_states,
                encoder_bias,
                encoder_head_mask,
                output_attentions,
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
        return (
            hidden_states,
            tuple(all_hidden_states) if output_hidden_states else None,
            tuple(all_attentions) if output_attentions else None,
        )


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


class BertPreTrainedModel(PreTrainedModel):
    """What all BERT models share: the configuration, the weight table, initialisation."""

    config: BertConfig
    config_class = BertConfig
    base_model_prefix = "bert"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    new_heads: ClassVar[tuple[tuple[str, ...], ...]] = (("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))
    pretrained_model_archive_map = BERT_PRETRAINED_MODEL_ARCHIVE_MAP

    def _init_weights(self, module: nn.Module) -> None:
        """Normal with the configuration's range; zero biases; identity normalisation (the original ``modeling.py``)."""
        if isinstance(module, nn.Linear | nn.Embedding):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            module.weight.data.fill_(1.0)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            module.bias.data.zero_()
        if isinstance(module, BertLMPredictionHead):
            module.bias.data.zero_()


class BertModel(BertPreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), pooler_output (B, H))`` and, if asked for, ``hidden_states`` and
    ``attentions``. With ``config.is_decoder`` attention is causal; ``encoder_hidden_states`` (B, K, H) then feed its
    cross-attention.
    """

    new_heads = BertPreTrainedModel.new_heads

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertEncoder(config)
        self.pooler = BertPooler(config)
        self.init_weights()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.word_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embeddings.word_embeddings = value  # type: ignore[assignment]

    def _prune_layer(self, layer: int, kept: Tensor) -> None:
        self.encoder.layer[layer].attention.prune(kept)  # type: ignore[union-attr, operator]

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

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, the sequence is longer than
                ``max_position_embeddings``, or a shape does not fit.
        """
        config = self.config
        _, length, device = input_shape(
            input_ids, inputs_embeds, config.vocab_size, config.max_position_embeddings, attention_mask
        )
        if encoder_hidden_states is not None and self.encoder.layer[0].crossattention is None:
            raise ValueError(
                "encoder_hidden_states need a decoder: set config.is_decoder = True before building the model"
            )
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, length, device)
        hidden_states = self.embeddings(input_ids, token_type_ids, position_ids, inputs_embeds)
        dtype = hidden_states.dtype
        bias = attention_bias(attention_mask, config.is_decoder, length, length, dtype, device)
        encoder_bias = None
        if encoder_attention_mask is not None:
            encoder_bias = allowed_to_bias(allowed_by_mask(encoder_attention_mask), dtype)
        hidden_states, all_hidden_states, all_attentions = self.encoder(
            hidden_states,
            bias,
            layer_head_masks(head_mask, config, dtype),
            encoder_hidden_states,
            encoder_bias,
            layer_head_masks(head_mask, config, dtype, pruned=False),
            chosen(output_attentions, config.output_attentions),
            chosen(output_hidden_states, config.output_hidden_states),
        )
        return self._output(
            "BertModelOutput",
            last_hidden_state=hidden_states,
            pooler_output=self.pooler(hidden_states, attention_mask),
            hidden_states=all_hidden_states,
            attentions=all_attentions,
        )


class BertForPreTraining(BertPreTrainedModel):
    """The model as it was pre-trained: masked language model and next-sentence prediction."""

    new_heads = (("cls.predictions",), ("bert.pooler", "cls.seq_relationship"))

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertPreTrainingHeads(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.cls.predictions, "bias"

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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
            losses.append(token_loss(seq_relationship_logits, next_sentence_label.reshape(-1)))
        return self._output(
            "BertForPreTrainingOutput",
            loss=sum(losses) if losses else None,
            prediction_logits=prediction_logits,
            seq_relationship_logits=seq_relationship_logits,
            rest=outputs,
        )


class BertForMaskedLM(BertPreTrainedModel):
    """BERT with a language model head; as a decoder (``config.is_decoder``) a left-to-right one."""

    new_heads = (("cls.predictions",), ("bert.pooler",), ("bert.encoder.layer.{i}.crossattention",))

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertOnlyMLMHead(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.cls.predictions.decoder

    def _output_bias(self) -> tuple[nn.Module, str]:
        return self.cls.predictions, "bias"

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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


class BertForNextSentencePrediction(BertPreTrainedModel):
    """BERT that says whether the second sentence follows the first."""

    new_heads = (("bert.pooler", "cls.seq_relationship"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.cls = BertOnlyNSPHead(config)
        self.init_weights()

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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
        loss = None if next_sentence_label is None else token_loss(logits, next_sentence_label.reshape(-1))
        return self._output(
            "BertForNextSentencePredictionOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class BertForSequenceClassification(BertPreTrainedModel):
    """BERT with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.init_weights()

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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


class BertForMultipleChoice(BertPreTrainedModel):
    """BERT that scores several continuations of one context, as in SWAG."""

    new_heads = (("bert.pooler", "classifier"),)

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, 1)
        self.init_weights()

    @property
    def dummy_inputs(self) -> dict[str, Tensor]:
        """Token ids (3, 2, 5) with which the model can be called."""
        return {"input_ids": super().dummy_inputs["input_ids"][:, None].expand(-1, 2, -1)}

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`, with one more axis: all inputs are (B, C, S), C the number of choices.

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
        logits = self.classifier(self.dropout(outputs[1])).reshape(-1, num_choices)
        loss = None if labels is None else token_loss(logits, labels.reshape(-1))
        return self._output(
            "BertForMultipleChoiceOutput",
            loss=loss,
            logits=logits,
            rest=outputs,
        )


class BertForTokenClassification(BertPreTrainedModel):
    """BERT that classifies every token, as in named-entity recognition."""

    new_heads = (("classifier",), ("bert.pooler",))

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config)
        self.dropout = nn.Dropout(classifier_dropout(config))
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.init_weights()

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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


class BertForQuestionAnswering(BertPreTrainedModel):
    """BERT that marks the first and last token of an answer, as in SQuAD."""

    new_heads = (("qa_outputs",), ("bert.pooler",))

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config)
        self.qa_outputs = nn.Linear(config.hidden_size, 2)
        self.init_weights()

    def forward(
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
    ) -> tuple[Tensor, ...]:
        """As :meth:`BertModel.forward`.

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
        start_logits, end_logits = self.qa_outputs(outputs[0]).unbind(-1)
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


def load_tf_weights_in_bert(
    model: BertPreTrainedModel, config: BertConfig, tf_checkpoint_path: str
) -> BertPreTrainedModel:
    """Fill a model with the weights of one of Google's TensorFlow 1 checkpoints (``bert_model.ckpt``), strictly.

    Args:
        model: filled in place, and returned.
        config: the model's configuration.
        tf_checkpoint_path: the checkpoint's prefix, or its ``.index`` file.

    Raises:
        WeightsError: if the checkpoint does not fit the model.
    """
    model.load_weights(tf_checkpoint_path)
    return model
