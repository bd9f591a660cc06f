"""What the authors' own checkpoints are converted to gives the models that they themselves give, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tx_bert import BertForPreTraining
from tx_core.converting import convert
from tx_gpt2 import GPT2LMHeadModel
from tx_openai_gpt import OpenAIGPTConfig, OpenAIGPTLMHeadModel
from tx_roberta import RobertaForMaskedLM, RobertaForSequenceClassification
from tx_testing.data import data_path
from tx_testing.originals import write_fairseq_roberta, write_xlm
from tx_transfo_xl import TransfoXLLMHeadModel
from tx_xlm import XLMWithLMHeadModel
from tx_xlnet import XLNetModel

# Of Transformer-XL's model.pt, as tx_testing.mem_transformer takes them.
MODULES: dict[str, dict[str, Any]] = {
    "one table": {},
    "clusters": {"div_val": 2, "stream": True, "wrapper": "parallel"},
    "projected": {"d_embed": 4, "pre_lnorm": True},
    "nothing tied": {"div_val": 2, "tie_weight": False, "tie_projs": [False, False, False]},
}


def real(name: str) -> Callable[[Path], Path]:
    return lambda folder: data_path(f"checkpoints/{name}")


def openai_gpt(folder: Path) -> Path:
    with tarfile.open(data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    OpenAIGPTConfig(50, n_positions=50, n_embd=10, n_head=2, n_layer=2).save_pretrained(folder / "model")
    return folder / "model"


def fairseq(release: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir()
        write_fairseq_roberta(folder / "model.pt", release, {"mnli": 2})
        return folder

    return write


def xlm(folder: Path) -> Path:
    folder.mkdir()
    write_xlm(folder / "mlm_ende_1024.pth")
    return folder


def module(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir()
        files = json.dumps({str(folder / "model.pt"): MODULES[name]})
        subprocess.run([sys.executable, "-m", "tx_testing.mem_transformer", files], check=True, timeout=100)
        return folder

    return write


ORIGINALS: dict[str, tuple[Any, Callable[[Path], Path]]] = {
    "bert": (BertForPreTraining, real("bert-tf1")),
    "gpt2": (GPT2LMHeadModel, real("gpt2-tf1")),
    "openai-gpt": (OpenAIGPTLMHeadModel, openai_gpt),
    "roberta": (RobertaForMaskedLM, real("roberta-fairseq/checkpoint_vh.pt")),
    "roberta of fairseq 0.8": (RobertaForSequenceClassification, fairseq("0.8")),
    "roberta of fairseq 0.12": (RobertaForSequenceClassification, fairseq("0.12")),
    "transfo-xl of one table": (TransfoXLLMHeadModel, real("transfo-xl-tf1/div_1")),
    "transfo-xl of clusters": (TransfoXLLMHeadModel, real("transfo-xl-tf1/div_2")),
    **{f"transfo-xl, model.pt, {name}": (TransfoXLLMHeadModel, module(name)) for name in MODULES},
    "xlm": (XLMWithLMHeadModel, xlm),
    "xlnet": (XLNetModel, real("xlnet-tf1/empty")),
}


@pytest.mark.parametrize("name", [*ORIGINALS])
def test_the_same_model(name: str, tmp_path: Path) -> None:
    cls, make = ORIGINALS[name]
    source = make(tmp_path / "source")
    convert(source, tmp_path / "there", "safetensors")
    wanted, direct = cls.from_pretrained(source, output_loading_info=True)
    model, report = cls.from_pretrained(tmp_path / "there", output_loading_info=True)
    # fairseq has no pooler, which the classes of 2019 have.
    assert report.missing_keys == report.newly_initialized == direct.newly_initialized
    assert all(name.startswith("roberta.pooler.") for name in report.missing_keys)
    state = {name: tensor for name, tensor in model.state_dict().items() if name not in report.newly_initialized}
    for name, tensor in wanted.state_dict().items():
        if name not in direct.newly_initialized:
            assert torch.equal(state.pop(name), tensor), name
    assert not state
    assert {**vars(model.config), "architectures": None} == {**vars(wanted.config), "architectures": None}
