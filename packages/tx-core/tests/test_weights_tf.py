"""Ties that the configuration decides, in a Keras model. Mirrored by ``test_weights_torch``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import write_safetensors
from tx_core.config import PretrainedConfig
from tx_core.models.layers_tf import Linear
from tx_core.models.main_layer_tf import TFMainLayer
from tx_core.models.pretrained_tf import TFPreTrainedModel
from tx_core.weights import Tied, WeightsError, WeightTable, linear

BOTH = ("weight", "bias")
TABLE = WeightTable(
    prefix="toy",
    rows=(*linear("toy.first"), *linear("toy.second")),
    tied_by=lambda config: (Tied(f"toy.second.{leaf}", f"toy.first.{leaf}") for leaf in BOTH if config.shared),
)


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    model_type = "toy"

    shared: bool = False


class TFToyMainLayer(TFMainLayer):
    config_class = ToyConfig

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.first = Linear(3, 3, name="first")
        self.second = self.first if config.shared else Linear(3, 3, name="second")


class TFToyModel(TFPreTrainedModel, published=True):
    config_class = ToyConfig
    base_model_prefix = "toy"
    weight_table = TABLE

    def __init__(self, config: Any, **kwargs: Any) -> None:
        super().__init__(config, **kwargs)
        self.toy = TFToyMainLayer(config, name="toy")
        self.init_weights()


def values(model: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(variable) for name, variable in model.named_weights()}


@pytest.mark.parametrize("file_format", ["safetensors", "bin", "h5"])
@pytest.mark.parametrize("shared", [False, True])
def test_saved_once_and_loaded_tied(shared: bool, file_format: str, tmp_path: Path) -> None:
    model = TFToyModel(ToyConfig(shared=shared))
    assert len(model._tied()) == 2 * shared
    model.save_pretrained(tmp_path, format=file_format)
    loaded, report = TFToyModel.from_pretrained(tmp_path, output_loading_info=True)
    wanted = values(model)
    assert len(wanted) == 4 - 2 * shared
    assert report.loaded == list(wanted)
    for name, value in values(loaded).items():
        np.testing.assert_array_equal(value, wanted[name])


def test_either_name_will_do_and_both_must_agree(tmp_path: Path) -> None:
    apart = TFToyModel(ToyConfig())
    apart.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"toy\.first\.weight and toy\.second\.weight are tied"):
        TFToyModel.from_pretrained(tmp_path, shared=True)
    apart.toy.second.set_weights(apart.toy.first.get_weights())
    apart.save_pretrained(tmp_path)
    _, report = TFToyModel.from_pretrained(tmp_path, shared=True, output_loading_info=True)
    assert report.loaded == ["toy.first.weight", "toy.first.bias"]
    second = {name: np.asarray(value) for name, value in apart.named_weights() if "second" in name}
    write_safetensors(
        tmp_path / "second.safetensors",
        {"toy.second.weight": second["toy.second.weight"].T} | {"toy.second.bias": second["toy.second.bias"]},
    )
    tied = TFToyModel.from_pretrained(tmp_path / "second.safetensors", config=ToyConfig(shared=True))
    np.testing.assert_array_equal(values(tied)["toy.first.weight"], second["toy.second.weight"])
