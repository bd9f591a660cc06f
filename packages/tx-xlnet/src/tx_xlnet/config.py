"""The configuration of XLNet (Yang et al. 2019, https://arxiv.org/abs/1906.08237)."""

from __future__ import annotations

from dataclasses import dataclass

from tx_core.config import (
    PretrainedConfig,
    check_activation,
    check_choice,
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

# What each layer's attention adds to queries. Without `XLNetConfig.untie_r` the layers share it.
BIASES = ("r_r_bias", "r_s_bias", "r_w_bias")
# What the authors' xlnet_config.json says, no more and no less.
_AUTHORS = {"n_layer", "d_model", "n_head", "d_head", "d_inner", "ff_activation", "untie_r", "n_token"}


@dataclass(init=False, eq=False, repr=False)
class XLNetConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of an XLNet model; the defaults are those of xlnet-large-cased.

    `max_position_embeddings` is accepted, as in 2019, and always -1: sequences may be of any length.

    Attributes:
        vocab_size: number of tokens.
        d_model: width of the hidden states, an even number.
        n_layer: number of layers.
        n_head: attention heads of a layer.
        d_head: width of a head; None for `d_model / n_head`.
        d_inner: width of the feed-forward layers.
        ff_activation: their activation function, one of `tx_core.config.ACTIVATIONS`.
        untie_r: whether each layer has biases of its own that the queries get (`r_w_bias`, `r_r_bias`, `r_s_bias`);
            otherwise those of the first are those of all.
        attn_type: "bi" for attention to all tokens; "uni" for attention to earlier ones, as in Transformer-XL.
        initializer_range: standard deviation of new weights.
        layer_norm_eps: added to variances in layer normalisation.
        dropout: dropout of hidden states, distances and attention probabilities.
        mem_len: how many states of earlier tokens models return for the next call (`mems`); None or 0 for no memory.
        reuse_len: how many of a call's tokens, from the first on, enter the memory; None or 0 for all.
        use_mems_eval, use_mems_train: whether the memory is returned in evaluation, and in training.
        bi_data: whether the second half of a batch's rows are read backwards, as in the authors' pretraining.
        clamp_len: the largest distance between tokens that is told from larger ones; not limited unless it is above 0.
        same_length: in attention of type "uni", whether all tokens attend to equally many.
        summary_type, summary_use_proj, summary_activation, summary_proj_to_labels, summary_first_dropout,
            summary_last_dropout: how a sequence is scored, see `tx_core.models.layers_torch.SequenceSummary`.
        start_n_top, end_n_top: how many starts of an answer, and ends for each, question answering keeps.
        bos_token_id, eos_token_id, pad_token_id: the tokens that begin, end and pad a text, for `generate`.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    aliases = {  # noqa: RUF012 - an annotation would make it a field
        "hidden_size": "d_model",
        "n_token": "vocab_size",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    }
    file_names = ("config.json", "xlnet_config.json")
    unread = ("max_position_embeddings",)

    vocab_size: int = 32000
    d_model: int = 1024
    n_layer: int = 24
    n_head: int = 16
    d_head: int | None = None
    d_inner: int = 4096
    ff_activation: str = "gelu"
    untie_r: bool = True
    attn_type: str = "bi"
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    dropout: float = 0.1
    mem_len: int | None = None
    reuse_len: int | None = None
    use_mems_eval: bool = True
    use_mems_train: bool = True
    bi_data: bool = False
    clamp_len: int = -1
    same_length: bool = False
    summary_type: str = "last"
    summary_use_proj: bool = True
    summary_activation: str | None = "tanh"
    summary_proj_to_labels: bool = False
    summary_first_dropout: float = 0.0
    summary_last_dropout: float = 0.1
    start_n_top: int = 5
    end_n_top: int = 5
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pad_token_id: int | None = 5

    @property
    def max_position_embeddings(self) -> int:
        """-1: there is no longest sequence."""
        return -1

    @property
    def longest_sequence(self) -> int | None:
        """None: there is none."""
        return None

    @property
    def head_width(self) -> int:
        """Width of an attention head."""
        return self.d_model // self.n_head if self.d_head is None else self.d_head

    @property
    def authors_activation(self) -> str:
        """What the authors' program calls the activation function; it has one GELU, the approximate one."""
        return "gelu" if self.ff_activation == "gelu_new" else self.ff_activation

    @property
    def summary_width(self) -> int:
        """How many numbers a summary of a sequence has."""
        return self.num_labels if self.summary_use_proj and self.summary_proj_to_labels else self.d_model

    def _update(self, values: Mapping[str, Any], file: bool = False) -> None:
        # It says nothing, and other programs refuse a file that has it.
        super()._update({name: value for name, value in values.items() if name not in self.unread}, file)

    def _read(self, values: Mapping[str, Any]) -> None:
        if values.keys() == _AUTHORS and values["ff_activation"] == "gelu":
            # That of the authors' code (`modeling.gelu`) is the approximate one.
            values = {**values, "ff_activation": "gelu_new"}
        super()._read(values)

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(self, "vocab_size", "d_model", "n_layer", "n_head", "head_width", "d_inner")
        check_positive(self, "start_n_top", "end_n_top")
        check_activation(self, "ff_activation")
        check_choice(self, "attn_type", ("bi", "uni"))
        check_probability(self, "dropout", "summary_last_dropout")
        check_not_negative(self, "initializer_range", "layer_norm_eps", "mem_len", "reuse_len")
        check_summary(self)

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        if self.pruned_heads:
            raise ValueError(
                f"pruned_heads is {self.pruned_heads}, but XLNet does not support the removal of heads: a head_mask "
                "takes their contribution away"
            )
        super().validate_relations()
        if self.d_head is None:
            check_divisible(self, "d_model", "n_head")
        if self.d_model % 2:
            raise ValueError(
                f"d_model is {self.d_model}, but must be even: half of a distance's encoding is sines, half cosines"
            )
