"""The tiny OpenAI GPT that the standard suites test."""

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
    any_axes=True,
    labels={"causal-lm": {"labels": "tokens"}, "double-heads": {"labels": "tokens"}},
    # The reference scores the last position, padding or not.
    reference_inputs={"double-heads": {"mc_token_ids": [6, 4, 1]}},
    new_heads={"double-heads": ("multiple_choice_head",)},
    output_heads=("causal-lm", "double-heads"),
    without_gradient={"double-heads": ("multiple_choice_head",)},
    max_positions="n_positions",
    activation="afn",
    dropouts=("resid_pdrop", "embd_pdrop", "attn_pdrop", "summary_first_dropout"),
    tf_only=("TFOpenAIGPTMainLayer",),
)
