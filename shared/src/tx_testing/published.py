"""Small models under the names of published ones, for texts and programs that fetch those.

    write(tmp_path / "bert-base-uncased", "bert-base-uncased")      # a folder wins over the hub's repository
    add(hub, "openai-gpt")                                          # a repository of a HubServer

Those of tx-tiny are trained; the others are random. Needs the architectures' packages and, for random ones, either
framework.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tx_core import is_torch_available
from tx_testing.server import HubServer

# Published name → model of tx-tiny.
TRAINED = {
    "bert-base-uncased": "bert",
    "bert-base-cased": "bert",
    "distilbert-base-uncased": "distilbert",
    "gpt2": "gpt2",
    "roberta-base": "roberta",
    "transfo-xl-wt103": "transfo-xl",
    "xlnet-base-cased": "xlnet",
}
# Published name → languages, in the order of their numbers.
XLM = {
    "xlm-mlm-en-2048": ["en"],
    "xlm-mlm-enfr-1024": ["en", "fr"],
    "xlm-mlm-tlm-xnli15-1024": ["de", "en"],
    "xlm-clm-ende-1024": ["de", "en"],
}
NAMES = (*TRAINED, *XLM, "openai-gpt", "ctrl")
_LETTERS = "abcdefghijklmnopqrstuvwxyz.,?!"


def write(folder: Path, name: str) -> None:
    """Write a model and its tokenizer as the new folder `folder`. Raises KeyError for a name not in `NAMES`."""
    if name in TRAINED:
        from tx_tiny import MODELS

        shutil.copytree(MODELS / TRAINED[name], folder)
        return
    folder.mkdir()
    if name == "openai-gpt":
        from tx_openai_gpt import OpenAIGPTConfig, OpenAIGPTTokenizer

        size = _words(folder, ["<unk>"], "{}", "{}</w>")
        OpenAIGPTTokenizer(folder / "vocab.json", folder / "merges.txt").save_pretrained(folder)
        config: Any = OpenAIGPTConfig(vocab_size=size, n_positions=64, n_embd=16, n_layer=2, n_head=2)
        _class("tx_openai_gpt", "OpenAIGPTLMHeadModel")(config).save_pretrained(folder)
    elif name == "ctrl":
        from tx_ctrl import CTRLConfig, CTRLTokenizer

        size = _words(folder, ["<unk>"], "{}@@", "{}")
        CTRLTokenizer(folder / "vocab.json", folder / "merges.txt").save_pretrained(folder)
        config = CTRLConfig(vocab_size=size, n_positions=64, n_embd=16, dff=32, n_layer=2, n_head=2)
        _class("tx_ctrl", "CTRLLMHeadModel")(config).save_pretrained(folder)
    else:
        from tx_xlm import XLMConfig, XLMTokenizer

        langs = XLM[name]
        special = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
        size = _words(folder, special, "{}", "{}</w>")
        numbers = {lang: number for number, lang in enumerate(langs)}
        files = folder / "vocab.json", folder / "merges.txt"
        XLMTokenizer(*files, lang2id=numbers, id2lang=dict(enumerate(langs))).save_pretrained(folder)
        config = XLMConfig(vocab_size=size, emb_dim=16, n_layers=2, n_heads=2, n_langs=len(langs))
        _class("tx_xlm", "XLMWithLMHeadModel")(config).save_pretrained(folder)


def _class(package: str, name: str) -> Any:
    """The class of the framework that is in use, so that no test loads the other one."""
    tf = "torch" not in sys.modules and ("tensorflow" in sys.modules or not is_torch_available())
    return getattr(import_module(package), f"TF{name}" if tf else name)


def _words(folder: Path, special: Sequence[str], inner: str, last: str) -> int:
    """Write a vocabulary of letters, inside words and at their ends, and one merge; return how many entries it has."""
    words = [*special, *(form.format(letter) for letter in _LETTERS for form in (inner, last)), inner.format("th")]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\n" if len(special) == 1 else "t h 1\n")
    return len(words)


def add(hub: HubServer, name: str) -> None:
    """Commit what `write` writes to the repository of that name."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        write(folder, name)
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.add(name, files, lfs=[file for file in files if file.endswith(".safetensors")])
