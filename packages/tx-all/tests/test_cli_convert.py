"""`tx convert`: there and back in every format that needs no framework, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_all.cli import main
from tx_all.cli.convert import FORMATS
from tx_bert import BertConfig
from tx_core import converting
from tx_core.checkpoints import open_checkpoint, write_safetensors
from tx_testing.server import HubServer, download_environment

CONFIG = BertConfig(
    vocab_size=11,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=5,
)


def arrays() -> dict[str, Any]:
    """The parameters of a BertForMaskedLM, of values that tell them apart."""
    sizes: dict[str, tuple[int, ...]] = {"word": (11, 8), "position": (5, 8), "token_type": (2, 8)}
    shapes = {f"bert.embeddings.{name}_embeddings.weight": shape for name, shape in sizes.items()}
    layer = "bert.encoder.layer.0"
    linear = {
        f"{layer}.attention.self.query": (8, 8),
        f"{layer}.attention.self.key": (8, 8),
        f"{layer}.attention.self.value": (8, 8),
        f"{layer}.attention.output.dense": (8, 8),
        f"{layer}.intermediate.dense": (12, 8),
        f"{layer}.output.dense": (8, 12),
        "bert.pooler.dense": (8, 8),
        "cls.predictions.transform.dense": (8, 8),
    }
    for name, (rows, columns) in linear.items():
        shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    for place in ("bert.embeddings", f"{layer}.attention.output", f"{layer}.output", "cls.predictions.transform"):
        shapes |= {f"{place}.LayerNorm.weight": (8,), f"{place}.LayerNorm.bias": (8,)}
    shapes["cls.predictions.bias"] = (11,)
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("source").mkdir()
    CONFIG.save_pretrained("source")
    write_safetensors(Path("source/model.safetensors"), arrays(), {"format": "pt"})
    Path("source/vocab.txt").write_text("\n".join("abcdefghijk"))
    return Path("source")


def read(path: Path) -> dict[str, Any]:
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def test_the_formats_are_those_that_can_be_converted_to() -> None:
    assert FORMATS == converting.FORMATS


@pytest.mark.parametrize("form", ["bin", "h5", "tf1"])
def test_there_and_back_nothing_changes(form: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "source", "there", "--to", form]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{Path('source', 'model.safetensors')} (safetensors) → {Path('there')}")
    assert "  class         BertForMaskedLM\n" in said
    assert "vocab.txt" in said
    assert main(["convert", "there", "back", "--to", "safetensors"]) == 0
    found = read(Path("back/model.safetensors"))
    wanted = arrays()
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], array) for name, array in wanted.items())
    assert Path("back/vocab.txt").read_bytes() == (folder / "vocab.txt").read_bytes()
    assert BertConfig.from_pretrained("back").hidden_size == 8


def test_casts_are_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "source", "half", "--to", "safetensors", "--dtype", "float16"]) == 0
    assert f"  cast          {len(arrays())} from float32 to float16\n" in capsys.readouterr().out
    assert {array.dtype.name for array in read(Path("half/model.safetensors")).values()} == {"float16"}


def test_what_is_there_is_replaced_only_by_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "source", "there", "--to", "bin"]) == 0
    capsys.readouterr()
    before = Path("there/pytorch_model.bin").read_bytes()
    Path("there/config.json").write_text("{}")
    assert main(["convert", "source", "there", "--to", "bin"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("tx: error: ")
    assert said.count("\n") == 1
    assert "there" in said
    assert Path("there/config.json").read_text() == "{}"
    assert main(["convert", "source", "there", "--to", "bin", "--force"]) == 0
    assert Path("there/pytorch_model.bin").read_bytes() == before


def test_the_architecture_can_be_said(folder: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["model_type"]
    (folder / "config.json").write_text(json.dumps(values))
    assert main(["convert", "source", "there", "--to", "bin", "--model-type", "bert"]) == 0
    assert Path("there/pytorch_model.bin").is_file()


def test_a_damaged_file_is_one_line_that_names_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert main(["convert", "source", "there", "--to", "bin"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("tx: error: ")
    assert said.err.count("\n") == 1
    assert "source/model.safetensors" in said.err
    assert not Path("there").exists()


def test_a_model_of_the_hub_is_fetched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = download_environment(tmp_path)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_HOME", wanted["HF_HOME"])
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.add("org/bert", {path.name: path.read_bytes() for path in folder.iterdir()})
        assert main(["convert", "org/bert", "there", "--to", "h5"]) == 0
    assert sorted(path.name for path in Path("there").iterdir()) == ["config.json", "tf_model.h5", "vocab.txt"]
