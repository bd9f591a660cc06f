"""OpenAI GPT's text generation in TensorFlow: the standard suite."""

from tx_testing.suites.generation import GenerationSuite
from tx_testing.suites.model_tf import TFBackend
from tx_testing.suites.spec import load_spec


class TestGeneration(GenerationSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
    backend = TFBackend()
