"""XLNet in PyTorch (Yang et al. 2019, https://arxiv.org/abs/1906.08237). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, T targets, A states of both streams (see ``streams_torch``), M memory, K keys (M + S),
L distances, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tx_core.generation.relative_torch import Read, RelativeGeneration, RelativeLayerMemory
from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import merge_heads
from tx_core.models.conversion import load_original_weights
from tx_core.models.forward_torch import LayerOutput
from tx_core.models.heads_torch import (
    BeamQuestionAnswering,
    Head,
    LanguageModelling,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    on_padding,
)
from tx_core.models.layers_torch import SequenceSummary
from tx_core.models.losses_torch import token_loss
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.squad_head_torch import PoolerAnswerClass, PoolerEndLogits, PoolerStartLogits
from tx_core.models.steps_torch import apply_linear

from .architecture import ARCHITECTURE
from .config import BIASES, XLNetConfig
from .inputs import check_masks
from .streams_torch import Biases, StreamContext, StreamsContext


class XLNetRelativeAttention(nn.Module):
    """Attention with relative positions and segments, and its projection and normalisation."""

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__()
        heads = config.n_head, config.head_width
        self.q, self.k, self.v, self.o, self.r = (nn.Parameter(torch.empty(config.d_model, *heads)) for _ in range(5))
        self.r_r_bias, self.r_s_bias, self.r_w_bias = (nn.Parameter(torch.empty(heads)) for _ in range(3))
        self.seg_embed = nn.Parameter(torch.empty(2, *heads))
        self.layer_norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, states: Tensor, context: StreamContext) -> LayerOutput:
        content = context.content(states)  # (B, K, H)
        query, key, value = _heads(states, self.q), _heads(content, self.k), _heads(content, self.v)
        encodings = _heads(context.encodings.to(states.dtype), self.r)  # (1 or 2, L, N, D)
        biases = Biases(self.r_w_bias, self.r_r_bias, self.r_s_bias, self.seg_embed)
        dropout = self.dropout.p if self.training else 0.0
        attended, weights, present = context.attend_streams(query, key, value, encodings, biases, dropout)
        projected = nn.functional.linear(attended, self.o.flatten(1))  # (B, A, H)
        return self.layer_norm(states + self.dropout(projected)), weights, present

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, M, D) of states (B, M, H)."""
        return _heads(states, self.k).transpose(1, 2), _heads(states, self.v).transpose(1, 2)

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """The way of a token's states of both streams, (R, 2, H), whose query stands one place further."""
        query, (key, value) = _heads(states, self.q).transpose(1, 2), self.remember(states[:, :1])
        attended = past.attend(states, query, key, value, self.r_w_bias, self.r_r_bias)  # (R, N, 2, D)
        return self.layer_norm(states + nn.functional.linear(merge_heads(attended), self.o.flatten(1)))


def _heads(x: Tensor, weight: Tensor) -> Tensor:
    """A projection (H, N, D) of (…, H): (…, N, D)."""
    *others, _ = x.shape
    projected: Tensor = (x @ weight.flatten(1)).view(*others, *weight.shape[1:])
    return projected


class XLNetFeedForward(nn.Module):
    """The feed-forward network."""

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_eps)
        self.layer_1 = nn.Linear(config.d_model, config.d_inner)
        self.layer_2 = nn.Linear(config.d_inner, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.activation = ACTIVATIONS[config.ff_activation]

    def forward(self, states: Tensor) -> Tensor:
        inner = self.dropout(self.activation(self.layer_1(states)))
        return self.layer_norm(states + self.dropout(self.layer_2(inner)))

    def step(self, states: Tensor) -> Tensor:
        """What :meth:`forward` does outside of training, for few states (R, H)."""
        inner = self.activation(apply_linear(self.layer_1, states))
        return self.layer_norm(states + apply_linear(self.layer_2, inner))


class XLNetLayer(nn.Module):
    """Attention and the feed-forward network."""

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__()
        self.rel_attn = XLNetRelativeAttention(config)
        self.ff = XLNetFeedForward(config)

    def forward(self, states: Tensor, context: StreamContext) -> LayerOutput:
        states, weights, present = self.rel_attn(states, context)
        return self.ff(states), weights, present

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`RelativeLayer.remember`."""
        return self.rel_attn.remember(states)

    def distances(self, encodings: Tensor) -> Tensor:
        """As :meth:`RelativeLayer.distances`."""
        return _heads(encodings, self.rel_attn.r).transpose(0, 1)[None]

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """As :meth:`RelativeLayer.step`."""
        states = self.rel_attn.step(states, past)  # (R, 2, H)
        return self.ff.step(states.flatten(0, 1)).view_as(states)


class XLNetPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all XLNet models share."""

    config: XLNetConfig

    def _init_weights(self, module: nn.Module) -> None:
        """As :meth:`PreTrainedModel._init_weights`, and so the parameters that no layer of PyTorch's owns."""
        super()._init_weights(module)
        if isinstance(module, XLNetRelativeAttention | XLNetModel):
            for parameter in module.parameters(recurse=False):
                parameter.data.normal_(mean=0.0, std=self.config.initializer_range)

    def tie_weights(self) -> None:
        """As :meth:`PreTrainedModel.tie_weights`. Layers have the first's biases unless ``config.untie_r``."""
        super().tie_weights()
        base = self.base_model
        if self.config.untie_r or not isinstance(base, XLNetModel):
            return
        first: Any = base.layer[0]
        for layer in base.layer[1:]:
            for name in BIASES:
                setattr(layer.rel_attn, name, getattr(first.rel_attn, name))


class XLNetModel(XLNetPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), mems)``, and ``hidden_states`` and ``attentions`` if asked for. ``mems``,
    the memory for the next call, are (M, B, H) for each layer; there are none unless ``config.mem_len`` is above 0.
    With a ``target_mapping`` the last hidden state is (B, T, H), hidden states are of both streams in turns, and each
    layer's attentions are a pair.
    """

    words_at, layers_at = "word_embedding", "layer"
    gradient_checkpointing = False
    window: int | None = None  # while it generates, a token attends to all before it

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.word_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.mask_emb = nn.Parameter(torch.empty(1, 1, config.d_model))
        self.layer = nn.ModuleList(XLNetLayer(config) for _ in range(config.n_layer))
        self.dropout = nn.Dropout(config.dropout)
        self.init_weights()

    def rows_of(self, name: str) -> tuple[int | None, str]:
        """As :meth:`PreTrainedModel.rows_of`. Places are rows of no table."""
        return (None, "") if name == "position_ids" else super().rows_of(name)

    @staticmethod
    def make_positions(input_ids: Any, attention_mask: Any, length: int, keys: int, device: torch.device) -> Tensor:
        """No token has a position of its own: there are distances between tokens."""
        return torch.arange(length, device=device)[None]

    def embed(self, context: StreamsContext) -> Tensor:
        """What the first layer reads: (B, A, H). Distances are encoded on the way."""
        words = context.words(self.word_embedding)
        states = self.dropout(words)
        if context.target_mapping is not None:
            targets = self.mask_emb.expand(*context.target_mapping.shape[:2], -1)  # (B, T, H)
            states = torch.cat((states, self.dropout(targets.to(states.dtype))), 1)
        context.encodings = self.dropout(context.encode_distances(words.dtype, words.device))
        return states

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        mems: Any = None,
        perm_mask: Tensor | None = None,
        target_mapping: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        input_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_mems: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        skip_padding: bool | None = None,
    ) -> tuple[Any, ...]:
        """Encode a batch.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            attention_mask: (B, S), 1 for tokens to attend to, 0 for padding.
            mems: (M, B, H) for each layer, as a call of the tokens before returned them. A vector of zeros is no
                token, and is not attended to: ``[m * keep[None, :, None] for m in mems]`` lets the rows where ``keep``
                (B,) is 0 begin anew.
            perm_mask: (B, S, S), 1 where the token of the second axis does not see that of the third, but for itself.
            target_mapping: (B, T, S), 1 where a target, of the second axis, is the token of the third. Targets do not
                see their tokens where ``perm_mask`` says so.
            token_type_ids: (B, S), the segment of each token; any numbers. Only whether they differ counts.
            input_mask: (B, S), in place of an attention mask 0 for tokens, 1 for padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            use_mems: overrides ``config.use_mems_eval``, and in training ``config.use_mems_train``.
            output_attentions, output_hidden_states: override the configuration.
            return_dict: False for a plain tuple, whose fields have no names.
            skip_padding: overrides the model's.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, or both masks of padding,
                there is no token, an id is outside its table, a shape does not fit, or with ``config.bi_data`` the
                number of rows is odd.
        """
        context = StreamsContext.of_streams(
            self,
            input_ids,
            attention_mask,
            mems,
            perm_mask,
            target_mapping,
            token_type_ids,
            input_mask,
            head_mask,
            inputs_embeds,
            use_mems,
            output_attentions,
            output_hidden_states,
            skip_padding,
        )
        fields = context.through(self, self.layer_calls(), self.embed(context))
        fields["last_hidden_state"] = self.dropout(fields["last_hidden_state"])
        return self._output(return_dict, **fields)

    def read_prompts(self, ids: Tensor, mask: Tensor | None) -> Read:
        """Read prompts (B, S), whose tokens see each other, and the place after them, whose token nobody sees."""
        batch, length = ids.shape
        ids = torch.nn.functional.pad(ids, (0, 1))
        unseen = torch.zeros(1, 1, length + 1, device=ids.device)  # also where the target stands
        unseen[..., -1] = 1
        outputs = self(
            ids,
            None if mask is None else torch.nn.functional.pad(mask, (0, 1), value=1),
            perm_mask=unseen.expand(batch, length + 1, -1),
            target_mapping=unseen.expand(batch, -1, -1),
            use_mems=False,
            output_hidden_states=True,
        )
        content = outputs.hidden_states[: 2 * self.config.n_layer : 2]
        return Read(outputs.last_hidden_state[:, 0], [states[:, :-1] for states in content], mask)

    def read_token(self, tokens: Tensor) -> Tensor:
        """What the first layer reads of tokens (R,), and of the places after them: (R, 2, H)."""
        words = self.word_embedding(tokens)[:, None]
        return torch.cat((words, self.mask_emb.expand_as(words)), 1)


class XLNetHead(Head):
    """What the heads of XLNet share: they are told of padding in either way, and of targets there is none."""

    def _read(self, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        input_mask = given.pop("input_mask", None)
        check_masks(given.get("attention_mask"), input_mask)
        if input_mask is not None:
            given["attention_mask"] = input_mask <= 0
        outputs = super()._read(given)
        if given.get("target_mapping") is not None:
            given["attention_mask"] = None
        return outputs


class XLNetLMHeadModel(RelativeGeneration, XLNetHead, LanguageModelling, XLNetPreTrainedModel, published=True):
    """XLNet with a language model head; its weights are the word embeddings, its bias its own."""

    bare = XLNetModel
    takes = ("labels",)
    new_heads = (("lm_loss",),)

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.lm_loss = nn.Linear(config.d_model, config.vocab_size)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_loss

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the state of its place (R, H)."""
        return apply_linear(self.lm_loss, states)

    def _needs_padding(self, own: dict[str, Any], attention_mask: Tensor | None) -> bool:
        return on_padding(own["labels"], attention_mask)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict tokens.

        Args:
            labels: (B, S), or (B, T) with a ``target_mapping``: the words to predict in place; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S or T, vocabulary), mems, …)``; the loss only with labels.
        """
        outputs, own = self._read(given)
        logits = self.logits(outputs, None)
        loss = None if own["labels"] is None else token_loss(logits, own["labels"])
        return self._output(loss=loss, logits=logits, rest=outputs)


class XLNetForSequenceClassification(XLNetHead, SequenceClassification, XLNetPreTrainedModel, published=True):
    """XLNet with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = XLNetModel
    new_heads = (("sequence_summary", "logits_proj"),)

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.sequence_summary = SequenceSummary(config, config.num_labels, config.summary_last_dropout)
        self.logits_proj = nn.Linear(config.summary_width, config.num_labels)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.logits_proj(self.sequence_summary(outputs[0], None, attention_mask))


class XLNetForTokenClassification(XLNetHead, TokenClassification, XLNetPreTrainedModel, published=True):
    """XLNet that classifies every token, as in named-entity recognition."""

    bare = XLNetModel
    new_heads = (("classifier",),)

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.classifier = nn.Linear(config.d_model, config.num_labels)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs[0])


class XLNetForMultipleChoice(XLNetHead, MultipleChoice, XLNetPreTrainedModel, published=True):
    """XLNet that scores several continuations of one context, as in SWAG."""

    bare = XLNetModel
    new_heads = (("sequence_summary", "logits_proj"),)
    leading = (
        *("input_ids", "token_type_ids", "input_mask", "attention_mask", "mems", "perm_mask", "target_mapping"),
        *("labels", "head_mask"),
    )

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.sequence_summary = SequenceSummary(config, config.num_labels, config.summary_last_dropout)
        self.logits_proj = nn.Linear(config.summary_width, 1)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.logits_proj(self.sequence_summary(outputs[0], None, attention_mask))


class XLNetForQuestionAnsweringSimple(XLNetHead, QuestionAnswering, XLNetPreTrainedModel, published=True):
    """XLNet that marks the first and last token of an answer, as in SQuAD."""

    bare = XLNetModel
    new_heads = (("qa_outputs",),)

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.qa_outputs = nn.Linear(config.d_model, 2)
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(outputs[0])


class XLNetForQuestionAnswering(XLNetHead, BeamQuestionAnswering, XLNetPreTrainedModel, published=True):
    """XLNet that finds the likeliest answers, and whether there is one, as in SQuAD 2.0."""

    bare = XLNetModel
    new_heads = (("start_logits", "end_logits", "answer_class"),)

    def __init__(self, config: XLNetConfig) -> None:
        super().__init__(config)
        self.start_logits = PoolerStartLogits(config)
        self.end_logits = PoolerEndLogits(config)
        self.answer_class = PoolerAnswerClass(config)
        self.init_weights()

    def answer_layers(self) -> Any:
        return self


load_tf_weights_in_xlnet = load_original_weights
