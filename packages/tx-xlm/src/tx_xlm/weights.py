"""XLM's parameters: published names and layouts. See :mod:`tx_core.weights`."""

from __future__ import annotations

from tx_core.weights import Tied, WeightTable, embedding, linear, norm

_ATTENTION, _FFN = "transformer.attentions.{i}", "transformer.ffns.{i}"

WEIGHTS = WeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.embeddings", shared=True),
        embedding("transformer.position_embeddings"),
        embedding("transformer.lang_embeddings"),
        *norm("transformer.layer_norm_emb"),
        *linear(f"{_ATTENTION}.q_lin"),
        *linear(f"{_ATTENTION}.k_lin"),
        *linear(f"{_ATTENTION}.v_lin"),
        *linear(f"{_ATTENTION}.out_lin"),
        *norm("transformer.layer_norm1.{i}"),
        *linear(f"{_FFN}.lin1"),
        *linear(f"{_FFN}.lin2"),
        *norm("transformer.layer_norm2.{i}"),
        linear("pred_layer.proj")[1],
        *linear("sequence_summary.summary"),
        *linear("logits_proj"),
        *linear("classifier"),
        *linear("qa_outputs"),
    ),
    tied=(Tied("pred_layer.proj.weight", "transformer.embeddings.weight"),),
    # A buffer that releases of 2020-2022 saved.
    dropped=("transformer.position_ids",),
    keras_layers={"pred_layer.proj": "pred_layer_._proj"},
    keras_repeated={"pred_layer_._proj": "transformer.embeddings"},
)
