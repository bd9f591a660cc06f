"""Batches against the reference library's, and the files that each of the two writes, read by the other."""

from __future__ import annotations

import json

import numpy as np

from tx_testing import reference
from tx_transfo_xl import TransfoXLTokenizer
from tx_transfo_xl.corpus import LMMultiFileIterator, LMOrderedIterator, LMShuffledIterator

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
        key = f"{bsz} {bptt} {ext_len}"
        ordered = parts.LMOrderedIterator(torch.arange(103), bsz, bptt, ext_len=ext_len)
        found[f"ordered {key}"] = told(ordered)
        found[f"numbers {key}"] = [ordered.n_step, ordered.n_batch]
        np.random.seed(1)
        found[f"varied {key}"] = told(ordered.get_varlen_iter(std=2, min_len=1))
        if 2 * ext_len > bptt:  # it copies places onto themselves, which PyTorch refuses
            continue
        found[f"shuffled {key}"] = told(parts.LMShuffledIterator(sentences, bsz, bptt, ext_len=ext_len))
    tokenizer = parts.TransfoXLTokenizer(vocab_file=arguments["vocabulary"])
    with open(folder / "lines", "w") as file:
        file.write(arguments["lines"])
    # Its calls lose add_eos and add_double_eos, which those of 2019 handed on.
    tokenizer.tokenize = lambda line, **options: tokenizer._tokenize(line, **options)
    found["files"] = told(parts.LMMultiFileIterator([str(folder / "lines")], tokenizer, 2, 4))
    ours = parts.TransfoXLTokenizer.from_pretrained(arguments["ours"])
    found["ours"] = [ours(text)["input_ids"] for text in arguments["texts"]]
    built = parts.TransfoXLTokenizer(special=["<eos>"], min_freq=2, max_size=5)
    built.count_file(folder / "lines")
    built.build_vocab()
    found["built"] = built.idx2sym
    found["eos"] = built.eos_idx
    del tokenizer.tokenize
    tokenizer.add_tokens(["new-word"])
    tokenizer.save_pretrained(folder)
    found["theirs"] = [tokenizer(text)["input_ids"] for text in arguments["texts"]]
    return {"json": np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)}
"""
WORDS = ["<eos>", "the", "<unk>", ",", "cat", "<S>", "@-@", "a", "<formula>"]
SENTENCES = [[*range(start, start + length)] for start, length in zip(range(0, 900, 10), [3, 1, 7, 2, 9, 4] * 15)]  # noqa: B905
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
        "sentences": SENTENCES, "sizes": SIZES, "vocabulary": str(tmp_path / "vocab.txt"), "lines": LINES,
        "ours": str(tmp_path / "ours"), "texts": TEXTS,
    }  # fmt: skip
    result = reference.run(SCRIPT, arguments)
    expected = json.loads(result.arrays["json"].tobytes())
    sentences = [np.array(each) for each in SENTENCES]
    for bsz, bptt, ext_len in SIZES:
        key = f"{bsz} {bptt} {ext_len}"
        ordered = LMOrderedIterator(np.arange(103), bsz, bptt, ext_len=ext_len)
        assert told(ordered) == expected[f"ordered {key}"]
        assert [ordered.n_step, ordered.n_batch] == expected[f"numbers {key}"]
        np.random.seed(1)
        varied = told(ordered.get_varlen_iter(std=2, min_len=1))
        assert varied[: len(expected[f"varied {key}"])] == expected[f"varied {key}"]
        assert len(varied) - len(expected[f"varied {key}"]) <= 1  # it may leave the last token
        if 2 * ext_len <= bptt:
            assert told(LMShuffledIterator(sentences, bsz, bptt, ext_len=ext_len)) == expected[f"shuffled {key}"]
    assert told(LMMultiFileIterator([tmp_path / "lines"], tokenizer, 2, 4)) == expected["files"]
    assert [tokenizer.encode(text) for text in TEXTS] == expected["ours"]
    built = TransfoXLTokenizer(special=["<eos>"], min_freq=2, max_size=5)
    built.count_file(tmp_path / "lines")
    built.build_vocab()
    assert (built.idx2sym, built.eos_idx) == (expected["built"], expected["eos"])
    assert (result.folder / "vocab.pkl").is_file()
    theirs = TransfoXLTokenizer.from_pretrained(result.folder)
    assert theirs.idx2sym == WORDS
    assert [theirs.encode(text) for text in TEXTS] == expected["theirs"]
