"""The configuration of DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108)."""

from __future__ import annotations

from dataclasses import dataclass

from tx_core.config import (
    PretrainedConfig,
    check_activation,
    check_divisible,
    check_not_negative,
    check_positive,
    check_probability,
)

from .architecture import ARCHITECTURE

# Added to variances in layer normalisation; no file states it.
LAYER_NORM_EPS = 1e-12


@dataclass(init=False, eq=False, repr=False)
class DistilBertConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of a DistilBERT model; the defaults are those of the published ones.

    Attributes:
        vocab_size: number of tokens.
        max_position_embeddings: longest sequence.
        sinusoidal_pos_embds: whether positions are sines and cosines, which are not trained.
        n_layers: number of layers.
        n_heads: attention heads of a layer.
        dim: width of the hidden states, divisible by `n_heads`.
        hidden_dim: width of the feed-forward layers.
        dropout: dropout of hidden states.
        attention_dropout: dropout of attention probabilities.
        activation: the feed-forward layers' activation function, one of `tx_core.config.ACTIVATIONS`.
        initializer_range: standard deviation of new weights.
        qa_dropout: dropout before the head that answers questions.
        seq_classif_dropout: dropout before a classifier of whole sequences, or of choices.
        pad_token_id: the token whose embedding gets no gradient in PyTorch; None for none.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    aliases = {  # noqa: RUF012 - an annotation would make it a field
        "hidden_act": "activation",
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    }
    unread = ("tie_weights_",)

    vocab_size: int = 30522
    max_position_embeddings: int = 512
    sinusoidal_pos_embds: bool = False
    n_layers: int = 6
    n_heads: int = 12
    dim: int = 768
    hidden_dim: int = 3072
    dropout: float = 0.1
    attention_dropout: float = 0.1
    activation: str = "gelu"
    initializer_range: float = 0.02
    qa_dropout: float = 0.1
    seq_classif_dropout: float = 0.2
    pad_token_id: int | None = 0

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(self, "vocab_size", "max_position_embeddings", "n_layers", "n_heads", "dim", "hidden_dim")
        check_activation(self, "activation")
        check_probability(self, "dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout")
        check_not_negative(self, "initializer_range", "pad_token_id")
        if self.is_decoder:
            raise ValueError("is_decoder is True, but DistilBERT is an encoder only")

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "dim", "n_heads")
        if self.pad_token_id is not None and self.pad_token_id >= self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but vocab_size is {self.vocab_size}")
        if self.sinusoidal_pos_embds and self.dim % 2:
            raise ValueError(f"sinusoidal_pos_embds needs an even dim, for as many sines as cosines, not {self.dim}")
