"""OpenAI GPT as the standard suites test it: a tiny model, and what is particular to it."""

from tx_testing.suites.spec import ModelSpec

SPEC = ModelSpec(
    architecture="tx_openai_gpt.architecture:ARCHITECTURE",
    config={
        "vocab_size": 99,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 40,
    },
    zero_token_types=False,
    graph_tasks=("base", "causal-lm"),  # the double heads are as GPT-2's
    any_axes=True,
    labels={"causal-lm": {"labels": "tokens"}, "double-heads": {"labels": "tokens"}},
    # The reference scores the last position, padding or not.
    reference_inputs={"double-heads": {"mc_token_ids": [6, 4, 1]}},
    # Its TensorFlow classes always take the exact GELU, whatever the configuration says. OpenAI's code takes the tanh
    # approximation, and so do the reference's PyTorch classes.
    not_in_reference=(("tf", "base"), ("tf", "causal-lm"), ("tf", "double-heads")),
    reference_padding=False,  # it gives left-padded prompts the positions of the padding
    reference_float64=True,
    new_heads={"double-heads": ("multiple_choice_head",)},
    output_heads=("causal-lm", "double-heads"),
    without_gradient={"double-heads": ("multiple_choice_head",)},
    max_positions="n_positions",
    activation="afn",
    dropouts=("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"),
    tf_only=("TFOpenAIGPTMainLayer",),
)
