"""The authors' own checkpoint gives the outputs that their code gave, in both frameworks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tx_testing.data import data_path
from tx_xlnet import TFXLNetModel, XLNetConfig, XLNetModel


@pytest.fixture
def folder() -> Path:
    return data_path("checkpoints/xlnet-tf1/empty")


def test_configuration_of_the_authors(folder: Path, tmp_path: Path) -> None:
    sizes = {"d_model": 6, "n_layer": 2, "n_head": 2, "d_head": 3, "d_inner": 12}
    # Their GELU is approximate.
    wanted = XLNetConfig(31, **sizes, ff_activation="gelu_new", untie_r=False)
    for path in (folder, folder / "xlnet_config.json"):
        assert XLNetConfig.from_pretrained(path) == wanted
    wanted.save_pretrained(tmp_path)
    assert XLNetConfig.from_pretrained(tmp_path) == wanted
    # That of published files is exact.
    published = XLNetConfig(31, **sizes, untie_r=False)
    assert published.ff_activation == "gelu"
    assert XLNetConfig.from_dict(published.to_dict()) == published


@pytest.mark.parametrize("file", ["", "xlnet_model.ckpt", "xlnet_model.ckpt.index"])
@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_outputs(framework: str, file: str, folder: Path) -> None:
    ids, segments, wanted = (np.load(folder / f"{name}.npy") for name in ("input_ids", "seg_ids", "empty_output"))
    path = str(folder / file)
    # The authors' code was told to attend to earlier tokens alone.
    if framework == "torch":
        model, report = XLNetModel.from_pretrained(path, attn_type="uni", output_loading_info=True)
        with torch.no_grad():
            found = model(torch.from_numpy(ids), token_type_ids=torch.from_numpy(segments))[0].numpy()
    else:
        model, report = TFXLNetModel.from_pretrained(path, attn_type="uni", output_loading_info=True)
        found = np.asarray(model({"input_ids": ids, "token_type_ids": segments})[0])
    assert not any(report.values())
    assert not report.newly_initialized
    assert not report.dropped
    assert found.shape == wanted.shape
    assert abs(found - wanted).max() <= 1e-6 * abs(wanted).max()
