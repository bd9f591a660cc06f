"""OpenAI GPT against the reference implementation: the standard suite."""

from dataclasses import replace

from tx_testing.suites.model_reference import ReferenceSuite
from tx_testing.suites.spec import load_spec


class TestReference(ReferenceSuite):
    # The reference's TensorFlow classes always take the exact GELU, whatever the configuration says; OpenAI's code, and
    # the reference's PyTorch classes, take the tanh approximation.
    spec = replace(
        load_spec(__file__, "openai_gpt_spec"),
        not_in_reference=(("tf", "base"), ("tf", "causal-lm"), ("tf", "double-heads")),
    )
