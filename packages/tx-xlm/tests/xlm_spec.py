"""XLM as the standard suites test it: a tiny model, and what is particular to it."""

from typing import Any

from tx_testing.suites.spec import Array, ModelSpec

_NOT_IN_TF = tuple(
    ("tf", task)
    for task in (
        "base",
        "masked-lm",
        "sequence-classification",
        "question-answering",
        "beam-question-answering",
        "token-classification",
        "multiple-choice",
    )
)

# What is BERT's in a layer of XLM.
_OF_BERT = {
    "attentions.{i}.q_lin": "attention.self.query",
    "attentions.{i}.k_lin": "attention.self.key",
    "attentions.{i}.v_lin": "attention.self.value",
    "attentions.{i}.out_lin": "attention.output.dense",
    "layer_norm1.{i}": "attention.output.LayerNorm",
    "ffns.{i}.lin1": "intermediate.dense",
    "ffns.{i}.lin2": "output.dense",
    "layer_norm2.{i}": "output.LayerNorm",
}


def from_bert(config: dict[str, Any], arrays: dict[str, Array]) -> tuple[dict[str, Any], dict[str, Array]]:
    """XLM of one language, with BERT's activation function."""
    own = {
        "vocab_size": config["vocab_size"],
        "emb_dim": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "max_position_embeddings": config["max_position_embeddings"],
        "layer_norm_eps": config["layer_norm_eps"],
    }
    assert (config["intermediate_size"], config["hidden_act"]) == (4 * own["emb_dim"], "gelu")
    names = {
        "embeddings.weight": "embeddings.word_embeddings.weight",
        "position_embeddings.weight": "embeddings.position_embeddings.weight",
    }
    layers = [(f"{name}.", f"encoder.layer.{{i}}.{of_bert}.") for name, of_bert in _OF_BERT.items()]
    for name, of_bert in (("layer_norm_emb.", "embeddings.LayerNorm."), *layers):
        for i in range(own["n_layers"]):
            for leaf in ("weight", "bias"):
                names[name.format(i=i) + leaf] = of_bert.format(i=i) + leaf
    return own, {name: arrays[of_bert] for name, of_bert in names.items()}


SPEC = ModelSpec(
    architecture="tx_xlm.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "emb_dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "max_position_embeddings": 40,
        "n_langs": 5,
        "num_labels": 4,
        "start_n_top": 2,
        "end_n_top": 2,
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
            "untrained": ("transformer.position_embeddings",),
            "not_in_reference": _NOT_IN_TF,
        },
        "asm": {
            "config": {"asm": True, "asm_cutoffs": [20, 50], "asm_div_value": 2.0},
            "only": ("masked-lm",),
            "output_heads": (),
            # The reference gives its adaptive softmax states of more axes than it takes.
            "not_in_reference": (("torch", "masked-lm"), ("tf", "masked-lm")),
        },
        "one_table": {"config": {"use_lang_emb": False}, "only": ("base", "masked-lm")},
    },
    arguments=("input_ids", "attention_mask", "langs", "token_type_ids"),
    token_inputs={"langs": 5, "token_type_ids": 2},
    finds_padding=True,
    zero_token_types=False,
    # In the reference a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    # In TensorFlow it takes this layer's dropout for parameters.
    absent_in_reference={"token-classification": ("dropout",)},
    # The one for choices reads a field that no XLM configuration has.
    not_in_reference=(("tf", "beam-question-answering"), ("tf", "multiple-choice")),
    no_labels_in_reference=(("tf", "masked-lm"),),
    overrides={
        # The reference lets an appended token say what follows; here what stands last does, as in the authors' code.
        **{
            f"reference::TestGeneration_causal::{name}": "the reference appends a token, whose place says what follows"
            for name in ("test_same_tokens", "test_same_tokens_with_padding", "test_requests_are_telling")
        },
        **{
            f"{kind}::TestModel_asm::test_resize_token_embeddings": "an adaptive softmax has its number of words"
            for kind in ("torch", "tf")
        },
    },
    new_heads={
        "sequence-classification": ("sequence_summary",),
        "multiple-choice": ("sequence_summary", "logits_proj"),
        "question-answering": ("qa_outputs",),
        "beam-question-answering": ("qa_outputs",),
    },
    output_heads=("masked-lm",),
    zero_init=("embed_init_std", "init_std"),
    without_effect=("k_lin.bias", "start_logits.dense.bias", "end_logits.dense_1.bias"),
    graph_tasks=("base", "masked-lm", "beam-question-answering"),
    from_bert=from_bert,
    generates=False,
    activation=None,
    dropouts=("dropout", "attention_dropout", "summary_first_dropout"),
    tf_only=("TFXLMMainLayer",),
)
