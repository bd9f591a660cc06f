"""RoBERTa's parameters: published name, layout. See :mod:`tx_core.weights`."""

from __future__ import annotations

from tx_core.weights import Row, Tied, WeightTable, embedding, linear, norm


def _attention(name: str) -> tuple[Row, ...]:
    return (
        *linear(f"{name}.self.query"),
        *linear(f"{name}.self.key"),
        *linear(f"{name}.self.value"),
        *linear(f"{name}.output.dense"),
        *norm(f"{name}.output.LayerNorm"),
    )


LAYER = "roberta.encoder.layer.{i}"

WEIGHTS = WeightTable(
    prefix="roberta",
    rows=(
        embedding("roberta.embeddings.word_embeddings", shared=True),
        embedding("roberta.embeddings.position_embeddings"),
        embedding("roberta.embeddings.token_type_embeddings"),
        *norm("roberta.embeddings.LayerNorm"),
        *_attention(f"{LAYER}.attention"),
        *_attention(f"{LAYER}.crossattention"),
        *linear(f"{LAYER}.intermediate.dense"),
        *linear(f"{LAYER}.output.dense"),
        *norm(f"{LAYER}.output.LayerNorm"),
        *linear("roberta.pooler.dense"),
        Row("lm_head.bias"),
        *linear("lm_head.dense"),
        *norm("lm_head.layer_norm"),
        # Of sequences; of tokens and choices.
        *linear("classifier.dense"),
        *linear("classifier.out_proj"),
        *linear("classifier"),
        *linear("qa_outputs"),
    ),
    tied=(
        Tied("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
        Tied("lm_head.decoder.bias", "lm_head.bias"),
    ),
    # A buffer that releases of 2020-2022 saved.
    dropped=("roberta.embeddings.position_ids",),
    keras_repeated={"lm_head": "roberta.embeddings"},
)
