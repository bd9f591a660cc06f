"""A package that is none of tx's offers an architecture: its models in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core.auto import AutoModel, AutoModelForSequenceClassification, AutoModelWithLMHead
from tx_testing import distributions

IDS = [[1, 2, 3], [4, 5, 6]]


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path) -> Iterator[None]:
    points = "[tx.architectures]\naverage = acme_average.architecture:ARCHITECTURE\n"
    with distributions.installed(tmp_path / "site", Path(__file__).parent / "acme_average", points):
        yield


def result(model: Any) -> Any:
    return model(torch.tensor(IDS))[0].detach().numpy()


def test_its_models_are_found(tmp_path: Path) -> None:
    import acme_average

    config = acme_average.AverageConfig(num_labels=3)
    model = AutoModelForSequenceClassification.from_config(config)
    assert type(model) is acme_average.AverageForSequenceClassification
    wanted = result(model)
    assert wanted.shape == (2, 3)
    model.save_pretrained(tmp_path / "saved")
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert type(again) is type(model)
    np.testing.assert_array_equal(result(again), wanted)
    bare = AutoModel.from_pretrained(tmp_path / "saved")
    assert type(bare) is acme_average.AverageModel
    assert result(bare).shape == (2, 4)
    with pytest.raises(ValueError, match=r"'average' has no class for AutoModelWithLMHead .*; it has AverageModel, "):
        AutoModelWithLMHead.from_pretrained(tmp_path / "saved")
