"""The configuration of BERT (Devlin et al. 2018, https://arxiv.org/abs/1810.04805)."""

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
from tx_core.messages import quoted

from .architecture import ARCHITECTURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@dataclass(init=False, eq=False, repr=False)
class BertConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of a BERT model; the defaults are those of BERT-base, uncased.

    Attributes:
        vocab_size: number of tokens.
        hidden_size: width of the hidden states, divisible by `num_attention_heads`.
        num_hidden_layers: number of layers.
        num_attention_heads: attention heads of a layer.
        intermediate_size: width of the feed-forward layers.
        hidden_act: their activation function, one of `tx_core.config.ACTIVATIONS`.
        hidden_dropout_prob: dropout of hidden states.
        attention_probs_dropout_prob: dropout of attention probabilities.
        max_position_embeddings: longest sequence.
        type_vocab_size: number of segments (token types).
        initializer_range: standard deviation of new weights.
        layer_norm_eps: added to variances in layer normalisation.
        pad_token_id: the token whose embedding gets no gradient in PyTorch; None for none.
        classifier_dropout: dropout before a classification head; None for `hidden_dropout_prob`.
        position_embedding_type: "absolute", the only one supported.
        add_cross_attention: whether layers attend to an encoder's output; None for the rule of 2019, if `is_decoder`.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    file_names = ("config.json", "bert_config.json")

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | None = None
    position_embedding_type: str = "absolute"
    add_cross_attention: bool | None = None

    @property
    def has_cross_attention(self) -> bool:
        """Whether the layers have cross-attention."""
        return self.is_decoder if self.add_cross_attention is None else self.add_cross_attention

    def to_dict(self) -> dict[str, Any]:
        """As `PretrainedConfig.to_dict`. A decoder's cross-attention is stated: later readers take None for no."""
        values = super().to_dict()
        if self.is_decoder:
            values["add_cross_attention"] = self.has_cross_attention
        return values

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(
            self,
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "max_position_embeddings",
            "type_vocab_size",
        )
        check_activation(self, "hidden_act")
        check_probability(self, "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
        check_not_negative(self, "initializer_range", "layer_norm_eps", "pad_token_id")
        if self.position_embedding_type != "absolute":
            raise ValueError(
                f"position_embedding_type is {quoted(self.position_embedding_type)}; only 'absolute' is supported, and "
                "without the others' extra weights the numbers would be wrong"
            )

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "hidden_size", "num_attention_heads")
        if self.pad_token_id is not None and self.pad_token_id >= self.vocab_size:
            raise ValueError(f"pad_token_id is {self.pad_token_id}, but vocab_size is {self.vocab_size}")
        if self.add_cross_attention and not self.is_decoder:
            raise ValueError("add_cross_attention is True but is_decoder is False: only a decoder has cross-attention")
