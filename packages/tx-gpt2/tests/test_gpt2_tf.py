"""What only GPT-2 has, in TensorFlow: how its layers start."""

from tx_gpt2 import TFGPT2LMHeadModel, TFGPT2Model
from tx_testing.data import data_path
from tx_testing.suites.models_tf import TFBackend
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "gpt2_spec")


def test_residual_layers_start_smaller() -> None:
    """Layers that add to the hidden states, by the root of their number (§2.3 of the paper)."""
    model = TFGPT2Model(SPEC.make_config(n_embd=128, n_inner=None, n_layer=2))
    for name, array in TFBackend().arrays(model).items():
        if array.ndim == 2:
            wanted = 0.02 / (2 if name.endswith("c_proj.weight") else 1)
            assert abs(array.std() / wanted - 1) < 0.1, name


def test_openai_folder_as_it_is_downloaded() -> None:
    folder = data_path("checkpoints/gpt2-tf1")
    model, report = TFGPT2LMHeadModel.from_pretrained(str(folder), output_loading_info=True)
    assert not any(report.values())
    assert len(report.loaded) == 2 + 12 * 3 + 2
    assert model.config.n_positions == 20
