"""CTRL in TensorFlow: the standard suite of models with ``past``."""

from tx_testing.suites.model_past_tf import PastTFModelSuite
from tx_testing.suites.spec import load_spec


class TestModel(PastTFModelSuite):
    spec = load_spec(__file__, "ctrl_spec")
