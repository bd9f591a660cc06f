"""GPT-2 as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

SPEC = ModelSpec(
    architecture="tx_gpt2.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 37,
        "n_positions": 40,
    },
    variants={
        "scaled": {
            "config": {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
            # The reference has these options in PyTorch only.
            "not_in_reference": (("tf", "base"), ("tf", "causal-lm"), ("tf", "double-heads")),
            "reference_float64": False,  # there the second of them takes scores to float32
        }
    },
    arguments=("input_ids", "past", "attention_mask", "token_type_ids"),
    exported=("causal-lm", "double-heads"),
    zero_token_types=False,
    any_axes=True,
    past=True,
    stands_for_all=True,
    batch_axes={"past": 1},
    labels={"causal-lm": {"labels": "tokens"}, "double-heads": {"labels": "tokens"}},
    # The reference keeps keys and values in an object of its own, and scores the last position, padding or not.
    reference_options={"use_cache": False},
    reference_inputs={"double-heads": {"mc_token_ids": [6, 4, 1]}},
    not_in_reference=(("tf", "double-heads"),),  # it takes no labels and no rows without choices
    reference_float64=True,
    new_heads={"double-heads": ("multiple_choice_head",)},
    output_heads=("causal-lm", "double-heads"),
    without_gradient={"double-heads": ("multiple_choice_head",)},
    max_positions="n_positions",
    activation="activation_function",
    dropouts=("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"),
    tf_only=("TFGPT2MainLayer",),
)
