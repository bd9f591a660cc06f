"""Trained models in ONNX Runtime, by PyTorch's newer exporter: real weights, other numbers of rows and tokens.

Every architecture goes through the older one, with random weights, in the suites.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_bert import BertModel, BertTokenizer
from tx_distilbert import DistilBertForMaskedLM, DistilBertTokenizer
from tx_gpt2 import GPT2LMHeadModel, GPT2Tokenizer
from tx_testing import glue, minilm

pytest.importorskip("onnxscript", reason="onnxscript is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def export(model: Any, tokenizer: Any, path: Path) -> tuple[Any, Any]:
    """A session for the file that is made of a model with two short rows; and another batch, of five longer rows."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    inputs = dict(tokenizer(["A ship.", "It was late at night."], padding=True, return_tensors="pt"))
    rows, tokens = torch.export.Dim("rows", max=64), torch.export.Dim("tokens", max=128)
    shapes = {name: {0: rows, 1: tokens} for name in inputs}
    with torch.no_grad():
        torch.onnx.export(model, (), path, kwargs=inputs, dynamic_shapes=shapes, dynamo=True, verbose=False)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_inputs()] == list(inputs)
    texts = [pair[0] for pair in glue.stsb(5, "train")]
    return session, tokenizer(texts, padding=True, return_tensors="pt")


def run(session: Any, inputs: Any) -> Any:
    return session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})[0]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("cls", "tokenizer", "name"),
    [
        (DistilBertForMaskedLM, DistilBertTokenizer, "tx-tiny/distilbert"),
        (GPT2LMHeadModel, GPT2Tokenizer, "tx-tiny/gpt2"),
    ],
)
def test_scores(cls: Any, tokenizer: Any, name: str, tmp_path: Path) -> None:
    model = cls.from_pretrained(name)
    session, inputs = export(model, tokenizer.from_pretrained(name), tmp_path / "model.onnx")
    found = run(session, inputs)
    with torch.no_grad():
        wanted = model(**inputs, skip_padding=False).logits.numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-5 * np.abs(wanted).max()
    assert (found.argmax(-1) == wanted.argmax(-1)).all()


@pytest.mark.filterwarnings("ignore")
def test_sentences(tmp_path: Path) -> None:
    """all-MiniLM-L6-v2 gives its published similarities, and roughly the same with weights of 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model, tokenizer = (cls.from_pretrained(minilm.folder()) for cls in (BertModel, BertTokenizer))
    session, inputs = export(model, tokenizer, tmp_path / "model.onnx")
    with torch.no_grad():
        wanted = model(**inputs, skip_padding=False).last_hidden_state.numpy()
    assert np.abs(run(session, inputs) - wanted).max() < 1e-5 * np.abs(wanted).max()

    sentences = tokenizer([*minilm.SENTENCES], padding=True, return_tensors="pt")
    mask = sentences["attention_mask"].numpy()
    assert minilm.similarities(run(session, sentences), mask) == minilm.SIMILARITIES
    quantize_dynamic(tmp_path / "model.onnx", tmp_path / "small.onnx", weight_type=QuantType.QInt8)
    assert (tmp_path / "small.onnx").stat().st_size < 0.3 * (tmp_path / "model.onnx.data").stat().st_size
    small = runtime.InferenceSession(tmp_path / "small.onnx", providers=["CPUExecutionProvider"])
    for one, two in zip(minilm.similarities(run(small, sentences), mask), minilm.SIMILARITIES, strict=True):
        assert abs(float(one) - float(two)) < 0.05
