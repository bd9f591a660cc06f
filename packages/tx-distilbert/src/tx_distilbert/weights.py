"""DistilBERT's parameters under their published names; it has no others. See :mod:`tx_core.weights`."""

from __future__ import annotations

from tx_core.weights import Row, Tied, WeightTable, embedding, linear, norm

LAYER = "distilbert.transformer.layer.{i}"

WEIGHTS = WeightTable(
    prefix="distilbert",
    rows=(
        embedding("distilbert.embeddings.word_embeddings", shared=True),
        embedding("distilbert.embeddings.position_embeddings"),
        *norm("distilbert.embeddings.LayerNorm"),
        *linear(f"{LAYER}.attention.q_lin"),
        *linear(f"{LAYER}.attention.k_lin"),
        *linear(f"{LAYER}.attention.v_lin"),
        *linear(f"{LAYER}.attention.out_lin"),
        *norm(f"{LAYER}.sa_layer_norm"),
        *linear(f"{LAYER}.ffn.lin1"),
        *linear(f"{LAYER}.ffn.lin2"),
        *norm(f"{LAYER}.output_layer_norm"),
        *linear("vocab_transform"),
        *norm("vocab_layer_norm"),
        Row("vocab_projector.bias"),
        *linear("pre_classifier"),
        *linear("classifier"),
        *linear("qa_outputs"),
    ),
    tied=(Tied("vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"),),
    heads={
        "Model": (),
        "ForMaskedLM": ("vocab_transform", "vocab_layer_norm", "vocab_projector"),
        "ForSequenceClassification": ("pre_classifier", "classifier"),
        "ForMultipleChoice": ("pre_classifier", "classifier"),
        "ForTokenClassification": ("classifier",),
        "ForQuestionAnswering": ("qa_outputs",),
    },
    # A buffer that releases of 2020-2022 saved.
    dropped=("distilbert.embeddings.position_ids",),
    renamed=((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")),
    keras_repeated={"vocab_projector": "distilbert.embeddings"},
)
