"""Ties that the configuration decides, in a PyTorch model. Mirrored by ``test_weights_tf``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tx_core.checkpoints import open_checkpoint
from tx_core.config import PretrainedConfig
from tx_core.models.pretrained_torch import PreTrainedModel
from tx_core.weights import Tied, WeightsError, WeightTable, linear

TABLE = WeightTable(
    prefix="toy",
    rows=(*linear("toy.first"), *linear("toy.second")),
    tied_by=lambda config: (Tied(f"toy.second.{leaf}", f"toy.first.{leaf}") for leaf in config.shared),
)


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    model_type = "toy"

    shared: list[str] = field(default_factory=list)


class ToyModel(PreTrainedModel, published=True):
    config_class = ToyConfig
    base_model_prefix = "toy"
    weight_table = TABLE

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.init_weights()

    def _init_weights(self, module: nn.Module) -> None: ...

    def tie_weights(self) -> None:
        for leaf in self.config.shared:
            setattr(self.second, leaf, getattr(self.first, leaf))


BOTH = ["weight", "bias"]


@pytest.mark.parametrize("file_format", ["safetensors", "bin", "h5"])
@pytest.mark.parametrize("shared", [[], ["weight"], BOTH])
def test_saved_once_and_loaded_tied(shared: list[str], file_format: str, tmp_path: Path) -> None:
    model = ToyModel(ToyConfig(shared=shared))
    assert model._tied() == {f"toy.second.{leaf}": f"toy.first.{leaf}" for leaf in shared}
    model.save_pretrained(tmp_path, format=file_format)
    loaded, report = ToyModel.from_pretrained(tmp_path, output_loading_info=True)
    assert sorted(report.loaded) == sorted(
        {f"toy.{n}.{leaf}" for n in ("first", "second") for leaf in BOTH} - {*model._tied()}
    )
    for leaf in BOTH:
        assert (getattr(loaded.second, leaf) is getattr(loaded.first, leaf)) == (leaf in shared)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_either_name_will_do_and_both_must_agree(tmp_path: Path) -> None:
    apart = ToyModel(ToyConfig())
    apart.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match=r"toy\.first\.weight and toy\.second\.weight are tied"):
        ToyModel.from_pretrained(tmp_path, shared=["weight"])
    apart.second.load_state_dict(apart.first.state_dict())
    apart.save_pretrained(tmp_path)
    _, report = ToyModel.from_pretrained(tmp_path, shared=BOTH, output_loading_info=True)
    assert report.loaded == ["toy.first.weight", "toy.first.bias"]
    state = {name: value for name, value in apart.state_dict().items() if name.startswith("second")}
    tied = ToyModel.from_pretrained(None, config=ToyConfig(shared=BOTH), state_dict=state)
    assert torch.equal(tied.first.weight, apart.second.weight)
    with open_checkpoint(tmp_path / "model.safetensors") as file:
        assert len(file.names()) == 4
