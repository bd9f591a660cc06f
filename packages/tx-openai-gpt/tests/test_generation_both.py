"""OpenAI GPT's generated text is the same in both frameworks: the standard suite."""

from tx_testing.suites.generation_both import GenerationBothSuite
from tx_testing.suites.spec import load_spec


class TestGeneration(GenerationBothSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
