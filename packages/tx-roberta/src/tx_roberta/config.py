"""The configuration of RoBERTa (Liu et al. 2019, https://arxiv.org/abs/1907.11692)."""

from __future__ import annotations

from dataclasses import dataclass

from tx_bert.config import BertConfig

from .architecture import ARCHITECTURE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tx_core.checkpoints import Checkpoint


@dataclass(init=False, eq=False, repr=False)
class RobertaConfig(BertConfig, architecture=ARCHITECTURE):
    """The sizes and choices of a RoBERTa model: the fields of `BertConfig`, to which those here are exceptions.

    The defaults are what published files mean that lack a field. roberta-base states three that differ from them:
    max_position_embeddings 514, type_vocab_size 1 and layer_norm_eps 1e-5.

    Attributes:
        vocab_size: number of tokens.
        max_position_embeddings: rows of the table of positions. The longest sequence (`longest_sequence`) is shorter by
            `pad_token_id` + 1 tokens: the first token's position is `pad_token_id` + 1.
        pad_token_id: the token of padding, and the position of every such token.

    Raises:
        ValueError: a value is impossible; the message names it.
    """

    file_names = ("config.json",)  # type: ignore[assignment]
    checkpoint_names = ("model.pt", "checkpoint_best.pt", "checkpoint_last.pt")

    vocab_size: int = 50265
    pad_token_id: int = 1

    @property
    def longest_sequence(self) -> int:
        """How many tokens a model takes at once: 512 where there are 514 positions."""
        return self.max_position_embeddings - self.pad_token_id - 1

    def _values_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        from .fairseq import fields

        return fields(checkpoint)

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        if self.longest_sequence < 1:
            raise ValueError(
                f"max_position_embeddings is {self.max_position_embeddings}, but positions begin at pad_token_id + 1, "
                f"{self.pad_token_id + 1}: no token would have one"
            )
