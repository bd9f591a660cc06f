"""The configuration of OpenAI GPT (Radford et al. 2018, "Improving Language Understanding")."""

from __future__ import annotations

import os
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
    from typing import Any

# Arrays that OpenAI's own files have in front of the layers', and for each layer.
_FIRST, _OF_A_LAYER = 2, 12


@dataclass(init=False, eq=False, repr=False)
class OpenAIGPTConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """The sizes and choices of an OpenAI GPT model; the defaults are those of the published one.

    Attributes:
        vocab_size: number of tokens.
        n_positions: longest sequence.
        n_ctx: the same, as files of 2019 state it; without effect.
        n_embd: width of the hidden states, divisible by `n_head`.
        n_layer: number of layers.
        n_head: attention heads of a layer.
        afn: activation function of the feed-forward layers, one of `tx_core.config.ACTIVATIONS`; "gelu" is the tanh
            approximation here, as the published model was trained with.
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
    unread = ("predict_special_tokens",)
    file_names = ("config.json", "params_shapes.json")

    vocab_size: int = 40478
    n_positions: int = 512
    n_ctx: int = 512
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    afn: str = "gelu"
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
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None

    @property
    def activation(self) -> str:
        """The activation function's name in the frameworks' tables."""
        return "gelu_new" if self.afn == "gelu" else self.afn

    def _read_file(self, path: str | os.PathLike[str]) -> None:
        if os.path.basename(path) == "params_shapes.json":
            self._update(_sizes(path))
        else:
            super()._read_file(path)

    def validate(self) -> None:
        """Check each value by itself (see `PretrainedConfig.validate`)."""
        super().validate()
        check_positive(self, "vocab_size", "n_positions", "n_ctx", "n_embd", "n_layer", "n_head")
        check_activation(self, "afn")
        check_probability(self, "resid_pdrop", "embd_pdrop", "attn_pdrop")
        check_not_negative(self, "initializer_range", "layer_norm_epsilon")
        check_summary(self)

    def validate_relations(self) -> None:
        """Check the values against each other (see `PretrainedConfig.validate_relations`)."""
        super().validate_relations()
        check_divisible(self, "n_embd", "n_head")


def _sizes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields that OpenAI's own ``params_shapes.json`` tells; it does not say how many heads there are.

    Raises:
        ValueError: it is no list of such shapes; names the file.
    """
    from pathlib import Path

    from tx_core.json_files import parse_json

    content = Path(path).read_bytes()
    shapes = parse_json(path, content, lambda where, problem: ValueError(f"{os.fspath(where)}: {problem}"))
    try:
        (positions, width), (tokens, _) = shapes[:_FIRST]
    except (TypeError, ValueError):
        positions = width = tokens = None
    if not all(type(size) is int for size in (positions, width, tokens)):
        raise ValueError(f"{os.fspath(path)}: this is no list of the shapes of OpenAI GPT's parameters")
    return {
        "n_positions": positions,
        "vocab_size": tokens,
        "n_embd": width,
        "n_layer": (len(shapes) - _FIRST) // _OF_A_LAYER,
    }
