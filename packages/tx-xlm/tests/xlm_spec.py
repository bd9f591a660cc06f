"""XLM as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

_NOT_IN_TF = tuple(
    ("tf", task)
    for task in (
        "base",
        "masked-lm",
        "sequence-classification",
        "question-answering",
        "token-classification",
        "multiple-choice",
    )
)

SPEC = ModelSpec(
    architecture="tx_xlm.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "emb_dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "max_position_embeddings": 40,
        "n_langs": 3,
        "num_labels": 4,
    },
    variants={
        "causal": {
            # Without languages: what generate adds by itself for a language, a call does not.
            "config": {"causal": True, "n_langs": 1, "pad_index": 0, "pad_token_id": None},
            "token_inputs": {"token_type_ids": 2},
            "generates": True,
            "only": ("base", "masked-lm"),
            # The reference cannot call them in TensorFlow; in PyTorch padding on the right attends to padding.
            "not_in_reference": _NOT_IN_TF,
            "reference_queries": False,
        },
        "sinusoidal": {
            "config": {"sinusoidal_embeddings": True, "gelu_activation": False},
            "only": ("base", "masked-lm"),
            "not_in_reference": _NOT_IN_TF,
        },
        "one_table": {"config": {"use_lang_emb": False}, "only": ("base", "masked-lm")},
    },
    arguments=("input_ids", "attention_mask", "langs", "token_type_ids"),
    token_inputs={"langs": 3, "token_type_ids": 2},
    finds_padding=True,
    zero_token_types=False,
    # In the reference a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    new_heads={
        "sequence-classification": ("sequence_summary",),
        "multiple-choice": ("sequence_summary", "logits_proj"),
        "question-answering": ("qa_outputs",),
    },
    output_heads=("masked-lm",),
    zero_init=("embed_init_std", "init_std"),
    without_effect=("k_lin.bias",),
    generates=False,
    activation=None,
    dropouts=("dropout", "attention_dropout", "summary_first_dropout"),
    tf_only=("TFXLMMainLayer",),
)
