"""Tiny random XLM models under the names of published ones, for texts that fetch those; folders win over the hub."""

from __future__ import annotations

import json
from pathlib import Path

# Name → languages, in the order of their numbers.
MODELS = {"xlm-mlm-en-2048": ["en"], "xlm-mlm-tlm-xnli15-1024": ["de", "en"], "xlm-clm-ende-1024": ["de", "en"]}
_LETTERS = "abcdefghijklmnopqrstuvwxyz.,?!"


def write(folder: Path, name: str) -> None:
    """Write a model and its tokenizer, which knows letters, to ``folder / name``. Needs tx-xlm and PyTorch."""
    from tx_xlm import XLMConfig, XLMTokenizer, XLMWithLMHeadModel

    target = folder / name
    target.mkdir()
    words = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{i}>" for i in range(10))]
    words += [f"{letter}{end}" for letter in _LETTERS for end in ("", "</w>")] + ["th"]
    (target / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (target / "merges.txt").write_text("t h 1\n")
    langs = MODELS[name]
    numbers = {lang: number for number, lang in enumerate(langs)}
    XLMTokenizer(
        target / "vocab.json", target / "merges.txt", lang2id=numbers, id2lang=dict(enumerate(langs))
    ).save_pretrained(target)
    config = XLMConfig(vocab_size=len(words), emb_dim=16, n_layers=2, n_heads=2, n_langs=len(langs))
    XLMWithLMHeadModel(config).save_pretrained(target)
