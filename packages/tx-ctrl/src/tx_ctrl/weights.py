"""CTRL's parameters: published name, name in Salesforce's checkpoints, layout. See :mod:`tx_core.weights`.

Salesforce's code is a Keras model without names of its own: layers are called by their class and numbered through the
whole model, the first without a number, so that layer 2 has ``dense_12`` to ``dense_17``. The rows here number them
within a layer.
"""

from __future__ import annotations

import re

from tx_core.weights import Row, Tied, WeightTable


def _linear(name: str, original: str) -> tuple[Row, Row]:
    return Row(f"{name}.weight", f"{original}/kernel", "transpose"), Row(f"{name}.bias", f"{original}/bias")


def _norm(name: str, original: str) -> tuple[Row, Row]:
    return (
        Row(f"{name}.weight", f"{original}/gamma", keras="gamma"),
        Row(f"{name}.bias", f"{original}/beta", keras="beta"),
    )


LAYER, LAYER_TF1 = "transformer.h.{i}", "encoder/encoder_layer_{i}"

# How many layers of a class an encoder layer has.
_IN_LAYER = {"layer_normalization": 2, "multi_head_attention": 1, "sequential": 1, "dense": 6}
# What follows the layers of the published model, which has 48.
_LAST = "encoder/layer_normalization_96"


def _number(count: int) -> str:
    return f"_{count}" if count else ""


class CTRLWeightTable(WeightTable):
    """A table whose original names number the layers of each class through the whole model."""

    def from_original(self, name: str) -> tuple[str, str] | None:
        """See :meth:`WeightTable.from_original`."""
        if found := re.fullmatch(r"encoder/layer_normalization_\d{1,6}/(\w+)", name):
            return super().from_original(f"{_LAST}/{found[1]}")
        found = re.fullmatch(r"encoder/encoder_layer(?:_([1-9]\d{0,5}))?/(.+)", name)
        if found is None:
            return super().from_original(name)
        layer, parts = int(found[1] or 0), found[2].split("/")
        for i, part in enumerate(parts[:-1]):
            numbered = re.fullmatch(r"([a-z_]+?)(?:_([1-9]\d{0,6}))?", part)
            if numbered is None or numbered[1] not in _IN_LAYER:
                return None
            within = int(numbered[2] or 0) - layer * _IN_LAYER[numbered[1]]
            if not 0 <= within < _IN_LAYER[numbered[1]]:
                return None
            parts[i] = f"{numbered[1]}_{within}"
        return super().from_original(f"encoder/encoder_layer_{layer}/{'/'.join(parts)}")

    def to_original(self, name: str) -> tuple[str, str] | None:
        """See :meth:`WeightTable.to_original`."""
        found = super().to_original(name)
        inside = found and re.fullmatch(r"encoder/encoder_layer_(\d+)/(.+)", found[0])
        if not found or not inside:
            return found
        layer, parts = int(inside[1]), inside[2].split("/")
        for i, part in enumerate(parts[:-1]):
            kind, _, within = part.rpartition("_")
            parts[i] = kind + _number(layer * _IN_LAYER[kind] + int(within))
        return f"encoder/encoder_layer{_number(layer)}/{'/'.join(parts)}", found[1]


_ATTENTION, _ATTENTION_TF1 = f"{LAYER}.multi_head_attention", f"{LAYER_TF1}/multi_head_attention_0"

WEIGHTS = CTRLWeightTable(
    prefix="transformer",
    rows=(
        Row("transformer.w.weight", "w", keras="weight"),
        *_norm(f"{LAYER}.layernorm1", f"{LAYER_TF1}/layer_normalization_0"),
        *_linear(f"{_ATTENTION}.Wq", f"{_ATTENTION_TF1}/dense_0"),
        *_linear(f"{_ATTENTION}.Wk", f"{_ATTENTION_TF1}/dense_1"),
        *_linear(f"{_ATTENTION}.Wv", f"{_ATTENTION_TF1}/dense_2"),
        *_linear(f"{_ATTENTION}.dense", f"{_ATTENTION_TF1}/dense_3"),
        *_norm(f"{LAYER}.layernorm2", f"{LAYER_TF1}/layer_normalization_1"),
        *_linear(f"{LAYER}.ffn.0", f"{LAYER_TF1}/sequential_0/dense_4"),
        *_linear(f"{LAYER}.ffn.2", f"{LAYER_TF1}/sequential_0/dense_5"),
        *_norm("transformer.layernorm", _LAST),
        Row("lm_head.bias", "b"),
    ),
    tied=(Tied("lm_head.weight", "transformer.w.weight"),),
    dropped_originals=("global_step", "*/Adagrad", "training/*"),
)
