"""A package that is none of tx's offers an architecture: its models in TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.auto import TFAutoModel, TFAutoModelForSequenceClassification, TFAutoModelWithLMHead
from tx_testing import distributions

IDS = [[1, 2, 3], [4, 5, 6]]


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path) -> Iterator[None]:
    points = "[tx.architectures]\naverage = acme_average.architecture:ARCHITECTURE\n"
    with distributions.installed(tmp_path / "site", Path(__file__).parent / "acme_average", points):
        yield


def result(model: Any) -> Any:
    return np.asarray(model(np.array(IDS))[0])


def test_its_models_are_found(tmp_path: Path) -> None:
    import acme_average

    config = acme_average.AverageConfig(num_labels=3)
    model = TFAutoModelForSequenceClassification.from_config(config)
    assert type(model) is acme_average.TFAverageForSequenceClassification
    wanted = result(model)
    assert wanted.shape == (2, 3)
    model.save_pretrained(tmp_path / "saved")
    again = TFAutoModelForSequenceClassification.from_pretrained(tmp_path / "saved")
    assert type(again) is type(model)
    np.testing.assert_array_equal(result(again), wanted)
    bare = TFAutoModel.from_pretrained(tmp_path / "saved")
    assert type(bare) is acme_average.TFAverageModel
    assert result(bare).shape == (2, 4)
    with pytest.raises(
        ValueError, match=r"'average' has no class for TFAutoModelWithLMHead .*; it has TFAverageModel, "
    ):
        TFAutoModelWithLMHead.from_pretrained(tmp_path / "saved")
