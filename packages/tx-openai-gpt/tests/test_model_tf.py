"""OpenAI GPT in TensorFlow: the standard suite."""

from tx_testing.suites.model_tf import TFModelSuite
from tx_testing.suites.spec import load_spec


class TestModel(TFModelSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
