"""OpenAI GPT in PyTorch (Radford et al. 2018, "Improving Language Understanding by Generative Pre-Training").

Mirrored by ``model_tf``.

Shapes: B batch, S sequence, K keys, H hidden size, N heads, D head width (H = N·D).
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tx_core.generation.generate_torch import KeyValueGeneration
from tx_core.models.activations_torch import ACTIVATIONS
from tx_core.models.conversion import load_original_weights
from tx_core.models.forward_torch import ForwardContext, LayerContext, LayerOutput
from tx_core.models.heads_torch import CausalLM, DoubleHeads
from tx_core.models.layers_torch import Conv1D, SequenceSummary
from tx_core.models.past_torch import Extends
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.models.pruning_torch import kept_columns, prune_conv1d
from tx_core.models.steps_torch import Step, linear_transposed

from .architecture import ARCHITECTURE
from .config import OpenAIGPTConfig


class OpenAIGPTAttention(nn.Module):
    """Multi-head attention to earlier positions; heads can be removed."""

    def __init__(self, config: OpenAIGPTConfig, layer: int) -> None:
        super().__init__()
        self.num_heads = len(config.kept_heads(layer))
        width = self.num_heads * (config.n_embd // config.n_head)
        self.c_attn = Conv1D(3 * width, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, width)
        self.dropout = config.attn_pdrop
        self.resid_dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        query, key, value = self.c_attn(hidden_states).chunk(3, -1)  # each (B, S, N·D)
        dropout = self.dropout if self.training else 0.0
        attended, weights, present = context.attend(query, key, value, self.num_heads, dropout)
        return self.resid_dropout(self.c_proj(attended)), weights, present

    def prune(self, kept: Tensor) -> None:
        """Keep only the given heads, numbered as they are now."""
        width = self.c_proj.weight.shape[0] // self.num_heads  # D
        heads = torch.cat([kept + part * self.num_heads for part in range(3)])  # of queries, keys and values
        self.c_attn = prune_conv1d(self.c_attn, kept_columns(heads, width))
        self.c_proj = prune_conv1d(self.c_proj, kept_columns(kept, width), dim=0)
        self.num_heads = len(kept)


class OpenAIGPTMLP(nn.Module):
    """The feed-forward network."""

    def __init__(self, config: OpenAIGPTConfig) -> None:
        super().__init__()
        self.c_fc = Conv1D(4 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, 4 * config.n_embd)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = nn.Dropout(config.resid_pdrop)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.dropout(self.c_proj(self.activation(self.c_fc(hidden_states))))


class OpenAIGPTBlock(nn.Module):
    """Attention and the feed-forward network, each added to its input and normalised."""

    def __init__(self, config: OpenAIGPTConfig, layer: int) -> None:
        super().__init__()
        self.attn = OpenAIGPTAttention(config, layer)
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = OpenAIGPTMLP(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(self, hidden_states: Tensor, context: LayerContext) -> LayerOutput:
        attended, weights, present = self.attn(hidden_states, context)
        hidden_states = self.ln_1(hidden_states + attended)
        return self.ln_2(hidden_states + self.mlp(hidden_states)), weights, present

    def step(self, past: Extends) -> Step:
        """What :meth:`forward` does with one token a row, for ``generate``.

        Calls of modules take longer than the arithmetic of a single token, so there are none.
        """
        heads, shape, epsilon = self.attn.num_heads, self.ln_1.normalized_shape, self.ln_1.eps
        ln_1, ln_2 = (self.ln_1.weight, self.ln_1.bias), (self.ln_2.weight, self.ln_2.bias)
        layers = (self.attn.c_attn, self.attn.c_proj, self.mlp.c_fc, self.mlp.c_proj)
        (wa, ba), (wp, bp), (wf, bf), (wo, bo) = ((layer.weight, layer.bias) for layer in layers)
        attention, activation = F.scaled_dot_product_attention, self.mlp.activation

        def step(hidden_states: Tensor, bias: Tensor | None) -> Tensor:
            projected = linear_transposed(hidden_states, wa, ba)  # (B, 3·N·D)
            query, key, value = projected.unflatten(1, (3, heads, 1, -1)).unbind(1)  # (B, N, 1, D)
            key, value = past.extend(key, value)  # (B, N, K, D)
            context = attention(query, key, value, attn_mask=bias).flatten(1)  # (B, N·D)
            attended = linear_transposed(context, wp, bp)
            hidden_states = torch.layer_norm(attended + hidden_states, shape, *ln_1, epsilon)
            fed = linear_transposed(activation(linear_transposed(hidden_states, wf, bf)), wo, bo)
            return torch.layer_norm(fed + hidden_states, shape, *ln_2, epsilon)

        return step


class OpenAIGPTPreTrainedModel(PreTrainedModel, architecture=ARCHITECTURE):
    """What all OpenAI GPT models share."""

    config: OpenAIGPTConfig


class OpenAIGPTModel(OpenAIGPTPreTrainedModel, published=True):
    """The bare model.

    Returns ``(last_hidden_state (B, S, H),)`` and, if asked for, ``hidden_states`` and ``attentions``.
    """

    words_at, layers_at, attention_at = "tokens_embed", "h", "attn"
    tables_at: ClassVar[dict[str, str]] = {"token_type_ids": "tokens_embed", "position_ids": "positions_embed"}
    gradient_checkpointing = False
    # A layer's `step` is its `forward` if it consists of these.
    plain = (OpenAIGPTBlock, OpenAIGPTAttention, OpenAIGPTMLP, Conv1D, nn.LayerNorm, nn.Dropout)

    def __init__(self, config: OpenAIGPTConfig) -> None:
        super().__init__(config)
        self.tokens_embed = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions_embed = nn.Embedding(config.n_positions, config.n_embd)
        self.drop = nn.Dropout(config.embd_pdrop)
        self.h = nn.ModuleList(OpenAIGPTBlock(config, layer) for layer in range(config.n_layer))
        self.init_weights()

    def embed(self, context: ForwardContext) -> Tensor:
        """What the first layer reads: (B, S, H). Token types are tokens whose embeddings are added."""
        hidden_states = context.words(self.tokens_embed) + self.positions_embed(context.position_ids)
        if context.token_type_ids is not None:
            hidden_states = hidden_states + self.tokens_embed(context.token_type_ids)
        return self.drop(hidden_states)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        skip_padding: bool | None = None,
    ) -> tuple[Tensor, ...]:
        """Read a batch.

        Args:
            input_ids: (B, S), or instead inputs_embeds: (B, S, H). Ids may have any axes before S, as (S,) and
                (B, C, S) have; outputs then have the same.
            attention_mask: (B, S) or (B, S, K), 1 for tokens to attend to, 0 for padding.
            token_type_ids: (B, S), tokens whose embeddings are added, such as a speaker's.
            position_ids: (B, S); by default counted from each row's first token that is not padding.
            head_mask: (N,) or (layers, N), 0 removes a head's contribution.
            output_attentions, output_hidden_states: override the configuration.
            return_dict: False for a plain tuple, whose fields have no names.
            skip_padding: overrides the model's.

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, the sequence is longer than
                ``n_positions``, there is no token, an id is outside its table, or a shape does not fit.
        """
        context = ForwardContext.of(
            self,
            input_ids,
            inputs_embeds,
            attention_mask,
            token_type_ids,
            position_ids,
            head_mask,
            causal=True,
            any_axes=True,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            skip_padding=skip_padding,
        )
        return self._output(return_dict, **context.through(self, self.h, self.embed(context)))


class OpenAIGPTLMHeadModel(KeyValueGeneration, CausalLM, OpenAIGPTPreTrainedModel, published=True):
    """OpenAI GPT with a language model head; the weights are the word embeddings."""

    bare = OpenAIGPTModel

    def __init__(self, config: OpenAIGPTConfig) -> None:
        super().__init__(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head


class OpenAIGPTDoubleHeadsModel(KeyValueGeneration, DoubleHeads, OpenAIGPTPreTrainedModel, published=True):
    """OpenAI GPT with a language model head and one that chooses between texts, as in SWAG or ROCStories."""

    bare = OpenAIGPTModel
    new_heads = (("multiple_choice_head",),)

    def __init__(self, config: OpenAIGPTConfig) -> None:
        super().__init__(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.multiple_choice_head = SequenceSummary(config, labels=1)
        self.init_weights()

    def get_output_embeddings(self) -> nn.Linear:
        return self.lm_head


load_tf_weights_in_openai_gpt = load_original_weights
