"""BERT's parameters: published name, name in Google's checkpoints, layout. See :mod:`tx_core.weights`."""

from __future__ import annotations

from dataclasses import replace

from tx_core.weights import TF1, Row, Tied, WeightTable, embedding, linear, norm


def _attention(name: str, original: str) -> tuple[Row, ...]:
    return (
        *linear(f"{name}.self.query", f"{original}/self/query"),
        *linear(f"{name}.self.key", f"{original}/self/key"),
        *linear(f"{name}.self.value", f"{original}/self/value"),
        *linear(f"{name}.output.dense", f"{original}/output/dense"),
        *norm(f"{name}.output.LayerNorm", f"{original}/output/LayerNorm"),
    )


def _head(name: str, original: str) -> tuple[Row, ...]:
    # A matrix of scores is (labels, hidden) there.
    return linear(name, original, leaves=("output_weights", "output_bias"), layout="same")


# The keys of Google's bert_config.json.
_CONFIG = (
    *("attention_probs_dropout_prob", "hidden_act", "hidden_dropout_prob", "hidden_size", "initializer_range"),
    *("intermediate_size", "max_position_embeddings", "num_attention_heads", "num_hidden_layers", "type_vocab_size"),
    "vocab_size",
)
LAYER, LAYER_TF1 = "bert.encoder.layer.{i}", "bert/encoder/layer_{i}"

WEIGHTS = WeightTable(
    prefix="bert",
    rows=(
        embedding("bert.embeddings.word_embeddings", "bert/embeddings/word_embeddings", shared=True),
        embedding("bert.embeddings.position_embeddings", "bert/embeddings/position_embeddings"),
        embedding("bert.embeddings.token_type_embeddings", "bert/embeddings/token_type_embeddings"),
        *norm("bert.embeddings.LayerNorm", "bert/embeddings/LayerNorm"),
        *_attention(f"{LAYER}.attention", f"{LAYER_TF1}/attention"),
        # Google's BERT is an encoder only.
        *(replace(row, original=None) for row in _attention(f"{LAYER}.crossattention", "")),
        *linear(f"{LAYER}.intermediate.dense", f"{LAYER_TF1}/intermediate/dense"),
        *linear(f"{LAYER}.output.dense", f"{LAYER_TF1}/output/dense"),
        *norm(f"{LAYER}.output.LayerNorm", f"{LAYER_TF1}/output/LayerNorm"),
        *linear("bert.pooler.dense", "bert/pooler/dense"),
        Row("cls.predictions.bias", "cls/predictions/output_bias"),
        *linear("cls.predictions.transform.dense", "cls/predictions/transform/dense"),
        *norm("cls.predictions.transform.LayerNorm", "cls/predictions/transform/LayerNorm"),
        *_head("cls.seq_relationship", "cls/seq_relationship/"),
        # run_classifier.py and run_squad.py
        *_head("classifier", ""),
        *_head("qa_outputs", "cls/squad/"),
    ),
    tied=(
        Tied("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        Tied("cls.predictions.decoder.bias", "cls.predictions.bias"),
    ),
    # A buffer that releases of 2020-2022 saved.
    dropped=("bert.embeddings.position_ids",),
    original_files=("bert_model.ckpt.index",),
    tf1=TF1("bert_config.json", {name: name for name in _CONFIG}),
    heads={
        "Model": (),
        "ForPreTraining": ("cls.predictions", "cls.seq_relationship"),
        "ForMaskedLM": ("cls.predictions",),
        "ForNextSentencePrediction": ("cls.seq_relationship",),
        "ForSequenceClassification": ("classifier",),
        "ForTokenClassification": ("classifier",),
        "ForMultipleChoice": ("classifier",),
        "ForQuestionAnswering": ("qa_outputs",),
    },
    renamed=((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")),
    keras_layers={"cls.predictions": "mlm___cls.predictions", "cls.seq_relationship": "nsp___cls.seq_relationship"},
    keras_repeated={"mlm___cls": "bert.embeddings"},
)
