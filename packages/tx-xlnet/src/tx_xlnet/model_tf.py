"""XLNet in Keras (Yang et al. 2019, https://arxiv.org/abs/1906.08237). Mirrors ``model_torch``.

Shapes: B batch, S sequence, T targets, A states of both streams (see ``streams_tf``), M memory, K keys (M + S),
L distances, H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tx_core.generation.relative_tf import Read, RelativeGeneration, RelativeLayerMemory
from tx_core.models.activations_tf import ACTIVATIONS
from tx_core.models.attention_tf import is_set, merge_heads
from tx_core.models.forward_tf import LayerOutput
from tx_core.models.heads_tf import (
    BeamQuestionAnswering,
    Head,
    LanguageModelling,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from tx_core.models.layers_tf import (
    Embedding,
    LayerNorm,
    Linear,
    Module,
    ModuleList,
    Normal,
    OutputEmbedding,
    SequenceSummary,
)
from tx_core.models.losses_tf import token_loss
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.squad_head_tf import PoolerAnswerClass, PoolerEndLogits, PoolerStartLogits

from .architecture import ARCHITECTURE
from .config import BIASES, XLNetConfig
from .inputs import check_masks
from .streams_tf import Biases, StreamContext, StreamsContext

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class TFXLNetRelativeAttention(Module):
    """Attention with relative positions and segments, and its projection and normalisation."""

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = config.d_model, config.n_head, config.head_width
        self.initializer_range = config.initializer_range
        # What gives the first layer's attention, if that has this one's biases too. A function, since Keras would take
        # a layer for a part of this one.
        self._first: Callable[[], TFXLNetRelativeAttention] | None = None
        self.layer_norm = LayerNorm(config.d_model, config.layer_norm_eps, name="layer_norm")
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        heads = self.sizes[1:]
        for name in ("q", "k", "v", "o", "r"):
            self._add(name, self.sizes)
        for name in BIASES:
            if self._first is None:
                self._add(name, heads)
            else:
                setattr(self, name, getattr(self._first(), name))
        self._add("seg_embed", (2, *heads))
        super().build(input_shape)

    def _add(self, name: str, shape: tuple[int, ...]) -> None:
        initializer = Normal(self.initializer_range)
        setattr(self, f"{name}_initializer", initializer)
        setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))

    def call(self, states: Tensor, context: StreamContext) -> LayerOutput:
        content = context.content(states)  # (B, K, H)
        query, key, value = _heads(states, self.q), _heads(content, self.k), _heads(content, self.v)
        encodings = _heads(context.encodings, self.r)  # (1 or 2, L, N, D)
        biases = Biases(
            *(ops.convert_to_tensor(x) for x in (self.r_w_bias, self.r_r_bias, self.r_s_bias, self.seg_embed))
        )
        attended, weights, present = context.attend_streams(query, key, value, encodings, biases, self.dropout)
        projection = ops.reshape(self.o, (self.sizes[0], -1))
        projected = ops.matmul(attended, ops.transpose(projection))  # (B, A, H)
        return self.layer_norm(states + self.dropout(projected)), weights, present

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, M, D) of states (B, M, H)."""
        return _by_head(_heads(states, self.k)), _by_head(_heads(states, self.v))

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """The way of a token's states of both streams, (R, 2, H), whose query stands one place further."""
        query, (key, value) = _by_head(_heads(states, self.q)), self.remember(states[:, :1])
        biases = (ops.cast(x, states.dtype) for x in (self.r_w_bias, self.r_r_bias))
        attended = merge_heads(past.attend(states, query, key, value, *biases))  # (R, 2, N·D)
        projection = ops.cast(ops.reshape(self.o, (self.sizes[0], -1)), states.dtype)
        return self.layer_norm(states + ops.matmul(attended, ops.transpose(projection)))


def _by_head(x: Tensor) -> Tensor:
    """(B, S, N, D) → (B, N, S, D)."""
    return ops.transpose(x, (0, 2, 1, 3))


def _heads(x: Tensor, weight: Any) -> Tensor:
    """A projection (H, N, D) of (…, H): (…, N, D)."""
    width, *heads = weight.shape
    projected = ops.matmul(x, ops.cast(ops.reshape(weight, (width, -1)), x.dtype))
    return ops.reshape(projected, (*ops.shape(x)[:-1], *heads))


class TFXLNetFeedForward(Module):
    """The feed-forward network."""

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        std = config.initializer_range
        self.layer_norm = LayerNorm(config.d_model, config.layer_norm_eps, name="layer_norm")
        self.layer_1 = Linear(config.d_model, config.d_inner, std, name="layer_1")
        self.layer_2 = Linear(config.d_inner, config.d_model, std, name="layer_2")
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")
        self.activation = ACTIVATIONS[config.ff_activation]

    def call(self, states: Tensor) -> Tensor:
        inner = self.dropout(self.activation(self.layer_1(states)))
        return self.layer_norm(states + self.dropout(self.layer_2(inner)))


class TFXLNetLayer(Module):
    """Attention and the feed-forward network."""

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rel_attn = TFXLNetRelativeAttention(config, name="rel_attn")
        self.ff = TFXLNetFeedForward(config, name="ff")

    def call(self, states: Tensor, context: StreamContext) -> LayerOutput:
        states, weights, present = self.rel_attn(states, context=context)
        return self.ff(states), weights, present

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`RelativeLayer.remember`."""
        return self.rel_attn.remember(states)

    def distances(self, encodings: Tensor) -> Tensor:
        """As :meth:`RelativeLayer.distances`."""
        return _by_head(ops.expand_dims(_heads(encodings, self.rel_attn.r), 0))

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """As :meth:`RelativeLayer.step`."""
        return self.ff(self.rel_attn.step(states, past))


class TFXLNetPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all XLNet models share."""

    config: XLNetConfig


class TFXLNetMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at = "word_embedding", "layer"
    window: int | None = None  # while it generates, a token attends to all before it

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        std = config.initializer_range
        self.word_embedding = Embedding(config.vocab_size, config.d_model, std, name="word_embedding")
        self.mask_emb_initializer = Normal(std)
        self.layer = ModuleList((TFXLNetLayer(config, name=str(i)) for i in range(config.n_layer)), name="layer")
        for i in range(1, 1 if config.untie_r else config.n_layer):
            self.layer[i].rel_attn._first = self._first
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")

    def _first(self) -> TFXLNetRelativeAttention:
        attention: TFXLNetRelativeAttention = self.layer[0].rel_attn
        return attention

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        shape = (1, 1, self.config.d_model)
        self.mask_emb = self.add_weight(shape=shape, initializer=self.mask_emb_initializer, name="mask_emb")
        super().build(input_shape)

    def rows_of(self, name: str) -> tuple[int | None, str]:
        """As :meth:`TFMainLayer.rows_of`. Places are rows of no table."""
        return (None, "") if name == "position_ids" else super().rows_of(name)

    @staticmethod
    def make_positions(input_ids: Any, attention_mask: Any, length: Size, keys: Size) -> Tensor:
        """No token has a position of its own: there are distances between tokens."""
        return ops.expand_dims(ops.arange(length, dtype="int32"), 0)

    def embed(self, context: StreamsContext) -> Tensor:
        """What the first layer reads: (B, A, H). Distances are encoded on the way."""
        words = context.words(self.word_embedding)
        states = self.dropout(words)
        if context.target_mapping is not None:
            batch, count = ops.shape(context.target_mapping)[:2]
            targets = ops.broadcast_to(ops.cast(self.mask_emb, states.dtype), (batch, count, states.shape[-1]))
            states = ops.concatenate((states, self.dropout(targets)), axis=1)  # (B, S + T, H)
        context.encodings = self.dropout(context.encode_distances(keras.backend.standardize_dtype(words.dtype)))
        return states

    def call(
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
        training: bool | None = None,
    ) -> tuple[Any, ...]:
        """Encode a batch.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

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
            training: whether dropout is applied; not by default.

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
            training,
        )
        fields = context.through(self, self.layer_calls(), self.embed(context))
        fields["last_hidden_state"] = self.dropout(fields["last_hidden_state"])
        return self._output(return_dict, **fields)

    def read_prompts(self, ids: Tensor, mask: Tensor) -> Read:
        """Read prompts (B, S), whose tokens see each other, and the place after them, whose token nobody sees."""
        batch, length = ops.shape(ids)
        unseen = ops.cast(ops.arange(length + 1) == length, "int32")  # also where the target stands
        outputs = self(
            input_ids=ops.pad(ids, ((0, 0), (0, 1))),
            attention_mask=ops.pad(mask, ((0, 0), (0, 1)), constant_values=True),
            perm_mask=ops.broadcast_to(unseen, (batch, length + 1, length + 1)),
            target_mapping=ops.broadcast_to(unseen, (batch, 1, length + 1)),
            use_mems=False,
            output_hidden_states=True,
        )
        content = outputs.hidden_states[: 2 * self.config.n_layer : 2]
        return Read(outputs.last_hidden_state[:, 0], [states[:, :-1] for states in content], mask)

    def read_token(self, tokens: Tensor) -> Tensor:
        """What the first layer reads of tokens (R, 1), and of the places after them: (R, 2, H)."""
        words = self.word_embedding(tokens)
        return ops.concatenate(
            (words, ops.broadcast_to(ops.cast(self.mask_emb, words.dtype), ops.shape(words))), axis=1
        )


class TFXLNetModel(TFBareModel, TFXLNetPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), mems)``, and ``hidden_states`` and ``attentions`` if asked for. ``mems``,
    the memory for the next call, are (M, B, H) for each layer; there are none unless ``config.mem_len`` is above 0.
    With a ``target_mapping`` the last hidden state is (B, T, H), hidden states are of both streams in turns, and each
    layer's attentions are a pair.
    """

    main = TFXLNetMainLayer


class TFXLNetHead(Head):
    """What the heads of XLNet share: they are told of padding in either way, and of targets there is none."""

    def _read(self, given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        input_mask = given.pop("input_mask", None)
        check_masks(given.get("attention_mask"), input_mask)
        if input_mask is not None:
            given["attention_mask"] = ops.logical_not(is_set(input_mask))
        outputs = super()._read(given)
        if given.get("target_mapping") is not None:
            given["attention_mask"] = None
        return outputs


class TFXLNetLMHeadModel(RelativeGeneration, TFXLNetHead, LanguageModelling, TFXLNetPreTrainedModel, published=True):
    """XLNet with a language model head; its weights are the word embeddings, its bias its own."""

    bare = TFXLNetMainLayer
    takes = ("labels",)
    new_heads = (("lm_loss",),)

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.lm_loss = OutputEmbedding(
            config.d_model, config.vocab_size, config.initializer_range, use_bias=True, name="lm_loss"
        )
        self.init_weights()

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the state of its place (R, H)."""
        return self.lm_loss(states)

    def get_output_embeddings(self) -> OutputEmbedding:
        return self.lm_loss

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


class TFXLNetForSequenceClassification(TFXLNetHead, SequenceClassification, TFXLNetPreTrainedModel, published=True):
    """XLNet with a classifier (``config.num_labels`` classes) or, with one label, a regressor."""

    bare = TFXLNetMainLayer
    new_heads = (("sequence_summary", "logits_proj"),)

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.sequence_summary = SequenceSummary(
            config, config.num_labels, config.summary_last_dropout, name="sequence_summary"
        )
        self.logits_proj = Linear(config.summary_width, config.num_labels, config.initializer_range, name="logits_proj")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.logits_proj(self.sequence_summary(outputs[0], None, attention_mask))


class TFXLNetForTokenClassification(TFXLNetHead, TokenClassification, TFXLNetPreTrainedModel, published=True):
    """XLNet that classifies every token, as in named-entity recognition."""

    bare = TFXLNetMainLayer
    new_heads = (("classifier",),)

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.classifier = Linear(config.d_model, config.num_labels, config.initializer_range, name="classifier")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.classifier(outputs[0])


class TFXLNetForMultipleChoice(TFXLNetHead, MultipleChoice, TFXLNetPreTrainedModel, published=True):
    """XLNet that scores several continuations of one context, as in SWAG."""

    bare = TFXLNetMainLayer
    new_heads = (("sequence_summary", "logits_proj"),)
    leading = (
        *("input_ids", "token_type_ids", "input_mask", "attention_mask"),
        *("mems", "perm_mask", "target_mapping"),
    )

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.sequence_summary = SequenceSummary(
            config, config.num_labels, config.summary_last_dropout, name="sequence_summary"
        )
        self.logits_proj = Linear(config.summary_width, 1, config.initializer_range, name="logits_proj")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.logits_proj(self.sequence_summary(outputs[0], None, attention_mask))


class TFXLNetForQuestionAnsweringSimple(TFXLNetHead, QuestionAnswering, TFXLNetPreTrainedModel, published=True):
    """XLNet that marks the first and last token of an answer, as in SQuAD."""

    bare = TFXLNetMainLayer
    new_heads = (("qa_outputs",),)

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.num_labels = config.num_labels
        self.qa_outputs = Linear(config.d_model, 2, config.initializer_range, name="qa_outputs")
        self.init_weights()

    def logits(self, outputs: Any, attention_mask: Tensor | None) -> Tensor:
        return self.qa_outputs(outputs[0])


class TFXLNetForQuestionAnswering(TFXLNetHead, BeamQuestionAnswering, TFXLNetPreTrainedModel, published=True):
    """XLNet that finds the likeliest answers, and whether there is one, as in SQuAD 2.0."""

    bare = TFXLNetMainLayer
    new_heads = (("start_logits", "end_logits", "answer_class"),)

    def __init__(self, config: XLNetConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.start_logits = PoolerStartLogits(config, config.initializer_range, name="start_logits")
        self.end_logits = PoolerEndLogits(config, config.initializer_range, name="end_logits")
        self.answer_class = PoolerAnswerClass(config, config.initializer_range, name="answer_class")
        self.init_weights()

    def answer_layers(self) -> Any:
        return self
