"""GPT-2 against the reference implementation: the standard suite."""

from tx_testing.suites.model_reference import ReferenceSuite
from tx_testing.suites.spec import load_spec


class TestReference(ReferenceSuite):
    spec = load_spec(__file__, "gpt2_spec")
