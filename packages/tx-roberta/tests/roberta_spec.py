"""RoBERTa as the standard suites test it: a tiny model, and what is particular to it."""

from typing import Any

import numpy as np

from tx_testing.suites.spec import Array, ModelSpec

TASKS = ("masked-lm", "sequence-classification", "token-classification", "question-answering", "multiple-choice")
POOLER = dict.fromkeys(TASKS[:4], ("roberta.pooler",))
# Nothing here has an encoder to attend to.
CROSS_ATTENTION = tuple(f"roberta.encoder.layer.{layer}.crossattention" for layer in range(2))


def from_bert(config: dict[str, Any], arrays: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """RoBERTa's first token has position 2, and there is one segment."""
    positions, none = arrays["embeddings.position_embeddings.weight"], np.zeros((2, config["hidden_size"]), np.float32)
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
    own = {name: config[name] for name in (*names, "layer_norm_eps")}
    own |= {"max_position_embeddings": len(positions) + 2, "type_vocab_size": 1, "pad_token_id": 1}
    return own, {
        **arrays,
        "embeddings.position_embeddings.weight": np.concatenate((none, positions)),
        "embeddings.token_type_embeddings.weight": none[:1],
    }


# Padding, whose id is 1, stands after a sentence, before it, and within, where it is attended to.
PLACES = {
    "input_ids": [[0, 35, 1, 64, 21, 1, 2], [0, 17, 1, 93, 2, 1, 1], [1, 1, 1, 1, 0, 52, 2]],
    "attention_mask": [[1] * 7, [1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]],
}
# The reference takes the first place for a sentence's first token, padding or not.
FIRST_PLACES = {name: [*rows[:2], rows[0][::-1]] for name, rows in PLACES.items()}

SPEC = ModelSpec(
    architecture="tx_roberta.architecture:ARCHITECTURE",
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
    variants={
        "decoder": {
            "config": {"is_decoder": True, "add_cross_attention": True},
            "cross_attention": False,  # as one of the options of a model; every decoder here has it
            "without_gradient": {task: (*POOLER.get(task, ()), *CROSS_ATTENTION) for task in ("base", *TASKS)},
            # Heads that read the first token read what attends to nothing but itself.
            "without_effect": ("key.bias", "key.weight", "query.bias", "query.weight"),
        },
    },
    overrides={
        f"reference::TestModel_decoder::{test}": "decoders return keys and values there; see test_decoder_reference.py"
        for test in (
            "test_reference_twin_loads_and_agrees",
            "test_reference_twin_in_another_format_agrees",
            "test_float64_agrees",
            "test_saved_files_load_in_the_reference",
        )
    },
    # As published, in PyTorch.
    orders={"multiple-choice": ("input_ids", "token_type_ids", "attention_mask", "labels")},
    # The other heads are BERT's.
    graph_tasks=("base", "masked-lm", "sequence-classification"),
    labels={"masked-lm": {"masked_lm_labels": "tokens"}},
    # In the reference a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    reference_inputs={
        "base": FIRST_PLACES,
        "masked-lm": PLACES,
        "sequence-classification": FIRST_PLACES,
        "token-classification": PLACES,
        "question-answering": PLACES,
    },
    reference_keywords={"masked_lm_labels": "labels"},
    reference_float64=True,
    # The reference leaves the pooler out where the loss does not need it; the models of 2019 have it.
    absent_in_reference=POOLER,
    # It gives its encoder what a call asks for in the wrong places; see test_roberta_reference.py.
    not_in_reference=(("tf", "multiple-choice"),),
    new_heads={"sequence-classification": ("classifier",), "question-answering": ("qa_outputs",)},
    without_gradient=POOLER,
    without_effect=("key.bias",),
    cross_attention=True,
    generates=False,
    from_bert=from_bert,
    tf_only=("TFRobertaMainLayer",),
)
