"""What is written here is read by the older and the newer reference: tokenizers, and the models of tx-tiny."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tx_tiny
from tx_bert import BertTokenizer
from tx_ctrl import CTRLTokenizer
from tx_distilbert import DistilBertTokenizer
from tx_gpt2 import GPT2Tokenizer
from tx_openai_gpt import OpenAIGPTTokenizer
from tx_roberta import RobertaTokenizer
from tx_testing import reference
from tx_testing.texts import rows
from tx_transfo_xl import TransfoXLTokenizer
from tx_xlm import XLMTokenizer
from tx_xlnet import XLNetTokenizer

BUNDLED = Path(tx_tiny.__file__).parent / "models"
TEXTS = ["hello hells", "hello <new> a", "<special>hello"]
SCRIPT = r"""
import os
os.environ["USE_TF"] = "0"
import numpy as np
import transformers

def main(arguments, inputs, folder):
    out = {}
    for name, (path, kind) in arguments["tokenizers"].items():
        for cls in (getattr(transformers, kind), transformers.AutoTokenizer):
            found = [cls.from_pretrained(path).encode(text) for text in arguments["texts"]]
            out[f"{name}/{cls.__name__}/lengths"] = np.array([len(row) for row in found])
            out[f"{name}/{cls.__name__}/ids"] = np.array([i for row in found for i in row])
    for name, path in arguments["models"].items():
        config = transformers.AutoConfig.from_pretrained(path)
        model = getattr(transformers, config.architectures[0]).from_pretrained(path)
        out[f"{name}/parameters"] = np.array(model.num_parameters())
    return out
"""


def bpe(folder: Path, vocabulary: list[str], merges: str) -> tuple[str, str]:
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    return str(folder / "vocab.json"), str(folder / "merges.txt")


def tokenizers(folder: Path) -> dict[str, Any]:
    """A tiny tokenizer of every architecture."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "hell", "##s", "a", "<", ">"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    ends = ["<unk>", *"hels<>nwpcia", "hell", "o</w>", "s</w>", "a</w>", "hello</w>", "hells</w>", "he", "ll"]
    merges = "h e\nl l\nhe ll\nhell o</w>\nhell s</w>"
    bytes_ = ["<s>", "<pad>", "</s>", "<unk>", *"helosn<>wpciaĠ", "he", "ll", "hell", "<mask>"]
    pieces = ["<unk>", "hello", "hell@@", "s", "a"]
    special = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
    return {
        "bert": BertTokenizer(str(folder / "vocab.txt")),
        "distilbert": DistilBertTokenizer(str(folder / "vocab.txt")),
        "openai-gpt": OpenAIGPTTokenizer(*bpe(folder / "openai", ends, merges)),
        "ctrl": CTRLTokenizer(*bpe(folder / "ctrl", pieces, merges)),
        "roberta": RobertaTokenizer(*bpe(folder / "roberta", bytes_, "h e\nl l\nhe ll")),
        "gpt2": GPT2Tokenizer.from_pretrained(BUNDLED / "gpt2"),
        "xlm": XLMTokenizer(*bpe(folder / "xlm", [*special, *ends[1:]], merges)),
    }


@pytest.mark.parametrize("variable", [reference.REFERENCE, reference.REFERENCE_5])
def test_the_reference_reads_what_is_written(variable: str, tmp_path: Path) -> None:
    reference.reference_python(variable)
    saved: dict[str, tuple[str, str]] = {}
    wanted: dict[str, list[list[int]]] = {}
    for name, tokenizer in tokenizers(tmp_path).items():
        for kind in ("plain", "added"):
            if kind == "added":
                tokenizer.add_tokens(["<new>"])
                tokenizer.add_special_tokens({"additional_special_tokens": ["<special>"]})
            tokenizer.save_pretrained(tmp_path / f"{name}-{kind}")
            saved[f"{name}-{kind}"] = str(tmp_path / f"{name}-{kind}"), type(tokenizer).__name__
            wanted[f"{name}-{kind}"] = [tokenizer.encode(text) for text in TEXTS]
    models = {path.name: str(path) for path in BUNDLED.iterdir() if (path / "config.json").is_file()}
    bundled = {
        "bert": BertTokenizer,
        "distilbert": DistilBertTokenizer,
        "gpt2": GPT2Tokenizer,
        "roberta": RobertaTokenizer,
        "transfo-xl": TransfoXLTokenizer,
        "xlnet": XLNetTokenizer,
    }
    if variable == reference.REFERENCE_5:
        # It has no Transformer-XL, and reads spiece.model only where protobuf is installed, which it does not ask for.
        del models["transfo-xl"], bundled["transfo-xl"], bundled["xlnet"]
    for name, kind in bundled.items():
        saved[name] = models[name], kind.__name__
        wanted[name] = [kind.from_pretrained(models[name]).encode(text) for text in TEXTS]
    result = reference.run(SCRIPT, {"tokenizers": saved, "models": models, "texts": TEXTS}, variable=variable)
    for name, ids in wanted.items():
        for cls in (saved[name][1], "AutoTokenizer"):
            assert [*rows(result.group(f"{name}/{cls}"), "ids")] == ids, f"{name} by {cls}"
    assert all(result.arrays[f"{name}/parameters"] > 0 for name in models)
