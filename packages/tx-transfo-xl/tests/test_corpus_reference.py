"""Batches against the reference library's, and the files that each of the two writes, read by the other."""

from __future__ import annotations

import json

import numpy as np

from tx_testing import reference
from tx_transfo_xl import TransfoXLTokenizer
from tx_transfo_xl.corpus import LMOrderedIterator

SCRIPT = r"""
import json, os
import numpy as np
import torch
os.environ["TRUST_REMOTE_CODE"] = "True"
from transformers.models.deprecated.transfo_xl import tokenization_transfo_xl as parts

def told(iterator):
    return [[data.tolist(), target.tolist(), length] for data, target, length in iterator]

def main(arguments, inputs, folder):
    found = {}
    for bsz, bptt, ext_len in arguments["sizes"]:
        key = f"{bsz} {bptt} {ext_len}"
        ordered = parts.LMOrderedIterator(torch.arange(103), bsz, bptt, ext_len=ext_len)
        found[f"ordered {key}"] = told(ordered)
        found[f"numbers {key}"] = [ordered.n_step, ordered.n_batch]
    tokenizer = parts.TransfoXLTokenizer(vocab_file=arguments["vocabulary"])
    with open(folder / "lines", "w") as file:
        file.write(arguments["lines"])
    ours = parts.TransfoXLTokenizer.from_pretrained(arguments["ours"])
    found["ours"] = [ours(text)["input_ids"] for text in arguments["texts"]]
    built = parts.TransfoXLTokenizer(special=["<eos>"], min_freq=2, max_size=5)
    built.count_file(folder / "lines")
    built.build_vocab()
    found["built"] = built.idx2sym
    found["eos"] = built.eos_idx
    tokenizer.add_tokens(["new-word"])
    tokenizer.save_pretrained(folder)
    found["theirs"] = [tokenizer(text)["input_ids"] for text in arguments["texts"]]
    return {"json": np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)}
"""
WORDS = ["<eos>", "the", "<unk>", ",", "cat", "<S>", "@-@", "a", "<formula>"]
SIZES = [(1, 5, 0), (4, 3, 0), (3, 4, 2), (2, 3, 7)]
TEXTS = ["the cat, a-cat <unk> dog <eos>", "new-word the <formula>"]
LINES = "the cat , the\na dog the\n the <unk> cat\n cat\nthe a cat a the cat , zz\n"


def told(iterator):
    return [[data.tolist(), target.tolist(), length] for data, target, length in iterator]


def test_batches_and_files(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    (tmp_path / "lines").write_text(LINES)
    tokenizer = TransfoXLTokenizer.from_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path / "ours")
    arguments = {
        "sizes": SIZES, "vocabulary": str(tmp_path / "vocab.txt"), "lines": LINES,
        "ours": str(tmp_path / "ours"), "texts": TEXTS,
    }  # fmt: skip
    result = reference.run(SCRIPT, arguments)
    expected = json.loads(result.arrays["json"].tobytes())
    for bsz, bptt, ext_len in SIZES:
        key = f"{bsz} {bptt} {ext_len}"
        ordered = LMOrderedIterator(np.arange(103), bsz, bptt, ext_len=ext_len)
        assert told(ordered) == expected[f"ordered {key}"]
        assert [ordered.n_step, ordered.n_batch] == expected[f"numbers {key}"]
    assert [tokenizer.encode(text) for text in TEXTS] == expected["ours"]
    built = TransfoXLTokenizer(special=["<eos>"], min_freq=2, max_size=5)
    built.count_file(tmp_path / "lines")
    built.build_vocab()
    assert (built.idx2sym, built.eos_idx) == (expected["built"], expected["eos"])
    assert (result.folder / "vocab.pkl").is_file()
    theirs = TransfoXLTokenizer.from_pretrained(result.folder)
    assert theirs.idx2sym == WORDS
    assert [theirs.encode(text) for text in TEXTS] == expected["theirs"]
