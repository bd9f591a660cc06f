"""The authors' ``model.pt``, a whole pickled module, in both frameworks: of tx_testing.mem_transformer's making."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core.auto import AutoConfig
from tx_core.checkpoints import CheckpointError, write_torch_bin
from tx_core.weights import WeightsError
from tx_transfo_xl import (
    TFTransfoXLLMHeadModel,
    TransfoXLConfig,
    TransfoXLLMHeadModel,
    TransfoXLModel,
)

Options = dict[str, Any]
READ: dict[str, Options] = {
    "one_table": {},
    "clusters": {"div_val": 2, "stream": True, "wrapper": "parallel"},
    "projected": {"d_embed": 4, "pre_lnorm": True},
    "half": {"div_val": 2, "wrapper": "half", "same_length": False, "clamp_len": -1},
    "one_softmax": {"cutoffs": [], "tie_projs": [False], "ext_len": 1},
    "nothing_tied": {"div_val": 2, "tie_weight": False, "tie_projs": [False, False, False]},
    "all_tied": {"div_val": 2, "tie_projs": [True, True, True]},
}
REFUSED: dict[str, Options] = {
    "learnt": {"attn_type": 1},
    "absolute": {"attn_type": 2},
    "sampled": {"sample_softmax": 4},
}
NAMES = pytest.mark.parametrize("name", [*READ])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders, each with a model.pt."""
    folder = tmp_path_factory.mktemp("authors")
    files = {}
    for name, options in {**READ, **REFUSED}.items():
        (folder / name).mkdir()
        files[str(folder / name / "model.pt")] = options
    subprocess.run([sys.executable, "-m", "tx_testing.mem_transformer", json.dumps(files)], check=True, timeout=100)
    return folder


@NAMES
def test_attributes_make_the_configuration(name: str, folder: Path, tmp_path: Path) -> None:
    options = READ[name]
    cutoffs = options.get("cutoffs", [5, 9])
    projected = options.get("div_val", 1) > 1 or "d_embed" in options
    wanted = TransfoXLConfig(
        15,
        n_layer=2,
        d_model=8,
        d_embed=options.get("d_embed", 8),
        n_head=2,
        d_head=3,
        d_inner=12,
        cutoffs=cutoffs,
        div_val=options.get("div_val", 1),
        tie_word_embeddings=options.get("tie_weight", True),
        tie_projs=options.get("tie_projs", [False, True, True]) if projected else [False] * (len(cutoffs) + 1),
        tgt_len=6,
        mem_len=4,
        ext_len=options.get("ext_len", 0),
        clamp_len=options.get("clamp_len", 7),
        same_length=options.get("same_length", True),
        pre_lnorm=options.get("pre_lnorm", False),
        dropout=0.2,
        dropatt=0.3,
        untie_r=False,
    )
    for path in (folder / name, folder / name / "model.pt"):
        assert TransfoXLConfig.from_pretrained(path) == wanted
    assert TransfoXLConfig.from_pretrained(folder / name, mem_len=9).mem_len == 9
    wanted.save_pretrained(tmp_path)
    assert TransfoXLConfig.from_pretrained(tmp_path) == wanted


@NAMES
def test_arrays(name: str, folder: Path) -> None:
    with np.load(folder / name / "model.npz") as file:
        arrays = {each.removeprefix("module."): file[each] for each in file}
    buffer = {each for each in arrays if each.endswith("inv_freq")}
    assert len(buffer) == 1
    ids = np.array([[3, 14, 0, 9, 5], [1, 2, 3, 4, 5]])
    found = []
    for cls in (TransfoXLLMHeadModel, TFTransfoXLLMHeadModel):
        model, report = cls.from_pretrained(str(folder / name), output_loading_info=True)  # type: ignore[attr-defined]
        assert not any(report.values())
        assert not report.newly_initialized
        assert {each.removeprefix("module.") for each in report.dropped} == buffer
        if cls is TransfoXLLMHeadModel:
            state = model.state_dict()
            for each in arrays.keys() - buffer:
                own = each if each.startswith("crit.") else f"transformer.{each}"
                np.testing.assert_array_equal(state[own].numpy(), arrays[each].astype(np.float32), err_msg=each)
            with torch.no_grad():
                output = model(torch.from_numpy(ids))
        else:
            output = model(ids)
        found.append([*map(np.asarray, output.mems), np.asarray(output[0])])
    for one, two in zip(*found, strict=True):
        assert abs(one - two).max() <= 1e-5 * abs(one).max()


def test_other_classes_and_the_name_of_the_folder(folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "transfo-xl-authors"
    shutil.copytree(folder / "clusters", named)
    assert type(AutoConfig.from_pretrained(str(named))) is TransfoXLConfig
    whole = TransfoXLLMHeadModel.from_pretrained(str(named / "model.pt"))
    bare, report = TransfoXLModel.from_pretrained(str(named), output_loading_info=True)
    assert not any(report.values())
    for name, tensor in bare.state_dict().items():
        assert torch.equal(tensor, whole.transformer.state_dict()[name])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("learnt", "say that attn_type is 1, but only 0 is supported"),
        ("absolute", "say that attn_type is 2, but only 0 is supported"),
        ("sampled", "say that sample_softmax is 4, but a softmax over a sample"),
    ],
)
def test_other_models_are_refused(name: str, message: str, folder: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        TransfoXLLMHeadModel.from_pretrained(str(folder / name))


def test_arrays_alone_need_a_configuration(folder: Path, tmp_path: Path) -> None:
    with np.load(folder / "one_table" / "model.npz") as file:
        write_torch_bin(tmp_path / "model.pt", {**file})
    with pytest.raises(CheckpointError, match=r"no model\.pt of Transformer-XL's authors.* pass config="):
        TransfoXLLMHeadModel.from_pretrained(str(tmp_path))
    config = TransfoXLConfig.from_pretrained(folder / "one_table")
    model = TransfoXLLMHeadModel.from_pretrained(str(tmp_path), config=config)
    whole = TransfoXLLMHeadModel.from_pretrained(str(folder / "one_table"))
    for one, two in zip(model.parameters(), whole.parameters(), strict=True):
        assert torch.equal(one, two)
    with pytest.raises(WeightsError, match=r"cluster_weight"):
        TransfoXLLMHeadModel.from_pretrained(str(tmp_path), config=config, cutoffs=[5, 9, 12], tie_projs=None)
