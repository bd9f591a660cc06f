"""CTRL's parameters: published name, name in Salesforce's checkpoints, layout. See :mod:`tx_core.weights`.

Salesforce's code is a Keras model without names of its own: layers are called by their class and numbered through the
whole model, the first without a number, so that layer 2 has ``dense_12`` to ``dense_17``. The rows here number them
within a layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tx_core.weights import TF1, Array, Row, Tied, WeightTable, embedding, linear, norm

Reader = Callable[[], Array]

LAYER, LAYER_TF1 = "transformer.h.{i}", "encoder/encoder_layer_{i}"

# How many layers of a class an encoder layer has.
_IN_LAYER = {"layer_normalization": 2, "multi_head_attention": 1, "sequential": 1, "dense": 6}
# What follows the layers of the published model, which has 48.
_LAST = "encoder/layer_normalization_96"


def _number(count: int) -> str:
    return f"_{count}" if count else ""


class CTRLWeightTable(WeightTable):
    """A table whose original names number the layers of each class through the whole model."""

    def from_file(self, name: str) -> str | None:
        """See :meth:`WeightTable.from_file`."""
        if found := re.fullmatch(r"encoder/layer_normalization_\d{1,6}/(\w+)", name):
            return f"{_LAST}/{found[1]}"
        found = re.fullmatch(r"encoder/encoder_layer(?:_([1-9]\d{0,5}))?/(.+)", name)
        if found is None:
            return name
        layer, parts = int(found[1] or 0), found[2].split("/")
        for i, part in enumerate(parts[:-1]):
            numbered = re.fullmatch(r"([a-z_]+?)(?:_([1-9]\d{0,6}))?", part)
            if numbered is None or numbered[1] not in _IN_LAYER:
                return None
            within = int(numbered[2] or 0) - layer * _IN_LAYER[numbered[1]]
            if not 0 <= within < _IN_LAYER[numbered[1]]:
                return None
            parts[i] = f"{numbered[1]}_{within}"
        return f"encoder/encoder_layer_{layer}/{'/'.join(parts)}"

    def to_file(self, original: str) -> str:
        """See :meth:`WeightTable.to_file`."""
        inside = re.fullmatch(r"encoder/encoder_layer_(\d+)/(.+)", original)
        if inside is None:
            return original
        layer, parts = int(inside[1]), inside[2].split("/")
        for i, part in enumerate(parts[:-1]):
            kind, _, within = part.rpartition("_")
            parts[i] = kind + _number(layer * _IN_LAYER[kind] + int(within))
        return f"encoder/encoder_layer{_number(layer)}/{'/'.join(parts)}"

    def for_program(self, arrays: Mapping[str, Reader], config: Any) -> Mapping[str, Reader]:
        """See :meth:`WeightTable.for_program`."""
        last = f"encoder/layer_normalization{_number(_IN_LAYER['layer_normalization'] * config.n_layer)}"
        return {
            f"{last}/{name.rpartition('/')[2]}" if name.startswith(f"{_LAST}/") else name: array
            for name, array in arrays.items()
        }


_ATTENTION, _ATTENTION_TF1 = f"{LAYER}.multi_head_attention", f"{LAYER_TF1}/multi_head_attention_0"

WEIGHTS = CTRLWeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.w", "w", shared=True),
        *norm(f"{LAYER}.layernorm1", f"{LAYER_TF1}/layer_normalization_0"),
        *linear(f"{_ATTENTION}.Wq", f"{_ATTENTION_TF1}/dense_0"),
        *linear(f"{_ATTENTION}.Wk", f"{_ATTENTION_TF1}/dense_1"),
        *linear(f"{_ATTENTION}.Wv", f"{_ATTENTION_TF1}/dense_2"),
        *linear(f"{_ATTENTION}.dense", f"{_ATTENTION_TF1}/dense_3"),
        *norm(f"{LAYER}.layernorm2", f"{LAYER_TF1}/layer_normalization_1"),
        *linear(f"{LAYER}.ffn.0", f"{LAYER_TF1}/sequential_0/dense_4"),
        *linear(f"{LAYER}.ffn.2", f"{LAYER_TF1}/sequential_0/dense_5"),
        *norm("transformer.layernorm", _LAST),
        Row("lm_head.bias", "b"),
    ),
    tied=(Tied("lm_head.weight", "transformer.w.weight"),),
    tf1=TF1(),
    heads={"Model": (), "LMHeadModel": ("lm_head",)},
)
