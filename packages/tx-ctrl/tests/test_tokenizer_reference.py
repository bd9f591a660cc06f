"""CTRLTokenizer against the reference library, with the published merges."""

from __future__ import annotations

import json

import pytest

from tx_ctrl.tokenizer import CONTROL_CODES, CTRLTokenizer
from tx_testing import reference
from tx_testing.data import data_path
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, rows, running_lines

SCRIPT = r"""
import numpy as np
from transformers import CTRLTokenizer

def main(arguments, inputs, folder):
    tokenizer = CTRLTokenizer(arguments["vocab"], arguments["merges"])
    found = tokenizer(arguments["texts"])["input_ids"]
    return {"lengths": np.array([len(row) for row in found]), "ids": np.array([i for row in found for i in row])}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The authors' word list as the JSON vocabulary that was published: each line's word, then the two that follow."""
    folder = tmp_path_factory.mktemp("ctrl")
    lines = data_path("vocab/ctrl/vocab").read_text(encoding="utf-8").split("\n")
    words = [line.split(" ")[0] for line in lines] + ["<unk>", "\n"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_bytes(data_path("vocab/ctrl/ctrl-merges.txt").read_bytes())
    return folder


def test_the_published_vocabulary(files, tmp_path):
    tokenizer = CTRLTokenizer.from_pretrained(files)
    assert tokenizer.vocab_size == 246534
    for code, index in CONTROL_CODES.items():
        assert tokenizer.encode(code) == [index]
    assert tokenizer.convert_tokens_to_ids("\n") == 246533
    tokenizer.save_pretrained(tmp_path)
    again = CTRLTokenizer.from_pretrained(tmp_path)
    text = "Links In a shocking finding, scientist discovered 5 kilograms of unicorns\nliving in a remote valley."
    assert again.encode(text) == tokenizer.encode(text)


def test_text_has_the_references_ids(files):
    texts = ["a\nb \n c\n\nd", "x\x1cy \x85z", *PRIVATE, *awkward_texts(), *running_lines(RUNNING[0])[::3]]
    arguments = {"vocab": str(files / "vocab.json"), "merges": str(files / "merges.txt"), "texts": texts}
    result = reference.run(SCRIPT, arguments).arrays
    tokenizer = CTRLTokenizer.from_pretrained(files)
    for text, ids in zip(texts, rows(result, "ids"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == tokenizer.encode(text) == ids, text
        assert all(start < end for start, end in encoding["offset_mapping"])
