"""OpenAI GPT's two model files mirror each other: the standard suite."""

from tx_testing.suites.mirror import MirrorSuite
from tx_testing.suites.spec import load_spec


class TestMirror(MirrorSuite):
    spec = load_spec(__file__, "openai_gpt_spec")
