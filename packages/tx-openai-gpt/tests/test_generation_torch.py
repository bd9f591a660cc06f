"""OpenAI GPT's text generation in PyTorch: the standard suite."""

from tx_testing.suites.generation import GenerationSuite
from tx_testing.suites.model_torch import TorchBackend
from tx_testing.suites.spec import load_spec


class TestGeneration(GenerationSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
    backend = TorchBackend()
