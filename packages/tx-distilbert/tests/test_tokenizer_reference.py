"""DistilBertTokenizer against the reference library's two: ids on running and on awkward text, and files both ways."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tx_distilbert import DistilBertTokenizer
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import RUNNING, awkward_texts, composed, rows, running_lines

SCRIPT = r"""
import json, os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import DistilBertTokenizer, DistilBertTokenizerFast

def main(arguments, inputs, folder):
    slow = DistilBertTokenizer(arguments["vocab"], do_lower_case=arguments["lower"])
    fast = DistilBertTokenizerFast(vocab_file=arguments["vocab"], do_lower_case=arguments["lower"])
    found = fast(arguments["texts"])["input_ids"]
    slow.save_pretrained(folder)
    ours = [dict(cls.from_pretrained(arguments["ours"])("Hello, dog?", "Ja.")) for cls in (type(slow), type(fast))]
    return {
        "lengths": np.array([len(row) for row in found]),
        "ids": np.array([i for row in found for i in row]),
        "ours": np.frombuffer(json.dumps(ours).encode(), dtype=np.uint8),
    }
"""
cased_or_not = pytest.mark.parametrize("name, lower", [("uncased", True), ("cased", False)])


@cased_or_not
def test_ids_and_files_are_those_of_the_compiled_one(name: str, lower: bool, tmp_path: Path) -> None:
    vocab = data_path(f"vocab/bert-base-{name}")
    tokenizer = DistilBertTokenizer.from_pretrained(vocab, do_lower_case=lower)
    tokenizer.save_pretrained(tmp_path)
    texts = [*awkward_texts(), *running_lines(RUNNING[1])[::3]]
    arguments = {"vocab": str(vocab / "vocab.txt"), "lower": lower, "texts": texts, "ours": str(tmp_path)}
    result = reference.run(SCRIPT, arguments)
    for text, ids in zip(texts, rows(result.arrays, "ids"), strict=True):
        assert tokenizer(text)["input_ids"] == ids, text
    wanted = dict(tokenizer("Hello, dog?", "Ja."))
    assert json.loads(np.asarray(result.arrays["ours"]).tobytes()) == [wanted, wanted]
    again = DistilBertTokenizer.from_pretrained(result.folder)
    assert dict(again("Hello, dog?", "Ja.")) == wanted


@cased_or_not
def test_ids_are_those_of_the_one_in_python(name: str, lower: bool) -> None:
    file = str(data_path(f"vocab/bert-base-{name}") / "vocab.txt")
    texts = awkward_texts() if lower else [*map(composed, awkward_texts())]
    tokenizer = DistilBertTokenizer(file, do_lower_case=lower)
    check_slow_ids(tokenizer, "DistilBertTokenizer", [file], texts, do_lower_case=lower)


@cased_or_not
def test_words_and_characters_are_the_references(name: str, lower: bool) -> None:
    file = str(data_path(f"vocab/bert-base-{name}") / "vocab.txt")
    tokenizer = DistilBertTokenizer(file, do_lower_case=lower)
    check_alignment(tokenizer, "DistilBertTokenizerFast", [file], do_lower_case=lower)
