"""OpenAI GPT's parameters: published name, name in OpenAI's code, layout. See :mod:`tx_core.weights`.

OpenAI's files (``params_0.npy`` …) hold the arrays without names, in the order of the graph: positions, tokens, then
for every layer those of ``_LAYER``. Their conv1d kernels are (1, in, out); the published ones keep (in, out).
"""

from __future__ import annotations

import re

from tx_core.weights import Row, Tied, WeightTable, conv1d, embedding, linear, norm


def _conv1d(name: str, original: str) -> tuple[Row, ...]:
    return conv1d(name, original, layout="conv1d")


def _norm(name: str, original: str) -> tuple[Row, ...]:
    return norm(name, original, leaves=("/g", "/b"))


LAYER, LAYER_ORIGINAL = "transformer.h.{i}", "model/h{i}"

_FIRST = ("model/we_positions", "model/we")
_LAYER = (
    "attn/c_attn/w",
    "attn/c_attn/b",
    "attn/c_proj/w",
    "attn/c_proj/b",
    "ln_1/g",
    "ln_1/b",
    "mlp/c_fc/w",
    "mlp/c_fc/b",
    "mlp/c_proj/w",
    "mlp/c_proj/b",
    "ln_2/g",
    "ln_2/b",
)


class OpenAIGPTWeightTable(WeightTable):
    """A table whose original names are the arrays' numbers."""

    def from_file(self, name: str) -> str | None:
        """See :meth:`WeightTable.from_file`."""
        if not re.fullmatch(r"\d{1,6}", name):
            return None
        number = int(name) - len(_FIRST)
        if number < 0:
            return _FIRST[number]
        layer, part = divmod(number, len(_LAYER))
        return f"model/h{layer}/{_LAYER[part]}"

    def to_file(self, original: str) -> str:
        """See :meth:`WeightTable.to_file`."""
        if original in _FIRST:
            return str(_FIRST.index(original))
        layer, _, part = original.removeprefix("model/h").partition("/")
        return str(len(_FIRST) + int(layer) * len(_LAYER) + _LAYER.index(part))


WEIGHTS = OpenAIGPTWeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.tokens_embed", "model/we", shared=True),
        embedding("transformer.positions_embed", "model/we_positions"),
        *_conv1d(f"{LAYER}.attn.c_attn", f"{LAYER_ORIGINAL}/attn/c_attn"),
        *_conv1d(f"{LAYER}.attn.c_proj", f"{LAYER_ORIGINAL}/attn/c_proj"),
        *_norm(f"{LAYER}.ln_1", f"{LAYER_ORIGINAL}/ln_1"),
        *_conv1d(f"{LAYER}.mlp.c_fc", f"{LAYER_ORIGINAL}/mlp/c_fc"),
        *_conv1d(f"{LAYER}.mlp.c_proj", f"{LAYER_ORIGINAL}/mlp/c_proj"),
        *_norm(f"{LAYER}.ln_2", f"{LAYER_ORIGINAL}/ln_2"),
        # The published original has no head.
        *linear("multiple_choice_head.summary"),
    ),
    tied=(Tied("lm_head.weight", "transformer.tokens_embed.weight"),),
    # The causal mask and the positions, which releases up to 2023 saved.
    dropped=(f"{LAYER}.attn.bias", "transformer.position_ids"),
    original_files=("params_shapes.json",),
    heads={
        "Model": (),
        "LMHeadModel": ("lm_head",),
        "DoubleHeadsModel": ("lm_head", "multiple_choice_head"),
    },
)
