"""Programs made of trained models, TorchScript and torch.export, run in processes that know nothing of tx."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tx_bert import BertForMaskedLM, BertTokenizer
from tx_gpt2 import GPT2LMHeadModel, GPT2Tokenizer
from tx_testing import glue

TORCHSCRIPT = """
import sys, torch
from safetensors.torch import load_file, save_file
inputs = load_file("inputs.safetensors")
logits = torch.jit.load("model.pt")(inputs["input_ids"], inputs["attention_mask"])[0]
save_file({"logits": logits.contiguous()}, "logits.safetensors")
assert not [name for name in sys.modules if name.startswith("tx_")]
"""
EXPORTED = """
import tx_core.models.outputs_torch, torch
from safetensors.torch import load_file, save_file
logits = torch.export.load("model.pt2").module()(**load_file("inputs.safetensors")).logits
save_file({"logits": logits.contiguous()}, "logits.safetensors")
"""


def batches(tokenizer: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Two rows to record with, and five longer ones."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    texts = [pair[0] for pair in glue.stsb(5, "train")]
    names = ("input_ids", "attention_mask")
    both = (tokenizer(rows, padding=True, return_tensors="pt") for rows in (["A ship.", "It was late."], texts))
    first, second = ({name: encoding[name] for name in names} for encoding in both)
    return first, second


def elsewhere(code: str, inputs: dict[str, torch.Tensor], folder: Path) -> torch.Tensor:
    """The logits of a program that another process loads."""
    save_file(inputs, folder / "inputs.safetensors")
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return load_file(folder / "logits.safetensors")["logits"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("cls", "tokenizer", "name"),
    [(BertForMaskedLM, BertTokenizer, "tx-tiny/bert"), (GPT2LMHeadModel, GPT2Tokenizer, "tx-tiny/gpt2")],
)
def test_torchscript(cls: Any, tokenizer: Any, name: str, tmp_path: Path) -> None:
    first, second = batches(tokenizer.from_pretrained(name))
    model = cls.from_pretrained(name, torchscript=True)
    order = ("input_ids", "attention_mask") if cls is BertForMaskedLM else None
    with torch.no_grad():
        if order:
            traced = torch.jit.trace(model, tuple(first[each] for each in order), check_trace=False)
        else:
            traced = torch.jit.trace(model, example_kwarg_inputs=first, check_trace=False, strict=False)
        torch.jit.save(traced, tmp_path / "model.pt")
        wanted = model(**second, skip_padding=False)[0]
    code = TORCHSCRIPT if order else TORCHSCRIPT.replace('inputs["input_ids"], inputs["attention_mask"]', "**inputs")
    found = elsewhere(code, second, tmp_path)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_export(tmp_path: Path) -> None:
    """The process that loads it needs tx-core for the names of outputs, and nothing of the architecture."""
    first, second = batches(BertTokenizer.from_pretrained("tx-tiny/bert"))
    model = BertForMaskedLM.from_pretrained("tx-tiny/bert")
    rows, tokens = torch.export.Dim("rows", max=64), torch.export.Dim("tokens", max=128)
    shapes = {each: {0: rows, 1: tokens} for each in first}
    with torch.no_grad():
        program = torch.export.export(model, (), first, dynamic_shapes=shapes, strict=False)
        wanted = model(**second, skip_padding=False).logits
    torch.export.save(program, tmp_path / "model.pt2")
    found = elsewhere(EXPORTED, second, tmp_path)
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()
