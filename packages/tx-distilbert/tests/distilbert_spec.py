"""DistilBERT as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

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
    tf_only=("TFDistilBertMainLayer",),
)
