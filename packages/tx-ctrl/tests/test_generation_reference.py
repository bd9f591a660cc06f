"""CTRL's generated text is the reference's: the standard suite."""

from tx_testing.suites.generation_reference import GenerationReferenceSuite
from tx_testing.suites.model_torch import TorchBackend
from tx_testing.suites.spec import load_spec


class TestGeneration(GenerationReferenceSuite):
    spec = load_spec(__file__, "ctrl_spec")
    backend = TorchBackend()
    padding = False
