"""Transformer-XL as the standard suites test it: a tiny model, and what is particular to it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tx_testing.suites.spec import Array, ModelSpec

_EMBEDDINGS = "the input embeddings are an AdaptiveEmbedding, not one table; see test_transfo_xl_resizing_both.py"
_NO_TEXT = "the last reference's class has no generate; generation is compared with whole segments"
_GENERATED = ("test_same_tokens", "test_same_tokens_with_padding", "test_requests_are_telling")
_CORE = {"test_resize_token_embeddings": _EMBEDDINGS}
_MODELS = {
    "test_get_and_set_input_embeddings": _EMBEDDINGS,
    "test_set_input_embeddings_of_another_size": _EMBEDDINGS,
    "test_embeddings_of_another_width": _EMBEDDINGS,
    "test_embeddings_that_do_not_fit_are_not_set": _EMBEDDINGS,
    "test_values_that_make_no_model_are_refused": "d_model need not be divisible; see test_config.py",
}
_OF_KIND = {
    "torch": {"test_number_of_parameters_beside_the_embeddings": _EMBEDDINGS},
    "tf": {"test_embeddings_are_keras_layers": _EMBEDDINGS},
}

# The last reference's Keras models load no files: see test_weights_reference.py. Its language model has other outputs
# and labels: see test_transfo_xl_reference.py, which has models of shared biases too, that it cannot save.
_NOT_IN_REFERENCE = (("tf", "base"), ("tf", "causal-lm"), ("torch", "causal-lm"))
_NOTHING_IN_REFERENCE = (*_NOT_IN_REFERENCE, ("torch", "base"))

VARIANTS = {
    # A memory that is shorter than what is read; longer ones hold all of it.
    "one_table": {"config": {"div_val": 1, "d_embed": 32, "mem_len": 5}, "memory_keys": 5},
    "projected": {"config": {"div_val": 1, "clamp_len": -1, "same_length": False}},
    "untied": {
        "config": {
            "tie_word_embeddings": False,
            "proj_share_all_but_first": False,
            "untie_r": False,
            "pre_lnorm": True,
            "ext_len": 2,
            "mem_len": 4,
        },
        "memory_keys": 4,
        "not_in_reference": _NOTHING_IN_REFERENCE,
    },
    "no_clusters": {
        "config": {"cutoffs": [], "div_val": 1, "same_length": False, "untie_r": False},
        "not_in_reference": _NOTHING_IN_REFERENCE,
    },
    # With same_length the reference's tokens see nothing there; see test_transfo_xl_both.py for ours.
    "no_memory": {
        "config": {"mem_len": 0, "pre_lnorm": True, "d_embed": 32, "same_length": False},
        "memory_keys": 0,
        "reference_outputs": ("mems",),
    },
}


def next_scores(run: Callable[[Mapping[str, Any]], dict[str, Any]], ids: Array, prompt: int) -> Array:
    """The prompt in one segment, then each token in one of its own."""
    first = run({"input_ids": ids[:, :prompt]})
    scores, mems = [first["logits"][:, -1:]], first["mems"]
    for i in range(prompt, ids.shape[1]):
        # NumPy's own type: half-precision arrays of others cannot be made tensors of.
        mems = tuple(each.astype(np.float32) for each in mems)
        outputs = run({"input_ids": ids[:, i : i + 1], "mems": mems})
        mems = outputs["mems"]
        scores.append(outputs["logits"])
    return np.concatenate(scores, 1)


SPEC = ModelSpec(
    architecture="tx_transfo_xl.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "cutoffs": [20, 50],
        "d_model": 32,
        "d_embed": 24,
        "n_head": 4,
        "d_head": 10,
        "d_inner": 37,
        "div_val": 2,
        "n_layer": 2,
        "mem_len": 9,
        "clamp_len": 4,
        "same_length": True,
    },
    variants=VARIANTS,
    arguments=("input_ids", "mems", "head_mask", "inputs_embeds", "attention_mask"),
    orders={"causal-lm": ("input_ids", "mems", "head_mask", "inputs_embeds", "labels", "attention_mask")},
    tf_orders={"causal-lm": ("input_ids", "mems", "head_mask", "inputs_embeds", "labels", "attention_mask")},
    token_losses=("causal-lm",),
    batch_axes={"mems": 1},
    memory_keys=9,
    words=("crit",),
    next_scores=next_scores,
    prunes=False,
    absent_in_reference={"base": ("pos_emb.inv_freq",)},  # the frequencies of its encodings
    in_reference_5=False,
    # It knows no padding.
    reference_keywords={"attention_mask": ""},
    reference_inputs={"base": {"attention_mask": [[1] * 7] * 3}},
    not_in_reference=_NOT_IN_REFERENCE,
    new_heads={"causal-lm": ("crit",)},
    output_heads=(),
    exported=("causal-lm",),
    zero_init=("init_std", "proj_init_std"),
    max_positions=None,
    activation=None,
    dropouts=("dropout", "dropatt"),
    tf_only=("TFTransfoXLMainLayer",),
    overrides={
        **{f"reference::TestGeneration::{name}": _NO_TEXT for name in _GENERATED},
        **{f"{kind}::TestGeneration::test_overflow_stays_in_its_row": _EMBEDDINGS for kind in ("torch", "tf")},
        "tf::TestGeneration::test_changed_models_are_compiled_anew": "the output embeddings are an adaptive softmax",
        **{
            f"{kind}::TestModel{variant}::{name}": reason
            for kind in ("torch", "tf")
            for variant in ("", *(f"_{each}" for each in VARIANTS))
            for name, reason in _CORE.items()
        },
        **{f"{kind}::TestModel::{name}": reason for kind in ("torch", "tf") for name, reason in _MODELS.items()},
        **{f"{kind}::TestModel::{name}": reason for kind, tests in _OF_KIND.items() for name, reason in tests.items()},
    },
)
