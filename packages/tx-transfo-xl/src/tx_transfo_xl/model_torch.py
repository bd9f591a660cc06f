"""Transformer-XL in PyTorch (Dai et al. 2019, https://arxiv.org/abs/1901.02860). Mirrored by ``model_tf``.

Shapes: B batch, S sequence, M memory, K keys (M + S), L distances (K + 1), H hidden size, N heads, D head width, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tx_core.generation.relative_torch import Read, RelativeGeneration, RelativeLayerMemory
from tx_core.models.attention_torch import attend, merge_heads, split_heads
from tx_core.models.conversion import load_original_weights
from tx_core.models.forward_torch import ForwardContext, LayerOutput
from tx_core.models.heads_torch import Head, on_padding
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.relative_torch import disallow, relative_scores
from tx_core.models.steps_torch import apply_linear
from tx_core.outputs import NOTHING

from .adaptive_torch import AdaptiveEmbedding as AdaptiveEmbedding
from .adaptive_torch import ProjectedAdaptiveLogSoftmax as ProjectedAdaptiveLogSoftmax
from .architecture import ARCHITECTURE
from .common import check_generates, of_config
from .config import TransfoXLConfig
from .memory_torch import MemoryContext, MemoryForwardContext


class RelPartialLearnableMultiHeadAttn(nn.Module):
    """Attention to earlier tokens and the memory, by contents and distance, added to its input and normalised."""

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__()
        self.n_head, self.dropatt = config.n_head, config.dropatt
        self.pre_lnorm = config.pre_lnorm
        width = config.n_head * config.d_head
        self.qkv_net = nn.Linear(config.d_model, 3 * width, bias=False)
        self.drop = nn.Dropout(config.dropout)
        self.o_net = nn.Linear(width, config.d_model, bias=False)
        self.layer_norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)
        self.r_r_bias = nn.Parameter(torch.zeros(config.n_head, config.d_head))
        self.r_w_bias = nn.Parameter(torch.zeros(config.n_head, config.d_head))
        self.r_net = nn.Linear(config.d_model, width, bias=False)

    def project(self, states: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values of states, each (…, N·D)."""
        return self.qkv_net(self.layer_norm(states) if self.pre_lnorm else states).chunk(3, -1)

    def project_distances(self, encodings: Tensor) -> Tensor:
        """Keys of the encodings of distances (L, H): (1, N, L, D)."""
        return split_heads(self.r_net(encodings)[None], self.n_head)

    def with_bias(self, query: Tensor, bias: Tensor) -> Tensor:
        """Queries (B, N, S, D) with a bias (N, D)."""
        return query + bias[:, None].to(query.dtype)

    def finish(self, states: Tensor, attended: Tensor) -> Tensor:
        """What follows attention: (…, H) and (…, N·D) → (…, H)."""
        states = states + self.drop(self.o_net(attended))
        return states if self.pre_lnorm else self.layer_norm(states)

    def forward(self, hidden_states: Tensor, context: MemoryContext) -> tuple[Tensor, Tensor | None]:
        assert context.encodings is not None
        packing = context.packing
        query, key, value = self.project(hidden_states)  # (B, S, N·D), or (T, N·D)
        if packing is not None:
            query, key, value = (packing.unpack(x) for x in (query, key, value))
        if context.memory is not None:
            _, old_key, old_value = self.project(context.memory)  # (B or 1, M or 1, N·D)
            key, value = context.keys(old_key, key), context.keys(old_value, value)  # (B, K, N·D)
        query, key, value = (split_heads(x, self.n_head) for x in (query, key, value))  # (B, N, S or K, D)
        distances = self.project_distances(context.encodings)  # (1, N, L, D)
        scores = relative_scores(self.with_bias(query, self.r_r_bias), distances, key.shape[2])  # (B, N, S, K)
        dropout = self.dropatt if self.training else 0.0
        query, bias = self.with_bias(query, self.r_w_bias), disallow(scores, context.allowed)
        attended, weights = attend(query, key, value, bias, context.head_mask, dropout, context.need_weights)
        attended = merge_heads(attended)  # (B, S, N·D)
        if packing is not None:
            attended = packing.pack(attended)
        return self.finish(hidden_states, attended), None if weights is None else context.back(weights)

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, M, D) of states (B, M, H)."""
        _, key, value = self.project(states)
        return split_heads(key, self.n_head), split_heads(value, self.n_head)

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """What :meth:`forward` does with one token's states (R, 1, H)."""
        read = self.layer_norm(states[:, 0]) if self.pre_lnorm else states[:, 0]
        projected = apply_linear(self.qkv_net, read)[:, None].chunk(3, -1)
        query, key, value = (split_heads(x, self.n_head) for x in projected)  # (R, N, 1, D)
        content, position = (each.to(query.dtype) for each in (self.r_w_bias, self.r_r_bias))
        attended = merge_heads(past.attend(states, query, key, value, content, position))  # (R, 1, N·D)
        states = states + apply_linear(self.o_net, attended[:, 0])[:, None]
        return states if self.pre_lnorm else self.layer_norm(states)


class PositionwiseFF(nn.Module):
    """The feed-forward network, added to its input and normalised."""

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__()
        self.pre_lnorm = config.pre_lnorm
        self.CoreNet = nn.Sequential(
            nn.Linear(config.d_model, config.d_inner),
            nn.ReLU(inplace=True),
            nn.Dropout(config.dropout),
            nn.Linear(config.d_inner, config.d_model),
            nn.Dropout(config.dropout),
        )
        self.layer_norm = nn.LayerNorm(config.d_model, eps=config.layer_norm_epsilon)

    def forward(self, hidden_states: Tensor) -> Tensor:
        if self.pre_lnorm:
            return hidden_states + self.CoreNet(self.layer_norm(hidden_states))
        return self.layer_norm(hidden_states + self.CoreNet(hidden_states))

    def step(self, states: Tensor) -> Tensor:
        """What :meth:`forward` does outside of training, for few states (R, H)."""
        inner, activation, _, outer, _ = self.CoreNet
        read = self.layer_norm(states) if self.pre_lnorm else states
        states = states + apply_linear(outer, activation(apply_linear(inner, read)))
        return states if self.pre_lnorm else self.layer_norm(states)


class RelPartialLearnableDecoderLayer(nn.Module):
    """Attention and the feed-forward network."""

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__()
        self.dec_attn = RelPartialLearnableMultiHeadAttn(config)
        self.pos_ff = PositionwiseFF(config)

    def forward(self, hidden_states: Tensor, context: MemoryContext) -> LayerOutput:
        hidden_states, weights = self.dec_attn(hidden_states, context)
        return self.pos_ff(hidden_states), weights, None

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`RelativeLayer.remember`."""
        return self.dec_attn.remember(states)

    def distances(self, encodings: Tensor) -> Tensor:
        """As :meth:`RelativeLayer.distances`."""
        return self.dec_attn.project_distances(encodings)

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """As :meth:`RelativeLayer.step`."""
        return self.pos_ff.step(self.dec_attn.step(states, past)[:, 0])[:, None]


class TransfoXLPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all Transformer-XL models share."""

    config: TransfoXLConfig

    def _init_weights(self, module: nn.Module) -> None:
        config = self.config

        def spread(*parameters: Tensor) -> None:
            for each in parameters:
                if config.init == "uniform":
                    nn.init.uniform_(each, -config.init_range, config.init_range)
                else:
                    nn.init.normal_(each, std=config.init_std)

        match module:
            case nn.Linear() | nn.Embedding():
                spread(module.weight)
            case nn.LayerNorm():
                nn.init.normal_(module.weight, 1.0, config.init_std)
            case nn.ParameterList():
                for matrix in module:
                    nn.init.normal_(matrix, std=config.proj_init_std)
            case ProjectedAdaptiveLogSoftmax(starts=[_, *_]):
                spread(module.cluster_weight)
                nn.init.zeros_(module.cluster_bias)
            case RelPartialLearnableMultiHeadAttn() | TransfoXLModel(r_w_bias=_):
                spread(module.r_w_bias, module.r_r_bias)
        if (bias := module._parameters.get("bias")) is not None:
            nn.init.zeros_(bias)

    mem_len = of_config("mem_len", "How many states of each layer are kept; the configuration's.")
    clamp_len = of_config("clamp_len", "The largest distance that is told from larger ones; the configuration's.")
    same_length = of_config("same_length", "Whether a token attends to just `mem_len` places; the configuration's.")

    def reset_length(self, tgt_len: int, ext_len: int, mem_len: int) -> None:
        """Set the lengths of segments, of what they overlap by, and of the memory. Calls after it follow it."""
        self.config.tgt_len, self.config.ext_len, self.config.mem_len = tgt_len, ext_len, mem_len

    def init_mems(self, bsz: int) -> tuple[Tensor, ...] | None:
        """The memory that a text begins with, zeros: per layer (M, B, H); None if there is no memory."""
        if self.config.mem_len == 0:
            return None
        shape = self.config.mem_len, bsz, self.config.d_model
        return tuple(torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(self.config.n_layer))

    def resize_token_embeddings(self, new_num_tokens: int | None = None) -> nn.Module:
        """Change the size of the vocabulary, by words of its last cluster.

        New vectors, and biases, are the mean of the last table's.

        Args:
            new_num_tokens: how many words are wanted, e.g. ``len(tokenizer)``; None changes nothing.

        Returns:
            The input embeddings.

        Raises:
            ValueError: if the number is not positive, or the last cluster would have no word.
        """
        words = self.get_input_embeddings()
        if new_num_tokens is None or new_num_tokens == self.config.vocab_size:
            return words
        if new_num_tokens < 1:
            raise ValueError(f"new_num_tokens must be at least 1, not {new_num_tokens}")
        for module in self.modules():
            if isinstance(module, AdaptiveEmbedding | ProjectedAdaptiveLogSoftmax):
                module.resize(new_num_tokens)
        self.config.vocab_size = new_num_tokens
        self.tie_weights()
        return words


class TransfoXLModel(TransfoXLPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), mems)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    words_at, layers_at = "word_emb", "layers"
    gradient_checkpointing = False

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__(config)
        sizes = config.vocab_size, config.d_embed, config.d_model
        self.word_emb = AdaptiveEmbedding(*sizes, config.cutoffs, config.div_val)
        self.drop = nn.Dropout(config.dropout)
        if not config.untie_r:
            self.r_w_bias = nn.Parameter(torch.zeros(config.n_head, config.d_head))
            self.r_r_bias = nn.Parameter(torch.zeros(config.n_head, config.d_head))
        self.layers = nn.ModuleList(RelPartialLearnableDecoderLayer(config) for _ in range(config.n_layer))
        self.init_weights()

    def tie_weights(self) -> None:
        """Give all layers the same biases, unless each has its own."""
        for layer in () if self.config.untie_r else self.layers:
            layer.dec_attn.r_w_bias, layer.dec_attn.r_r_bias = self.r_w_bias, self.r_r_bias  # type: ignore[union-attr]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        # A buffer of the published class, whose numbers are always the same.
        state_dict.pop(f"{prefix}pos_emb.inv_freq", None)
        super()._load_from_state_dict(state_dict, prefix, *args)

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

    def read_prompts(self, ids: Tensor, mask: Tensor | None) -> Read:
        """Read prompts (B, S), padded on the left. All of the memory is attended to, as in any call."""
        outputs = self(ids, attention_mask=mask)
        return Read(outputs.last_hidden_state[:, -1], [each.transpose(0, 1) for each in outputs.mems])

    def read_token(self, tokens: Tensor) -> Tensor:
        """What the first layer reads of tokens (R,): (R, 1, H)."""
        return self.drop(self.word_emb(tokens[:, None]))

    def forward(
        self,
        input_ids: Tensor | None = None,
        mems: Sequence[Tensor] | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        skip_padding: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a segment of each text.

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
            skip_padding: overrides the model's.

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
            skip_padding=skip_padding,
        )
        need_states, context.need_states = context.need_states, True
        context.drop = self.drop
        hidden_states = self.embed(context)
        context.remember(mems, hidden_states)
        fields = context.through(self, self.layers, hidden_states, self.finish)
        fields["mems"] = context.next_mems(fields["hidden_states"][:-1])
        kept = "last_hidden_state", "mems", *(("hidden_states",) if need_states else ()), "attentions"
        return self._output(return_dict, **{name: fields[name] for name in kept})


class TransfoXLLMHeadModel(RelativeGeneration, Head, TransfoXLPreTrainedModel, published=True):
    """Transformer-XL with an adaptive softmax, which has the vectors of the embeddings, and biases of its own."""

    bare = TransfoXLModel
    also_takes = ("labels", "lm_labels")
    spellings: ClassVar[dict[str, str]] = {"lm_labels": "labels"}
    leading = ("input_ids", "mems", "head_mask", "inputs_embeds", "labels")
    new_heads = (("crit",),)

    def __init__(self, config: TransfoXLConfig) -> None:
        super().__init__(config)
        sizes = config.vocab_size, config.d_embed, config.d_model
        self.crit = ProjectedAdaptiveLogSoftmax(*sizes, config.cutoffs, config.div_val)
        self.init_weights()

    def tie_weights(self) -> None:
        """Give the softmax the embeddings' vectors and projections; with ``config.torchscript`` copies of them."""
        bare: Any = self.transformer
        bare.tie_weights()
        words, softmax = bare.word_emb, self.crit
        if not isinstance(bare.word_emb, AdaptiveEmbedding):  # it has no clusters: the softmax keeps its own vectors
            return

        def shared(parameter: Tensor) -> Tensor:
            return nn.Parameter(parameter.detach().clone()) if self.config.torchscript else parameter

        if self.config.tie_word_embeddings:
            for layer, table in zip(softmax.out_layers, words.emb_layers, strict=True):
                layer.weight = shared(table.weight)
        for i, tied in enumerate(self.config.tied_projections if len(softmax.out_projs) else ()):
            if tied:
                softmax.out_projs[i] = shared(words.emb_projs[i if self.config.div_val > 1 else 0])

    def _prepare(self) -> None:
        super()._prepare()
        check_generates(self.config)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, logarithms of probabilities, of the last one's states (R, H)."""
        return self.crit.log_prob(states)

    def _needs_padding(self, own: dict[str, Any], attention_mask: Tensor | None) -> bool:
        return on_padding(own["labels"], attention_mask)

    def _answer(self, given: dict[str, Any]) -> Any:
        """Predict next words.

        Args:
            labels (or ``lm_labels``): (B, S), the word to predict at each place, which is that of the next token: as in
                2019, labels are the input ids moved by one, and nothing is moved here. -100 and -1 are ignored.

        Returns:
            ``(logits (B, S, V), mems, …)``, logarithms of probabilities. With labels only what they need is computed:
            ``(loss (B, S), None, mems, …)``, a loss for each token, 0 where labels are ignored.
        """
        outputs, own = self._read(given)
        mems = outputs.mems if "mems" in outputs._fields else None
        found = self.crit(outputs[0], own["labels"])
        loss, logits = (None, found) if own["labels"] is None else (found, NOTHING)
        return self._output(loss=loss, logits=logits, mems=mems, rest=outputs)


load_tf_weights_in_transfo_xl = load_original_weights
