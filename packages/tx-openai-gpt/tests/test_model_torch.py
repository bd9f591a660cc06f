"""OpenAI GPT in PyTorch: the standard suite."""

from tx_testing.suites.model_torch import TorchModelSuite
from tx_testing.suites.spec import load_spec


class TestModel(TorchModelSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
