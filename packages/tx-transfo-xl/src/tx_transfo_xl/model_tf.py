"""Transformer-XL in Keras (Dai et al. 2019, https://arxiv.org/abs/1901.02860). Mirrors ``model_torch``.

Shapes: B batch, S sequence, M memory, K keys (M + S), L distances (K + 1), H hidden size, N heads, D head width, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from tx_core.generation.relative_tf import Read, RelativeGeneration, RelativeLayerMemory
from tx_core.models.attention_tf import attend, merge_heads, split_heads
from tx_core.models.forward_tf import ForwardContext, LayerOutput
from tx_core.models.heads_tf import Head
from tx_core.models.layers_tf import LayerNorm, Linear, Module, ModuleList, Normal, descendants
from tx_core.models.main_layer_tf import TFBareModel, TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.models.relative_tf import disallow, relative_scores

from .adaptive_tf import TFAdaptiveEmbedding as TFAdaptiveEmbedding
from .adaptive_tf import TFProjectedAdaptiveLogSoftmax as TFProjectedAdaptiveLogSoftmax
from .architecture import ARCHITECTURE
from .common import check_generates, of_config
from .config import TransfoXLConfig
from .memory_tf import MemoryContext, MemoryForwardContext

Tensor = Any


class TFRelPartialLearnableMultiHeadAttn(Module):
    """Attention to earlier tokens and the memory, by contents and distance, added to its input and normalised."""

    def __init__(self, config: TransfoXLConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_head, self.d_head = config.n_head, config.d_head
        self.pre_lnorm = config.pre_lnorm
        width, std = config.n_head * config.d_head, config.init_std
        self.qkv_net = Linear(config.d_model, 3 * width, std, False, name="qkv_net")
        self.drop = keras.layers.Dropout(config.dropout, name="drop")
        self.dropatt = keras.layers.Dropout(config.dropatt, name="dropatt")
        self.o_net = Linear(width, config.d_model, std, False, name="o_net")
        self.layer_norm = LayerNorm(config.d_model, config.layer_norm_epsilon, name="layer_norm")
        self.r_net = Linear(config.d_model, width, std, False, name="r_net")
        self.r_r_bias_initializer, self.r_w_bias_initializer = spread(config), spread(config)
        # A function, since Keras would take another layer's variables for this one's.
        self._biases: Callable[[], tuple[Any, Any]] | None = None

    def share(self, biases: Callable[[], tuple[Any, Any]]) -> None:
        """From now on add what a function gives to queries: for contents, and for distances."""
        self._biases = biases

    def build(self, input_shape: Any = None) -> None:
        if self._biases is None:
            shape = self.n_head, self.d_head
            self.r_r_bias = self.add_weight(shape=shape, initializer=self.r_r_bias_initializer, name="r_r_bias")
            self.r_w_bias = self.add_weight(shape=shape, initializer=self.r_w_bias_initializer, name="r_w_bias")
        super().build(input_shape)

    def project(self, states: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of states, each (…, N·D)."""
        return tuple(ops.split(self.qkv_net(self.layer_norm(states) if self.pre_lnorm else states), 3, axis=-1))

    def project_distances(self, encodings: Tensor) -> Tensor:
        """Keys of the encodings of distances (L, H): (1, N, L, D)."""
        return split_heads(ops.expand_dims(self.r_net(encodings), 0), self.n_head)

    def with_bias(self, query: Tensor, bias: Tensor) -> Tensor:
        """Queries (B, N, S, D) with a bias (N, D)."""
        return query + ops.cast(ops.expand_dims(ops.convert_to_tensor(bias), 1), query.dtype)

    def finish(self, states: Tensor, attended: Tensor) -> Tensor:
        """What follows attention: (…, H) and (…, N·D) → (…, H)."""
        states = states + self.drop(self.o_net(attended))
        return states if self.pre_lnorm else self.layer_norm(states)

    def biases(self) -> tuple[Any, Any]:
        """What is added to queries, (N, D) each: for contents, and for distances."""
        return (self.r_w_bias, self.r_r_bias) if self._biases is None else self._biases()

    def call(self, hidden_states: Tensor, context: MemoryContext) -> tuple[Tensor, Tensor | None]:
        r_w_bias, r_r_bias = self.biases()
        query, key, value = self.project(hidden_states)  # (B, S, N·D)
        if context.memory is not None:
            _, old_key, old_value = self.project(context.memory)  # (B or 1, M or 1, N·D)
            key, value = context.keys(old_key, key), context.keys(old_value, value)  # (B, K, N·D)
        query, key, value = (split_heads(x, self.n_head) for x in (query, key, value))  # (B, N, S or K, D)
        distances = self.project_distances(context.encodings)  # (1, N, L, D)
        scores = relative_scores(self.with_bias(query, r_r_bias), distances, ops.shape(key)[2])  # (B, N, S, K)
        query, bias = self.with_bias(query, r_w_bias), disallow(scores, context.allowed)
        attended, weights = attend(query, key, value, bias, context.head_mask, self.dropatt, context.need_weights)
        attended = self.finish(hidden_states, merge_heads(attended))
        return attended, None if weights is None else context.back(weights)

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, M, D) of states (B, M, H)."""
        _, key, value = self.project(states)
        return split_heads(key, self.n_head), split_heads(value, self.n_head)

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """What :meth:`call` does with one token's states (R, 1, H)."""
        query, key, value = (split_heads(x, self.n_head) for x in self.project(states))  # (R, N, 1, D)
        content, position = (ops.cast(each, query.dtype) for each in self.biases())
        return self.finish(states, merge_heads(past.attend(states, query, key, value, content, position)))


class TFPositionwiseFF(Module):
    """The feed-forward network, added to its input and normalised."""

    def __init__(self, config: TransfoXLConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pre_lnorm = config.pre_lnorm
        self.CoreNet = ModuleList(
            (
                Linear(config.d_model, config.d_inner, config.init_std, name="0"),
                keras.layers.Activation("relu", name="1"),
                keras.layers.Dropout(config.dropout, name="2"),
                Linear(config.d_inner, config.d_model, config.init_std, name="3"),
                keras.layers.Dropout(config.dropout, name="4"),
            ),
            name="CoreNet",
        )
        self.layer_norm = LayerNorm(config.d_model, config.layer_norm_epsilon, name="layer_norm")

    def call(self, hidden_states: Tensor) -> Tensor:
        fed = self.layer_norm(hidden_states) if self.pre_lnorm else hidden_states
        for part in self.CoreNet:
            fed = part(fed)
        return hidden_states + fed if self.pre_lnorm else self.layer_norm(hidden_states + fed)


class TFRelPartialLearnableDecoderLayer(Module):
    """Attention and the feed-forward network."""

    def __init__(self, config: TransfoXLConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dec_attn = TFRelPartialLearnableMultiHeadAttn(config, name="dec_attn")
        self.pos_ff = TFPositionwiseFF(config, name="pos_ff")

    def call(self, hidden_states: Tensor, context: MemoryContext) -> LayerOutput:
        hidden_states, weights = self.dec_attn(hidden_states, context=context)
        return self.pos_ff(hidden_states), weights, None

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`RelativeLayer.remember`."""
        return self.dec_attn.remember(states)

    def distances(self, encodings: Tensor) -> Tensor:
        """As :meth:`RelativeLayer.distances`."""
        return self.dec_attn.project_distances(encodings)

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """As :meth:`RelativeLayer.step`."""
        return self.pos_ff(self.dec_attn.step(states, past))


def spread(config: TransfoXLConfig) -> Any:
    """What gives a new weight its numbers. One for each: Keras's give the same numbers each time they are called."""
    if config.init == "uniform":
        return keras.initializers.RandomUniform(-config.init_range, config.init_range)
    return Normal(config.init_std)


def initialize(whole: Any, config: TransfoXLConfig) -> None:
    """Let the layers within a layer have the initialisers that the configuration says."""
    for layer in descendants(whole):
        if isinstance(layer, LayerNorm):
            layer.gamma_initializer = keras.initializers.RandomNormal(1.0, config.init_std)
        for name in ("kernel", "embeddings", "weight", "cluster_weight"):
            if hasattr(layer, f"{name}_initializer"):
                setattr(layer, f"{name}_initializer", spread(config))


class TFTransfoXLMainLayer(TFMainLayer, architecture=ARCHITECTURE):
    """The bare model as a layer, for models with heads."""

    words_at, layers_at = "word_emb", "layers"

    def __init__(self, config: TransfoXLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        sizes = config.vocab_size, config.d_embed, config.d_model
        self.word_emb = TFAdaptiveEmbedding(
            *sizes, config.cutoffs, config.div_val, proj_init_std=config.proj_init_std, name="word_emb"
        )
        self.drop = keras.layers.Dropout(config.dropout, name="drop")
        self.r_w_bias_initializer, self.r_r_bias_initializer = spread(config), spread(config)
        layers = (TFRelPartialLearnableDecoderLayer(config, name=str(i)) for i in range(config.n_layer))
        self.layers = ModuleList(layers, name="layers")
        if not config.untie_r:
            for layer in self.layers:
                layer.dec_attn.share(lambda: (self.r_w_bias, self.r_r_bias))
        initialize(self, config)

    def build(self, input_shape: Any = None) -> None:
        """Create all variables; no input is needed for it."""
        if not self.config.untie_r:
            shape = self.config.n_head, self.config.d_head
            self.r_w_bias = self.add_weight(shape=shape, initializer=self.r_w_bias_initializer, name="r_w_bias")
            self.r_r_bias = self.add_weight(shape=shape, initializer=self.r_r_bias_initializer, name="r_r_bias")
        super().build(input_shape)

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H)."""
        return self.drop(context.words(self.word_emb))

    def finish(self, hidden_states: Tensor) -> Tensor:
        """What the last layer's states become."""
        return self.drop(hidden_states)

    @property
    def window(self) -> int:
        """How many tokens before itself a token attends to at most, while text is generated."""
        return self.config.mem_len - 1 if self.config.same_length else self.config.mem_len

    def read_prompts(self, ids: Tensor, mask: Tensor) -> Read:
        """Read prompts (B, S), padded on the left. All of the memory is attended to, as in any call."""
        outputs = self(input_ids=ids, attention_mask=mask)
        remembered = [ops.transpose(each, (1, 0, 2)) for each in outputs.mems]
        allowed = ops.ones((ops.shape(ids)[0], self.config.mem_len), "bool")
        return Read(outputs.last_hidden_state[:, -1], remembered, allowed)

    def read_token(self, tokens: Tensor) -> Tensor:
        """What the first layer reads of tokens (R, 1): (R, 1, H)."""
        return self.drop(self.word_emb(tokens))

    def call(
        self,
        input_ids: Tensor | None = None,
        mems: Sequence[Tensor] | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a segment of each text.

        Inputs are given by position or name, or all in the first argument as a dictionary or a list in this order
        (None where there is none).

        A text goes on where its memory ends. Without one, what stands before it are ``config.mem_len`` states of
        zeros, which are attended to, as published. So a row of a batch begins a new text where its memory is made
        zeros: ``mems = [each * keep[None, :, None] for each in mems]``, ``keep`` (B,) of 1 and 0.

        Padding on the left stands before the memory: such a row is what it is alone. Other padding is not attended to,
        and no padding gets into the memory.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H).
            mems: what an earlier call returned under this name, the states before these: per layer (M, B, H).
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            attention_mask: (B, S), 1 for tokens, 0 for padding.
            output_attentions, output_hidden_states: override the configuration. Attentions are to the memory first,
                (B, N, S, M + S).
            return_dict: False for a plain tuple, whose fields have no names.
            training: whether dropout is applied; not by default.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, there is no token, an id is
                outside its table, or a shape does not fit.
        """
        context = MemoryForwardContext.of(
            self,
            input_ids,
            inputs_embeds,
            attention_mask,
            head_mask=head_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        need_states, context.need_states = context.need_states, True
        context.drop = self.drop
        hidden_states = self.embed(context)
        context.remember(mems, hidden_states)
        fields = context.through(self, self.layers, hidden_states, self.finish)
        fields["mems"] = context.next_mems(fields["hidden_states"][:-1])
        kept = "last_hidden_state", "mems", *(("hidden_states",) if need_states else ()), "attentions"
        return self._output(return_dict, **{name: fields[name] for name in kept})


class TFTransfoXLPreTrainedModel(TFPreTrainedModel, architecture=ARCHITECTURE):
    """What all Transformer-XL models share."""

    config: TransfoXLConfig

    mem_len = of_config("mem_len", "How many states of each layer are kept; the configuration's.")
    clamp_len = of_config("clamp_len", "The largest distance that is told from larger ones; the configuration's.")
    same_length = of_config("same_length", "Whether a token attends to just `mem_len` places; the configuration's.")

    def reset_length(self, tgt_len: int, ext_len: int, mem_len: int) -> None:
        """Set the lengths of segments, of what they overlap by, and of the memory. Calls after it follow it.

        Functions that were traced before, as Keras's own of ``predict`` and ``fit``, do not.
        """
        self.config.tgt_len, self.config.ext_len, self.config.mem_len = tgt_len, ext_len, mem_len
        self._changed()

    def init_mems(self, bsz: int) -> tuple[Tensor, ...] | None:
        """The memory that a text begins with, zeros: per layer (M, B, H); None if there is no memory."""
        if self.config.mem_len == 0:
            return None
        shape = self.config.mem_len, bsz, self.config.d_model
        return tuple(ops.zeros(shape, self.compute_dtype) for _ in range(self.config.n_layer))

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> Any:
        """Change the size of the vocabulary, by words of its last cluster.

        New vectors, and biases, are the mean of the last table's. A model that was compiled for training has to be
        compiled again.

        Args:
            new_num_tokens: how many words are wanted, e.g. ``len(tokenizer)``; None changes nothing.

        Returns:
            The input embeddings.

        Raises:
            ValueError: if the number is not positive, the last cluster would have no word, or a layer has LoRA
                weights.
        """
        words = self.get_input_embeddings()
        if new_num_tokens is None or new_num_tokens == self.config.vocab_size:
            return words
        if new_num_tokens < 1:
            raise ValueError(f"new_num_tokens must be at least 1, not {new_num_tokens}")
        self._check_no_lora()
        for layer in descendants(self):
            if isinstance(layer, TFAdaptiveEmbedding | TFProjectedAdaptiveLogSoftmax):
                layer.resize(new_num_tokens)
        self.config.vocab_size = new_num_tokens
        self._changed()
        return words


class TFTransfoXLModel(TFBareModel, TFTransfoXLPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), mems)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    main = TFTransfoXLMainLayer


class TFTransfoXLLMHeadModel(RelativeGeneration, Head, TFTransfoXLPreTrainedModel, published=True):
    """Transformer-XL with an adaptive softmax, which has the vectors of the embeddings, and biases of its own."""

    bare = TFTransfoXLMainLayer
    also_takes = ("labels", "lm_labels")
    spellings: ClassVar[dict[str, str]] = {"lm_labels": "labels"}
    leading = ("input_ids", "mems", "head_mask", "inputs_embeds", "labels")
    new_heads = (("crit",),)

    def __init__(self, config: TransfoXLConfig, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        sizes = config.vocab_size, config.d_embed, config.d_model
        self.crit = TFProjectedAdaptiveLogSoftmax(
            *sizes, config.cutoffs, config.div_val, proj_init_std=config.proj_init_std, name="crit"
        )
        initialize(self, config)
        self.init_weights()

    def set_input_embeddings(self, value: Any) -> None:
        """As of every model, but only where the softmax has vectors and projections of its own.

        Raises:
            TypeError: if it has those of the embeddings, which are in clusters; or if `value` is no
                ``keras.layers.Embedding``.
        """
        if self.config.tie_word_embeddings or any(self.config.tied_projections):
            raise TypeError(
                "the softmax is tied to the clusters of the input embeddings, and other embeddings have none: build "
                "the model with tie_word_embeddings=False and tie_projs=[False, …]"
            )
        super().set_input_embeddings(value)

    def tie_weights(self) -> None:
        """Give the softmax the embeddings' vectors and projections."""
        words, softmax = self.transformer.word_emb, self.crit
        if self.config.tie_word_embeddings:
            for layer, table in zip(softmax.out_layers, words.emb_layers, strict=True):
                layer.tie(table)
        for i, tied in enumerate(self.config.tied_projections if len(softmax.out_projs) else ()):
            if tied:
                softmax.out_projs.tie(i, words.emb_projs, i if self.config.div_val > 1 else 0)

    def _prepare(self) -> None:
        super()._prepare()
        check_generates(self.config)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, logarithms of probabilities, of the last one's states (R, H)."""
        return self.crit(states)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict next words.

        Args:
            labels (or ``lm_labels``): (B, S), the word to predict at each place, which is that of the next token: as in
                2019, labels are the input ids moved by one, and nothing is moved here. -100 and -1 are ignored.

        Returns:
            ``(logits (B, S, V), mems, …)``, logarithms of probabilities. With labels only losses are computed:
            ``(loss (B, S), mems, …)``, a loss for each token, 0 where labels are ignored.
        """
        outputs, own = self._read(given)
        mems = outputs.mems if "mems" in outputs._fields else None
        found = self.crit(outputs[0], labels=own["labels"])
        loss, logits = (None, found) if own["labels"] is None else (found, None)
        return self._output(loss=loss, logits=logits, mems=mems, rest=outputs)
