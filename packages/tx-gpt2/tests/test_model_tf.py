"""GPT-2 in TensorFlow: the standard suite of models with ``past``."""

from tx_testing.suites.model_past_tf import PastTFModelSuite
from tx_testing.suites.spec import load_spec


class TestModel(PastTFModelSuite):
    spec = load_spec(__file__, "gpt2_spec")

    def test_initialisation_of_residual_layers(self) -> None:
        """Layers that add to the hidden states start smaller, by the root of their number (§2.3 of the paper)."""
        config = self.spec.make_config(n_embd=128, n_inner=None, n_layer=2)
        model = self.cls("base")(config)
        arrays = self.backend.arrays(model)
        for name, array in arrays.items():
            if array.ndim == 2:
                wanted = 0.02 / (2 if name.endswith("c_proj.weight") else 1)
                assert abs(array.std() / wanted - 1) < 0.1, name
