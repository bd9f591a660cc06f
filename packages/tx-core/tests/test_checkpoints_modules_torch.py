"""Whole pickled modules, as Transformer-XL's authors published their models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from tx_core.checkpoints import CheckpointError, open_checkpoint

FILES = {
    "zip.pt": {},
    "stream.pt": {"stream": True, "div_val": 2},
    "parallel.pt": {"wrapper": "parallel", "stream": True},
    "half.pt": {"wrapper": "half", "d_embed": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("modules")
    files = {str(folder / name): changes for name, changes in FILES.items()}
    subprocess.run([sys.executable, "-m", "tx_testing.mem_transformer", json.dumps(files)], check=True, timeout=100)
    return folder


@pytest.mark.parametrize("name", [*FILES])
def test_arrays_and_attributes(name: str, folder: Path) -> None:
    prefix = "module." if "wrapper" in FILES[name] else ""
    wanted = np.load((folder / name).with_suffix(".npz"))
    with open_checkpoint(folder / name) as checkpoint:
        assert sorted(checkpoint.names()) == sorted(wanted)
        for each in wanted:
            np.testing.assert_array_equal(checkpoint.read(each), wanted[each])
        tied = [f"{prefix}{each}" for each in ("word_emb.emb_layers.0.weight", "crit.out_layers.0.weight")]
        assert checkpoint.same(*tied)
        for path, value in (
            ("n_token", 15),
            ("word_emb.cutoffs", [5, 9, 15]),
            ("word_emb.div_val", FILES[name].get("div_val", 1)),
            ("layers.1.dec_attn.dropatt.p", 0.3),
            ("layers.1", None),
            ("layers.2.pos_ff", None),
            ("word_emb.cutoffs.0", None),
            ("nothing", None),
        ):
            assert checkpoint.note(prefix + path) == value, path


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    """A module that pickles say to be Transformer-XL's."""
    package = ModuleType("mem_transformer")
    monkeypatch.setitem(sys.modules, "mem_transformer", package)
    package.MemTransformerLM = type("MemTransformerLM", (torch.nn.Module,), {"__module__": "mem_transformer"})  # type: ignore[attr-defined]
    model: torch.nn.Module = package.MemTransformerLM()  # type: ignore[attr-defined]
    model.out = torch.nn.Linear(2, 2)
    return model


def test_other_modules_are_refused(module: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    with pytest.raises(
        CheckpointError, match=r"whole pickled module, torch\.nn\.modules\.container\.Sequential; nothing"
    ):
        open_checkpoint(path)
    torch.save(torch.nn.DataParallel(torch.nn.Linear(2, 2)), path)
    with pytest.raises(CheckpointError, match=r"whole pickled module, .*DataParallel; nothing was run"):
        open_checkpoint(path)
    # Only a whole file is one.
    torch.save({"model": module}, path)
    with pytest.raises(CheckpointError, match="holds no tensors"):
        open_checkpoint(path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_nothing_runs(module: torch.nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module.extra = Evil()  # type: ignore[assignment]
    torch.save(module, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"names __builtin__\.print, which is not allowed"):
        open_checkpoint(tmp_path / "model.pt")
    assert capsys.readouterr().out == ""


def test_modules_inside_of_themselves_are_refused(module: torch.nn.Module, tmp_path: Path) -> None:
    module._modules["own"] = module
    torch.save(module, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="containers inside of containers"):
        open_checkpoint(tmp_path / "model.pt")


def test_modules_of_wrong_content_are_refused(module: torch.nn.Module, tmp_path: Path) -> None:
    for content in (None, 3, {"_parameters": 3}):
        module.__dict__.clear()
        module.__dict__.update({"_parameters": content} if not isinstance(content, dict) else content)
        torch.save(module, tmp_path / "model.pt")
        with pytest.raises(CheckpointError, match="holds no tensors"):
            open_checkpoint(tmp_path / "model.pt")
