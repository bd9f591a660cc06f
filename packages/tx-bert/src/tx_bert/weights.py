"""BERT's parameters: published name, name in Google's checkpoints, layout. See :mod:`tx_core.weights`."""

from __future__ import annotations

from tx_core.weights import Row, Tied, WeightTable


def _linear(name: str, original: str) -> tuple[Row, Row]:
    return Row(f"{name}.weight", f"{original}/kernel", "transpose"), Row(f"{name}.bias", f"{original}/bias")


def _norm(name: str, original: str) -> tuple[Row, Row]:
    return Row(f"{name}.weight", f"{original}/gamma"), Row(f"{name}.bias", f"{original}/beta")


def _attention(name: str, original: str) -> tuple[Row, ...]:
    return (
        *_linear(f"{name}.self.query", f"{original}/self/query"),
        *_linear(f"{name}.self.key", f"{original}/self/key"),
        *_linear(f"{name}.self.value", f"{original}/self/value"),
        *_linear(f"{name}.output.dense", f"{original}/output/dense"),
        *_norm(f"{name}.output.LayerNorm", f"{original}/output/LayerNorm"),
    )


def _unpublished(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(Row(row.name) for row in rows)


LAYER, LAYER_TF1 = "bert.encoder.layer.{i}", "bert/encoder/layer_{i}"

WEIGHTS = WeightTable(
    prefix="bert",
    rows=(
        Row("bert.embeddings.word_embeddings.weight", "bert/embeddings/word_embeddings", keras="weight"),
        Row("bert.embeddings.position_embeddings.weight", "bert/embeddings/position_embeddings"),
        Row("bert.embeddings.token_type_embeddings.weight", "bert/embeddings/token_type_embeddings"),
        *_norm("bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm"),
        *_attention(f"{LAYER}.attention", f"{LAYER_TF1}/attention"),
        # Google's BERT is an encoder only.
        *_unpublished(_attention(f"{LAYER}.crossattention", "")),
        *_linear(f"{LAYER}.intermediate.dense", f"{LAYER_TF1}/intermediate/dense"),
        *_linear(f"{LAYER}.output.dense", f"{LAYER_TF1}/output/dense"),
        *_norm(f"{LAYER}.output.LayerNorm", f"{LAYER_TF1}/output/LayerNorm"),
        *_linear("bert.pooler.dense", "bert/pooler/dense"),
        Row("cls.predictions.bias", "cls/predictions/output_bias"),
        *_linear("cls.predictions.transform.dense", "cls/predictions/transform/dense"),
        *_norm("cls.predictions.transform.LayerNorm", "cls/predictions/transform/LayerNorm"),
        Row("cls.seq_relationship.weight", "cls/seq_relationship/output_weights"),
        Row("cls.seq_relationship.bias", "cls/seq_relationship/output_bias"),
        # run_classifier.py and run_squad.py
        Row("classifier.weight", "output_weights"),
        Row("classifier.bias", "output_bias"),
        Row("qa_outputs.weight", "cls/squad/output_weights"),
        Row("qa_outputs.bias", "cls/squad/output_bias"),
    ),
    tied=(
        Tied("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        Tied("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ),
    # A buffer that releases of 2020-2022 saved.
    dropped=("bert.embeddings.position_ids",),
    dropped_originals=("*/adam_m", "*/adam_v", "global_step", "*/lamb_m", "*/lamb_v"),
    original_files=("bert_model.ckpt.index",),
    renamed=((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")),
    keras_layers={"cls.predictions": "mlm___cls.predictions", "cls.seq_relationship": "nsp___cls.seq_relationship"},
    keras_repeated={"mlm___cls": "bert.embeddings"},
)
