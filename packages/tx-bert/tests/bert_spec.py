"""BERT as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

SPEC = ModelSpec(
    architecture="tx_bert.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "max_position_embeddings": 40,
        "type_vocab_size": 3,
        "num_labels": 4,
    },
    # One of each kind of head; those of the rest are among the pretraining's, or of a token as others are of a row.
    graph_tasks=("base", "pretraining", "sequence-classification", "question-answering", "multiple-choice"),
    exported=("pretraining", "question-answering", "multiple-choice"),
    stands_for_all=True,
    labels={
        "masked-lm": {"masked_lm_labels": "tokens"},
        "pretraining": {"masked_lm_labels": "tokens", "next_sentence_label": "pair"},
    },
    # In the reference a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    reference_keywords={"masked_lm_labels": "labels"},
    # The reference leaves the pooler out where the loss does not need it; the models of 2019 have it.
    absent_in_reference={
        "masked-lm": ("bert.pooler",),
        "token-classification": ("bert.pooler",),
        "question-answering": ("bert.pooler",),
    },
    new_heads={"sequence-classification": ("classifier",), "question-answering": ("qa_outputs",)},
    without_gradient={
        "masked-lm": ("bert.pooler",),
        "token-classification": ("bert.pooler",),
        "question-answering": ("bert.pooler",),
    },
    without_effect=("key.bias",),
    cross_attention=True,
    generates=False,
    reference_float64=True,
    tf_only=("TFBertMainLayer",),
)
