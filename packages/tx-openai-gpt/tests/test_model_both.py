"""OpenAI GPT in both frameworks: the standard suite."""

from tx_testing.suites.model_both import BothSuite
from tx_testing.suites.spec import load_spec


class TestBoth(BothSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
