"""XLNet as the standard suites test it: a tiny model with a memory, and what is particular to it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tx_testing.suites.spec import Array, ModelSpec

TASKS = (
    *("base", "causal-lm", "sequence-classification", "token-classification", "multiple-choice"),
    *("question-answering", "beam-question-answering"),
)

_DISTRIBUTED = "without targets a parameter gets no gradient; see test_xlnet_torch.py"
# There the last two tokens are read anew with each new one, so that the older sees the newer. Here a token's states
# stay what they were, as in one order of prediction; `next_scores` has it in one call.
_OTHER_STATES = "the reference changes the states of a token when the next one is there"
_GENERATED = ("test_same_tokens", "test_same_tokens_with_padding", "test_requests_are_telling")
_CHOICES = ("input_ids", "token_type_ids", "input_mask", "attention_mask")
_NOT_COUNTED = "no place is counted: padding only keeps its distance"


def next_scores(run: Callable[[Mapping[str, Any]], dict[str, Any]], ids: Array, prompt: int) -> Array:
    """Of one call: the prompt's tokens see each other, later ones those before them; every place after is a target."""
    batch, length = ids.shape
    places = np.arange(length + 1)
    seen_to = np.maximum(places[:, None], prompt)  # the token of a place sees those before this one
    return run(
        {
            "input_ids": np.pad(ids, ((0, 0), (0, 1))),
            "perm_mask": np.tile((places[None] >= seen_to).astype(np.float32), (batch, 1, 1)),
            "target_mapping": np.tile(np.eye(length + 1, dtype=np.float32)[prompt:], (batch, 1, 1)),
        }
    )["logits"]


SPEC = ModelSpec(
    architecture="tx_xlnet.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "d_model": 32,
        "n_layer": 2,
        "n_head": 4,
        "d_inner": 64,
        "mem_len": 20,
        "pad_token_id": None,
        "num_labels": 4,
        "start_n_top": 2,
        "end_n_top": 2,
    },
    variants={
        "no_memory": {
            "config": {"mem_len": None},
            "only": ("base", "causal-lm", "beam-question-answering"),
            "labelled_fields": {},
            # There a memory of no length is one of any length.
            "reference_outputs": ("mems",),
        },
        "short_memory": {
            "config": {"mem_len": 3, "reuse_len": 5},
            "only": ("causal-lm",),
            "batch_axes": {"mems": None},
            "reference_inputs": {task: {"attention_mask": [[1] * 7] * 3} for task in TASKS[:2]},
        },
        "earlier": {
            "config": {"attn_type": "uni"},
            "only": ("causal-lm",),
            # In PyTorch it cannot add a mask of padding to that of later tokens.
            "not_in_reference": (("torch", "base"), ("torch", "causal-lm")),
        },
        "clamped": {"config": {"clamp_len": 3, "ff_activation": "relu"}, "only": ("causal-lm",)},
        "tied_biases": {
            "config": {"untie_r": False},
            "only": ("causal-lm",),
            # The reference does not tie them; see test_xlnet_reference.py.
            "not_in_reference": tuple((kind, task) for kind in ("torch", "tf") for task in ("base", "causal-lm")),
        },
    },
    arguments=("input_ids", "attention_mask", "mems", "perm_mask", "target_mapping", "token_type_ids"),
    orders={"multiple-choice": _CHOICES},
    tf_orders={"multiple-choice": _CHOICES},
    token_inputs={"token_type_ids": 3},
    any_token_types=True,
    labelled_fields={"beam-question-answering": ("loss", "mems")},
    batch_axes={"mems": 1},
    sees_itself=True,
    empty_at_padding=True,
    next_scores=next_scores,
    prunes=False,
    max_positions=None,
    activation="ff_activation",
    dropouts=("dropout", "summary_last_dropout"),
    overrides={
        **{f"reference::TestGeneration::{name}": _OTHER_STATES for name in _GENERATED},
        "torch::TestModel::test_distributed_training": _DISTRIBUTED,
        "torch::TestModel::test_traced_model_counts_numbers": _NOT_COUNTED,
    },
    new_heads={
        "sequence-classification": ("sequence_summary", "logits_proj"),
        "multiple-choice": ("sequence_summary", "logits_proj"),
        "token-classification": ("classifier",),
        "question-answering": ("qa_outputs",),
        "beam-question-answering": ("start_logits", "end_logits", "answer_class"),
        "causal-lm": ("lm_loss",),
    },
    output_heads=("causal-lm",),
    without_gradient=dict.fromkeys(TASKS, ("transformer.mask_emb",)),
    without_effect=("start_logits.dense.bias", "end_logits.dense_1.bias"),
    not_in_reference=(("tf", "beam-question-answering"),),
    # There a token has as many scores as there are labels, and an answer needs two.
    task_config={"question-answering": {"num_labels": 2}},
    # The end of a text is there its last place, padding or not.
    reference_inputs={
        "sequence-classification": {"attention_mask": [[1] * 7] * 3},
        "multiple-choice": {"attention_mask": [[[1] * 7] * 3] * 2},
    },
    graph_tasks=("base", "causal-lm", "beam-question-answering"),
    exported=("causal-lm", "beam-question-answering"),
    stands_for_all=True,
    tf_only=("TFXLNetMainLayer",),
)
