"""OpenAI GPT's weight table: the standard suite."""

from tx_testing.suites.spec import load_spec
from tx_testing.suites.weights import WeightTableSuite


class TestWeights(WeightTableSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
