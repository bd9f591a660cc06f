"""GPT-2 in PyTorch (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").

Mirrored by ``model_tf``.

Shapes: B batch, C choices, S sequence, P past, K keys (P + S), H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.generation.generate_torch import (
    KeyValueGenerationMixin,
    KeyValueMemory,
    LayerMemory,
    Past,
    Step,
    extend_past,
    is_plain,
    linear_transposed,
    past_length,
    stack_past,
)
from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.attention_torch import attend, causal_bias, layer_head_masks, merge_heads, split_heads
from tx_core.models.attention_torch import position_ids as positions_from_mask
from tx_core.models.losses_torch import causal_loss, summarize, token_loss
from tx_core.models.pretrained_torch import (
    PreTrainedModel,
    as_rows,
    checkpointed,
    chosen,
    flatten_choices,
    from_rows,
    input_shape,
    one_of,
)
from tx_core.models.pruning_torch import prune
from tx_core.weights import WeightTable

from .config import GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP, GPT2Config
from .weights import WEIGHTS

GPT2_PRETRAINED_MODEL_ARCHIVE_MAP: dict[str, str] = {
    name: url.replace("config.json", "pytorch_model.bin") for name, url in GPT2_PRETRAINED_CONFIG_ARCHIVE_MAP.items()
}


class Conv1D(nn.Module):
    """A linear layer whose weight is (inputs, outputs), as in OpenAI's code and files.

    Args:
        nf: outputs. nx: inputs.
    """

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.empty(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


@prune.register(Conv1D)
def prune_conv1d(layer: Conv1D, index: Tensor, dim: int | None) -> Conv1D:
    """A Conv1D with only the given outputs (``dim`` 1 or None) or inputs (``dim`` 0)."""
    dim = 1 if dim is None else dim
    weight = layer.weight.detach().index_select(dim, index)
    with torch.device("meta"):
        pruned = Conv1D(weight.shape[1], weight.shape[0])
    bias = layer.bias.detach().clone() if dim == 0 else layer.bias.detach().index_select(0, index)
    pruned.weight = nn.Parameter(weight, requires_grad=layer.weight.requires_grad)
    pruned.bias = nn.Parameter(bias, requires_grad=layer.bias.requires_grad)
    return pruned


class GPT2Attention(nn.Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.num_heads = len(config.kept_heads(layer))
        width = self.num_heads * (config.n_embd // config.n_head)
        self.c_attn = Conv1D(3 * width, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, width)
        self.dropout = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)
        self.scale = config.scale_attn_weights
        self.divisor = layer + 1 if config.scale_attn_by_inverse_layer_idx else 1
        self.upcast = config.reorder_and_upcast_attn

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        is_causal: bool,
        head_mask: Tensor | None,
        past: Past | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        query, key, value = self.c_attn(hidden_states).chunk(3, -1)  # each (B, S, N·D)
        query, key, value = (split_heads(x, self.num_heads) for x in (query, key, value))  # (B, N, S, D)
        key, value = extend_past(past, key, value)  # (B, N, K, D)
        if self.divisor != 1:
            query = query / self.divisor
        options = (head_mask, self.dropout if self.training else 0.0, need_weights, self.scale, is_causal)
        if self.upcast and query.dtype.itemsize < 4:
            with torch.autocast(query.device.type, enabled=False):
                context, weights = attend(query.float(), key.float(), value.float(), bias, *options)
            context = context.to(value.dtype)
        else:
            context, weights = attend(query, key, value, bias, *options)
        return self.resid_dropout(self.c_proj(merge_heads(context))), weights, (key, value)

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.c_proj.weight.shape[0] // self.num_heads  # D
        index = (kept[:, None] * width + torch.arange(width, device=kept.device)).flatten()
        thirds = torch.arange(3, device=kept.device)[:, None] * (self.num_heads * width)  # queries, keys, values
        self.c_attn = prune_conv1d(self.c_attn, (thirds + index).flatten(), dim=1)
        self.c_proj = prune_conv1d(self.c_proj, index, dim=0)
        self.num_heads = len(kept)


class GPT2MLP(nn.Module):
    """The feed-forward network."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Conv1D(config.inner_size, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.inner_size)
        self.activation = ACTIVATIONS[config.activation_function]
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.activation(self.c_fc(hidden_states))))


class GPT2Block(nn.Module):
    """Attention and the feed-forward network, each normalising its input and adding to it."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = GPT2Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = GPT2MLP(config)

    def forward(
        self,
        hidden_states: Tensor,
        bias: Tensor | None,
        is_causal: bool,
        head_mask: Tensor | None,
        past: Past | None,
        need_weights: bool,
    ) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        attended, weights, present = self.attn(self.ln_1(hidden_states), bias, is_causal, head_mask, past, need_weights)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.ln_2(hidden_states)), weights, present

    def step(self, past: LayerMemory) -> Step:
        """What :meth:`forward` does with one token a row, for ``generate``.

        Calls of modules take longer than the arithmetic of a single token, so there are none.
        """
        heads, divisor, scale = self.attn.num_heads, self.attn.divisor, None if self.attn.scale else 1.0
        shape, epsilon, activation = self.ln_1.normalized_shape, self.ln_1.eps, self.mlp.activation
        ln_1, ln_2 = (self.ln_1.weight, self.ln_1.bias), (self.ln_2.weight, self.ln_2.bias)
        layers = (self.attn.c_attn, self.attn.c_proj, self.mlp.c_fc, self.mlp.c_proj)
        (wa, ba), (wp, bp), (wf, bf), (wo, bo) = ((layer.weight, layer.bias) for layer in layers)
        attention = F.scaled_dot_product_attention

        def step(hidden_states: Tensor, bias: Tensor | None) -> Tensor:
            normed = torch.layer_norm(hidden_states, shape, *ln_1, epsilon)  # (B, H)
            projected = linear_transposed(normed, wa, ba)  # (B, 3·N·D)
            query, key, value = projected.unflatten(1, (3, heads, 1, -1)).unbind(1)  # (B, N, 1, D)
            key, value = past.extend(key, value)  # (B, N, K, D)
            if divisor != 1:
                query = query / divisor
            context = attention(query, key, value, attn_mask=bias, scale=scale).flatten(1)  # (B, N·D)
            hidden_states = linear_transposed(context, wp, bp) + hidden_states
            normed = torch.layer_norm(hidden_states, shape, *ln_2, epsilon)
            return linear_transposed(activation(linear_transposed(normed, wf, bf)), wo, bo) + hidden_states

        return step


# Of these modules a block consists whose `step` is its `forward`.
_PLAIN = (nn.ModuleList, GPT2Block, GPT2Attention, GPT2MLP, Conv1D, nn.LayerNorm, nn.Dropout)


class GPT2SequenceSummary(nn.Module):
    """The head that scores a whole sequence."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.summary_type = config.summary_type
        self.first_dropout = nn.Dropout(config.summary_first_dropout)
        outputs = 1 if config.summary_proj_to_labels else config.n_embd
        self.summary = nn.Linear(config.n_embd, outputs) if config.summary_use_proj else nn.Identity()
        self.activation = ACTIVATIONS[config.summary_activation or "linear"]

    def forward(self, hidden_states: Tensor, mc_token_ids: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        vectors = summarize(hidden_states, self.summary_type, mc_token_ids, attention_mask)  # (B, H)
        return self.activation(self.summary(self.first_dropout(vectors)))  # (B, 1)


class GPT2PreTrainedModel(PreTrainedModel):
    """What all GPT-2 models share: the configuration, the weight table, initialisation."""

    config: GPT2Config
    config_class = GPT2Config
    base_model_prefix = "transformer"
    weight_table: ClassVar[WeightTable] = WEIGHTS
    pretrained_model_archive_map = GPT2_PRETRAINED_MODEL_ARCHIVE_MAP

    def _init_weights(self, module: nn.Module) -> None:
        """Normal with the configuration's range; zero biases; identity normalisation.

        What the layers add to the hidden states is scaled down by the root of how many they are (§2.3 of the paper).
        """
        if isinstance(module, nn.Linear | nn.Embedding | Conv1D):
            module.weight.data.normal_(mean=0.0, std=self.config.initializer_range)
        elif isinstance(module, nn.LayerNorm):
            module.weight.data.fill_(1.0)
        elif isinstance(module, GPT2Block):
            scaled = self.config.initializer_range / (2 * self.config.n_layer) ** 0.5
            module.attn.c_proj.weight.data.normal_(mean=0.0, std=scaled)
            module.mlp.c_proj.weight.data.normal_(mean=0.0, std=scaled)
        if isinstance(module, nn.Linear | nn.LayerNorm | Conv1D) and module.bias is not None:
            module.bias.data.zero_()


class GPT2Model(GPT2PreTrainedModel):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H), past)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    new_heads = ()
    gradient_checkpointing = False

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(GPT2Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.init_weights()

    def get_input_embeddings(self) -> nn.Module:
        return self.wte

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.wte = value  # type: ignore[assignment]

    def _prune_layer(self, layer: int, kept: Tensor) -> None:
        self.h[layer].attn.prune(kept)  # type: ignore[union-attr, operator]

    def forward(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a batch, or its continuation.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H). Ids may have any axes before S, as (S,) and
                (B, C, S) have; outputs then have the same, but for ``past``, which is that of all rows.
            past: what an earlier call returned under this name, for the tokens before these: per layer the keys and
                values, (2, B, N, P, D).
            attention_mask: (B, K) or (B, S, K), 1 for tokens to attend to, 0 for padding; it covers the past too.
            token_type_ids: (B, S), tokens whose embeddings are added, such as a speaker's.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            use_cache: whether ``past`` is returned.
            use_cache, output_attentions, output_hidden_states: override the configuration.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, past and sequence are longer
                than ``n_positions``, or a shape does not fit.
        """
        config = self.config
        axes, (input_ids, attention_mask, token_type_ids, position_ids) = as_rows(
            input_ids, attention_mask, token_type_ids, position_ids
        )
        before = past_length(past, config.n_layer)
        _, length, device = input_shape(
            input_ids, inputs_embeds, config.vocab_size, config.n_positions, attention_mask, before
        )
        if position_ids is None:
            position_ids = positions_from_mask(attention_mask, length, before + length, device)
        hidden_states = self.wte(input_ids) if inputs_embeds is None else inputs_embeds
        hidden_states = hidden_states + self.wpe(position_ids)
        if token_type_ids is not None:
            hidden_states = hidden_states + self.wte(token_type_ids)
        hidden_states = self.drop(hidden_states)
        bias, is_causal = causal_bias(attention_mask, length, before + length, hidden_states.dtype, device)

        need_states = chosen(output_hidden_states, config.output_hidden_states)
        need_weights = chosen(output_attentions, config.output_attentions)
        head_masks = layer_head_masks(head_mask, config, hidden_states.dtype)
        all_hidden_states, all_attentions, presents = [hidden_states], [], []
        for i, block in enumerate(self.h):
            hidden_states, weights, present = checkpointed(self, block)(
                hidden_states, bias, is_causal, head_masks[i], None if past is None else past[i], need_weights
            )
            all_hidden_states.append(hidden_states)
            all_attentions.append(weights)
            presents.append(present)
        hidden_states = all_hidden_states[-1] = self.ln_f(hidden_states)
        return self._output(
            "GPT2ModelOutput",
            last_hidden_state=from_rows(hidden_states, axes),
            past=stack_past(presents) if chosen(use_cache, config.use_cache) else None,
            hidden_states=tuple(from_rows(x, axes) for x in all_hidden_states) if need_states else None,
            attentions=tuple(from_rows(x, axes) for x in all_attentions) if need_weights else None,
        )

    def _decode(self, input_ids: Tensor, memory: KeyValueMemory) -> Tensor:
        """Read the next tokens (B, S) into the memory; returns the last one's state (B, H). For ``generate``."""
        position_ids, bias, is_causal = memory.next(input_ids.shape[1], self.wte.weight.dtype)
        hidden_states = self.drop(self.wte(input_ids) + self.wpe(position_ids))
        if memory.steps is None:
            upcast = self.config.reorder_and_upcast_attn and self.dtype.itemsize < 4
            plain = is_plain(self.h, _PLAIN) and not upcast
            memory.steps = [b.step(p) for b, p in zip(self.h, memory.layers, strict=True)] if plain else []  # type: ignore[operator]
        if memory.steps and input_ids.shape[1] == 1:
            states = hidden_states[:, 0]
            for step in memory.steps:
                states = step(states, bias)
            return self.ln_f(states)
        for block, past in zip(self.h, memory.layers, strict=True):
            hidden_states = block(hidden_states, bias, is_causal, None, past, False)[0]
        return self.ln_f(hidden_states[:, -1])


class GPT2LMHeadModel(KeyValueGenerationMixin, GPT2PreTrainedModel):
    """GPT-2 with a language model head; the weights are the word embeddings."""

    new_heads = ()

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def forward(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`GPT2Model.forward`.

        Args:
            labels: (B, S), usually the input ids, each to be predicted from those before it; -100 and -1 are ignored.

        Returns:
            ``(loss, logits (B, S, vocabulary), past, …)``; the loss only with labels.
        """
        outputs = self.transformer(
            input_ids,
            past,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        logits = self.lm_head(outputs[0])
        return self._output(
            "GPT2LMHeadModelOutput",
            loss=None if labels is None else causal_loss(logits, labels),
            logits=logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )


class GPT2DoubleHeadsModel(KeyValueGenerationMixin, GPT2PreTrainedModel):
    """GPT-2 with a language model head and one that chooses between texts, as in SWAG or ROCStories."""

    new_heads = (("multiple_choice_head",),)

    def __init__(self, config: GPT2Config) -> None:
        super().__init__(config)
        self.transformer = GPT2Model(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.multiple_choice_head = GPT2SequenceSummary(config)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head

    def forward(
        self,
        input_ids: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        mc_token_ids: Tensor | None = None,
        lm_labels: Tensor | None = None,
        mc_labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """As :meth:`GPT2Model.forward`, with one more axis: all inputs are (B, C, S), C the number of choices.

        Inputs may also be (B, S): one text a row, each with a score.

        Args:
            mc_token_ids: (B, C), the token whose state is scored; by default the last that is not padding.
            lm_labels (or ``labels``): (B, C, S), usually the input ids; -100 and -1 are ignored.
            mc_labels: (B,), the index of the right choice.

        Returns:
            ``(loss, mc_loss, logits (B, C, S, vocabulary), mc_logits (B, C), past, …)``; the language model's loss only
            with ``lm_labels``, the choice's only with ``mc_labels``. Past, hidden states and attentions are those of
            B·C texts.
        """
        given = input_ids if input_ids is not None else inputs_embeds
        choices = given is not None and given.dim() == (3 if input_ids is not None else 4)
        if choices:
            input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds = map(
                flatten_choices, (input_ids, attention_mask, token_type_ids, position_ids, inputs_embeds)
            )
        outputs = self.transformer(
            input_ids,
            past,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            inputs_embeds,
            use_cache,
            output_attentions,
            output_hidden_states,
        )
        logits = self.lm_head(outputs[0])
        mc_token_ids = None if mc_token_ids is None else mc_token_ids.reshape(-1)
        mc_logits = self.multiple_choice_head(outputs[0], mc_token_ids, attention_mask).squeeze(-1)
        if choices:
            assert given is not None
            logits, mc_logits = (x.unflatten(0, (-1, given.shape[1])) for x in (logits, mc_logits))
        lm_labels = one_of(lm_labels=lm_labels, labels=labels)
        return self._output(
            "GPT2DoubleHeadsModelOutput",
            loss=None if lm_labels is None else causal_loss(logits, lm_labels),
            mc_loss=None if mc_labels is None else token_loss(mc_logits, mc_labels.reshape(-1)),
            logits=logits,
            mc_logits=mc_logits,
            past=outputs[1] if chosen(use_cache, self.config.use_cache) else None,
            rest=outputs,
        )


def load_tf_weights_in_gpt2(
    model: GPT2PreTrainedModel, config: GPT2Config, gpt2_checkpoint_path: str
) -> GPT2PreTrainedModel:
    """Fill a model with the weights of one of OpenAI's TensorFlow 1 checkpoints (``model.ckpt``), strictly.

    Args:
        model: filled in place, and returned.
        config: the model's configuration.
        gpt2_checkpoint_path: the checkpoint's prefix, or its ``.index`` file.

    Raises:
        WeightsError: if the checkpoint does not fit the model.
    """
    model.load_weights(gpt2_checkpoint_path)
    return model
