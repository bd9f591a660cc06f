"""CTRL as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

SPEC = ModelSpec(
    architecture="tx_ctrl.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "n_embd": 32,
        "dff": 37,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 40,
    },
    arguments=("input_ids", "past", "attention_mask", "token_type_ids"),
    zero_token_types=False,
    any_axes=True,
    past=True,
    batch_axes={"past": 1},
    reference_options={"use_cache": False},  # it keeps keys and values in an object of its own
    reference_padding=False,  # it gives left-padded prompts the positions of the padding
    output_heads=("causal-lm",),
    max_positions="n_positions",
    activation=None,
    dropouts=("resid_pdrop", "embd_pdrop"),
    tf_only=("TFCTRLMainLayer",),
)
