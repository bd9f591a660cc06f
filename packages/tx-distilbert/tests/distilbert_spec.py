"""DistilBERT as the standard suites test it: a tiny model, and what is particular to it."""

from typing import Any

from tx_testing.suites.spec import Array, ModelSpec

# What is BERT's in a layer of DistilBERT.
_OF_BERT = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}


def from_bert(config: dict[str, Any], arrays: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """BERT without its segments and its pooler."""
    own = {
        "vocab_size": config["vocab_size"],
        "dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "hidden_dim": config["intermediate_size"],
        "activation": config["hidden_act"],
        "max_position_embeddings": config["max_position_embeddings"],
    }
    assert config["layer_norm_eps"] == 1e-12
    found = {name: array for name, array in arrays.items() if name.startswith("embeddings.")}
    for i in range(own["n_layers"]):
        for name, of_bert in _OF_BERT.items():
            for leaf in ("weight", "bias"):
                found[f"transformer.layer.{i}.{name}.{leaf}"] = arrays[f"encoder.layer.{i}.{of_bert}.{leaf}"]
    return own, found


SPEC = ModelSpec(
    architecture="tx_distilbert.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 37,
        "max_position_embeddings": 40,
        "num_labels": 4,
    },
    variants={
        "sinusoidal": {
            "config": {"sinusoidal_pos_embds": True},
            "untrained": ("distilbert.embeddings.position_embeddings",),
        },
        "untied": {
            "config": {"tie_word_embeddings": False},
            "not_in_reference": (("tf", "masked-lm"),),  # it ties them, whatever the configuration says
        },
    },
    graph_tasks=("base", "masked-lm", "sequence-classification"),
    arguments=("input_ids", "attention_mask"),
    labels={"masked-lm": {"masked_lm_labels": "tokens"}},
    # In the reference a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    reference_keywords={"masked_lm_labels": "labels"},
    new_heads={
        "sequence-classification": ("pre_classifier", "classifier"),
        "question-answering": ("qa_outputs",),
    },
    without_effect=("k_lin.bias",),
    activation="activation",
    dropouts=("dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout"),
    generates=False,
    reference_float64=True,
    from_bert=from_bert,
    tf_only=("TFDistilBertMainLayer",),
)
