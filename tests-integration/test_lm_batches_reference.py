"""Batches of sentences against the reference library's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from tx_data import LMMultiFileIterator, LMShuffledIterator
from tx_testing import reference
from tx_transfo_xl import TransfoXLTokenizer

SCRIPT = r"""
import json, os
import numpy as np
import torch
os.environ["TRUST_REMOTE_CODE"] = "True"
from transformers.models.deprecated.transfo_xl import tokenization_transfo_xl as parts

def told(iterator):
    return [[data.tolist(), target.tolist(), length] for data, target, length in iterator]

def main(arguments, inputs, folder):
    sentences = [torch.tensor(each) for each in arguments["sentences"]]
    found = {}
    for bsz, bptt, ext_len in arguments["sizes"]:
        found[f"{bsz} {bptt} {ext_len}"] = told(parts.LMShuffledIterator(sentences, bsz, bptt, ext_len=ext_len))
    tokenizer = parts.TransfoXLTokenizer(vocab_file=arguments["vocabulary"])
    # Its calls lose add_eos and add_double_eos, which those of 2019 handed on.
    tokenizer.tokenize = lambda line, **options: tokenizer._tokenize(line, **options)
    found["files"] = told(parts.LMMultiFileIterator([arguments["lines"]], tokenizer, 2, 4))
    return {"json": np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)}
"""
WORDS = ["<eos>", "the", "<unk>", ",", "cat", "<S>", "@-@", "a", "<formula>"]
STARTS = zip(range(0, 900, 10), [3, 1, 7, 2, 9, 4] * 15, strict=True)
SENTENCES = [[*range(start, start + length)] for start, length in STARTS]
SIZES = [(1, 5, 0), (4, 3, 0), (3, 4, 2)]
LINES = "the cat , the\na dog the\n the <unk> cat\n cat\nthe a cat a the cat , zz\n"


def told(iterator: Any) -> list[Any]:
    return [[data.tolist(), target.tolist(), length] for data, target, length in iterator]


def test_batches_of_sentences(tmp_path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    (tmp_path / "lines").write_text(LINES)
    arguments = {
        "sentences": SENTENCES, "sizes": SIZES, "vocabulary": str(tmp_path / "vocab.txt"),
        "lines": str(tmp_path / "lines"),
    }  # fmt: skip
    expected = json.loads(reference.run(SCRIPT, arguments).arrays["json"].tobytes())
    sentences = [np.array(each) for each in SENTENCES]
    for bsz, bptt, ext_len in SIZES:
        found = told(LMShuffledIterator(sentences, bsz, bptt, ext_len=ext_len))
        assert found == expected[f"{bsz} {bptt} {ext_len}"]
    tokenizer = TransfoXLTokenizer.from_pretrained(tmp_path)
    assert told(LMMultiFileIterator([tmp_path / "lines"], tokenizer, 2, 4)) == expected["files"]
