"""The configuration of CTRL (Keskar et al. 2019, https://arxiv.org/abs/1909.05858)."""

from __future__ import annotations

from dataclasses import dataclass

from tx_core.config import PretrainedConfig, check_divisible, check_not_negative, check_positive, check_probability

from .architecture import ARCHITECTURE


@dataclass(init=False, eq=False, repr=False)
class CTRLConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes of a CTRL model; the defaults are those of the published one.

    Attributes:
        vocab_size: number of tokens.
        n_positions: longest sequence.
        n_ctx: the length of the sequences it was trained with; without effect.
        n_embd: width of the hidden states, even and divisible by `n_head`.
        dff: width of the feed-forward layers.
        n_layer: number of layers.
        n_head: attention heads of a layer.
        resid_pdrop: dropout of what a layer adds to the hidden states.
        embd_pdrop: dropout of the embeddings.
        attn_pdrop: in files of 2019; without effect, attention has no dropout.
        layer_norm_epsilon: added to variances in layer normalisation.
        initializer_range: standard deviation of new weights.
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
    }
    unread = (
        "summary_type",
        "summary_use_proj",
        "summary_activation",
        "summary_proj_to_labels",
        "summary_first_dropout",
    )

    vocab_size: int = 246534
    n_positions: int = 256
    n_ctx: int = 256
    n_embd: int = 1280
    dff: int = 8192
    n_layer: int = 48
    n_head: int = 16
    resid_pdrop: float = 0.1
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-6
    initializer_range: float = 0.02
    use_cache: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(self, "vocab_size", "n_positions", "n_ctx", "n_embd", "dff", "n_layer", "n_head")
        check_probability(self, "resid_pdrop", "embd_pdrop", "attn_pdrop")
        check_not_negative(self, "initializer_range", "layer_norm_epsilon")

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "n_embd", "n_head")
        if self.n_embd % 2:
            raise ValueError(f"n_embd is {self.n_embd}, but must be even: half of it is for sines, half for cosines")
