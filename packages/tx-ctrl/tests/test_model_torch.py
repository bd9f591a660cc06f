"""CTRL in PyTorch: the standard suite."""

from typing import ClassVar

from tx_testing.suites.model_torch import TorchModelSuite
from tx_testing.suites.spec import load_spec


class TestModel(TorchModelSuite):
    spec = load_spec(__file__, "ctrl_spec")
    overrides: ClassVar = {"test_positional_order": "the second argument is past, as in 2019; see test_ctrl_torch.py"}
