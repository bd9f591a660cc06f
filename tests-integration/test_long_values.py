"""No message quotes a value whole: a damaged file must not fill a screen, or a log."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_bert import BertConfig, BertTokenizer
from tx_core.auto import AutoConfig
from tx_core.checkpoints import open_checkpoint, write_tf1
from tx_ctrl import CTRLTokenizer
from tx_gpt2 import GPT2Tokenizer
from tx_openai_gpt import OpenAIGPTTokenizer
from tx_xlm import XLMTokenizer

LONG = "x" * 400_000
FIELDS: dict[str, Any] = {
    "hidden_act": LONG,
    "vocab_size": LONG,
    "hidden_size": [LONG],
    "id2label": {"0": "a", LONG: "b"},
    "num_labels": LONG,
    "problem_type": LONG,
    "pruned_heads": {LONG: [1]},
    "layer_norm_eps": LONG,
    "model_type": LONG,
}
LANGUAGES = json.dumps({"id2lang": {LONG: "en"}})


def check(call: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:  # of whatever kind
        call()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("name", FIELDS)
def test_configurations(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({name: FIELDS[name]}))
    check(lambda: BertConfig.from_pretrained(tmp_path).validate())
    check(lambda: BertConfig(**{name: FIELDS[name]}))
    check(lambda: BertConfig(**{LONG: 1}))


@pytest.mark.parametrize("text", [f'{{"{LONG}": 1, "{LONG}": 2}}', f'{{"{LONG}":', f'["{LONG}"]', LONG])
def test_json(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    check(lambda: BertConfig.from_pretrained(tmp_path))


def test_names() -> None:
    for call in (BertConfig.from_pretrained, AutoConfig.from_pretrained, BertTokenizer.from_pretrained):
        check(lambda call=call: call(LONG))
        check(lambda call=call: call("bert-base-uncased", revision=LONG, local_files_only=True))


PIECES = json.dumps({"a": 0, "b": 1, "<unk>": 2})
WORDS = "[UNK]\na\n"


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        (BertTokenizer, {"vocab.txt": f"[UNK]\n{LONG}\n{LONG}\n"}),
        (BertTokenizer, {"vocab.txt": WORDS, "tokenizer_config.json": json.dumps({"do_lower_case": LONG})}),
        (BertTokenizer, {"vocab.txt": WORDS, "tokenizer_config.json": json.dumps({"padding_side": LONG})}),
        (BertTokenizer, {"vocab.txt": WORDS, "tokenizer_config.json": json.dumps({"model_max_length": LONG})}),
        (BertTokenizer, {"vocab.txt": WORDS, "tokenizer_config.json": json.dumps({"added_tokens_decoder": {LONG: 1}})}),
        (BertTokenizer, {"vocab.txt": WORDS, "special_tokens_map.json": json.dumps({"unk_token": [LONG]})}),
        (BertTokenizer, {"vocab.txt": WORDS, "added_tokens.json": json.dumps({LONG: "y"})}),
        (BertTokenizer, {"tokenizer.json": json.dumps({"model": {"type": LONG, "vocab": {LONG: 1}}})}),
        (GPT2Tokenizer, {"vocab.json": json.dumps({LONG: "q"}), "merges.txt": "#v\n"}),
        (GPT2Tokenizer, {"vocab.json": json.dumps({LONG: 0, "z": 0}), "merges.txt": "#v\n"}),
        (GPT2Tokenizer, {"vocab.json": PIECES, "merges.txt": f"#v\n{LONG} {LONG}\n"}),
        (OpenAIGPTTokenizer, {"vocab.json": PIECES, "merges.txt": f"#v\n{LONG} {LONG}\n"}),
        (CTRLTokenizer, {"vocab.json": PIECES, "merges.txt": f"#v\n{LONG} {LONG}\n"}),
        (XLMTokenizer, {"vocab.json": PIECES, "merges.txt": f"{LONG} {LONG} {LONG}\n"}),
        (XLMTokenizer, {"vocab_ende": f"{LONG} {LONG}\n", "codes_ende": f"{LONG} {LONG} {LONG}\n"}),
        (XLMTokenizer, {"vocab_ende": "a 1\n", "codes_ende": "a a 1\n", "tokenizer_config.json": LANGUAGES}),
    ],
    ids=range(16),
)
def test_tokenizers(kind: Any, files: dict[str, str], tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if "vocab.txt" in files and len(files) == 1:  # a token of any length may stand twice, as in files of 2019
        assert len(kind.from_pretrained(tmp_path)) == 3
        return
    check(lambda: kind.from_pretrained(tmp_path))


@pytest.mark.parametrize(
    "header",
    [
        {LONG: {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}},
        {"a": {"dtype": LONG, "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": LONG, "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [LONG, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 10**4000]}},
    ],
    ids=["name", "dtype", "shape", "offsets", "number"],
)
def test_safetensors(header: dict[str, Any], tmp_path: Path) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    check(lambda: open_checkpoint(tmp_path / "model.safetensors").read("a"))


@pytest.mark.parametrize(
    "index",
    [{LONG: "../x"}, {"a": LONG}, {LONG: "model-00001-of-00001.safetensors"}, {"a": {LONG: 1}}],
    ids=["outside", "file", "missing", "object"],
)
def test_indexes(index: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    check(lambda: open_checkpoint(tmp_path / "model.safetensors.index.json"))


@pytest.mark.parametrize("header", ["(" * 9000, f"{{'descr': '<f4', 'fortran_order': False, 'shape': {(1,) * 2000}}}"])
def test_npy(header: str, tmp_path: Path) -> None:
    (tmp_path / "params_shapes.json").write_text("[[2]]")
    text = header.encode() + b"\n"
    (tmp_path / "params_0.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(8))
    check(lambda: open_checkpoint(tmp_path))


def test_tensorflow_1(tmp_path: Path) -> None:
    write_tf1(tmp_path / "model.ckpt", {LONG: np.zeros(2, "f4")})
    data = tmp_path / "model.ckpt.data-00000-of-00001"
    data.write_bytes(b"\1" + data.read_bytes()[1:])
    with open_checkpoint(tmp_path / "model.ckpt") as checkpoint:
        check(lambda: checkpoint.read(LONG))
        check(lambda: checkpoint.read(LONG + "y"))
    data.write_bytes(b"")
    check(lambda: open_checkpoint(tmp_path / "model.ckpt"))
