"""The tiny CTRL that the standard suites test."""

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
    zero_token_types=False,
    any_axes=True,
    batch_axes={"past": 1},
    reference_options={"use_cache": False},  # it keeps keys and values in an object of its own
    output_heads=("causal-lm",),
    max_positions="n_positions",
    activation=None,
    dropouts=("resid_pdrop", "embd_pdrop"),
    tf_only=("TFCTRLMainLayer",),
)
