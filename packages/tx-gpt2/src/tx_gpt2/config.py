"""The configuration of GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners")."""

from __future__ import annotations

from dataclasses import dataclass

from tx_core.config import (
    PretrainedConfig,
    check_activation,
    check_divisible,
    check_not_negative,
    check_positive,
    check_probability,
    check_summary,
)

from .architecture import ARCHITECTURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


@dataclass(init=False, eq=False, repr=False)
class GPT2Config(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of a GPT-2 model; the defaults are those of the smallest published one.

    Attributes:
        vocab_size: number of tokens.
        n_positions: longest sequence.
        n_ctx: the same, as files of 2019 state it; without effect.
        n_embd: width of the hidden states, divisible by `n_head`.
        n_layer: number of layers.
        n_head: attention heads of a layer.
        n_inner: width of the feed-forward layers; None for `4 * n_embd`.
        activation_function: their activation function, one of `tx_core.config.ACTIVATIONS`.
        resid_pdrop: dropout of what a layer adds to the hidden states.
        embd_pdrop: dropout of the embeddings.
        attn_pdrop: dropout of attention probabilities.
        layer_norm_epsilon: added to variances in layer normalisation.
        initializer_range: standard deviation of new weights.
        summary_type: what a sequence's score is computed from: its "last" or "first" token, the "mean" of all, or the
            token at "cls_index" (`mc_token_ids`).
        summary_use_proj: whether a linear layer follows.
        summary_activation: an activation function after it, such as "tanh"; None for none.
        summary_proj_to_labels: whether the linear layer gives one score; otherwise a vector of width `n_embd`.
        summary_first_dropout: dropout before it.
        scale_attn_weights: whether attention scores are divided by the root of the head width.
        scale_attn_by_inverse_layer_idx: whether they are also divided by the layer's number, counted from 1.
        reorder_and_upcast_attn: whether attention is computed in float32 when the model is of lower precision.
        use_cache: whether models return `past`.
        bos_token_id, eos_token_id, pad_token_id: the tokens that begin, end and pad a text, for `generate`.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    aliases = {  # noqa: RUF012 - an annotation would make it a field
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
        "n_vocab": "vocab_size",
    }
    file_names = ("config.json", "gpt2_config.json", "hparams.json")

    vocab_size: int = 50257
    n_positions: int = 1024
    n_ctx: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    activation_function: str = "gelu_new"
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    initializer_range: float = 0.02
    summary_type: str = "cls_index"
    summary_use_proj: bool = True
    summary_activation: str | None = None
    summary_proj_to_labels: bool = True
    summary_first_dropout: float = 0.1
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    reorder_and_upcast_attn: bool = False
    use_cache: bool = True
    bos_token_id: int | None = 50256
    eos_token_id: int | list[int] | None = 50256
    pad_token_id: int | None = None

    @property
    def inner_size(self) -> int:
        """Width of the feed-forward layers."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner

    @property
    def residual_range(self) -> float:
        """Standard deviation of new weights of what layers add to the hidden states (§2.3 of the paper).

        It is scaled down by the root of how many additions there are.
        """
        return float(self.initializer_range / (2 * self.n_layer) ** 0.5)

    def _read(self, values: Mapping[str, Any]) -> None:
        # OpenAI's own hparams.json gives the longest sequence as n_ctx alone.
        if "n_ctx" in values and not {"n_positions", "max_position_embeddings"} & values.keys():
            values = {**values, "n_positions": values["n_ctx"]}
        super()._read(values)

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(self, "vocab_size", "n_positions", "n_ctx", "n_embd", "n_layer", "n_head", "inner_size")
        check_activation(self, "activation_function")
        check_probability(self, "resid_pdrop", "embd_pdrop", "attn_pdrop")
        check_not_negative(self, "initializer_range", "layer_norm_epsilon")
        check_summary(self)
        if getattr(self, "add_cross_attention", False):
            raise ValueError("add_cross_attention is True; GPT-2 with cross-attention is not supported")

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "n_embd", "n_head")
