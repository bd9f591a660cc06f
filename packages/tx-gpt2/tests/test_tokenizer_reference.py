"""GPT2Tokenizer against the reference library: ids and places on running and on awkward text."""

from __future__ import annotations

import pytest

from tx_gpt2.tokenizer import GPT2Tokenizer
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, rows, running_lines

MORE = [
    "it's 'll we've I'M they'd don'T", "a  b   c    d  ", "\n\n x\n  y\t z ", "  lead", "trail  ", "trail ",
    "x\x1cy \x85z", "½²Ⅷ३ 12³", "a_b__c _ '_s", "<|endoftext|> a<|endoftext|>b", " <|endoftext|>  x",
    "a\u00a0b \u00a0 c\u3000 d", "\t<|endoftext|>x  y", "x" * 300 + " " * 70 + "y" * 70,
]  # fmt: skip

SCRIPT = r"""
import os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import GPT2TokenizerFast

def main(arguments, inputs, folder):
    folder = arguments["vocab"]
    tokenizer = GPT2TokenizerFast(folder + "/vocab.json", folder + "/merges.txt", add_prefix_space=arguments["prefix"])
    encoding = tokenizer(arguments["texts"], return_offsets_mapping=True)
    rows = encoding["input_ids"]
    return {
        "lengths": np.array([len(row) for row in rows]),
        "ids": np.array([i for row in rows for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
    }
"""


@pytest.mark.parametrize("prefix", [False, True])
def test_text_has_the_references_ids_and_places(prefix):
    vocab = data_path("vocab/gpt2")
    texts = [*MORE, *PRIVATE, *awkward_texts(), *running_lines(*(RUNNING[1:] if prefix else RUNNING))[::3]]
    result = reference.run(SCRIPT, {"texts": texts, "vocab": str(vocab), "prefix": prefix}).arrays
    tokenizer = GPT2Tokenizer.from_pretrained(vocab, add_prefix_space=prefix)
    for text, ids, spans in zip(texts, rows(result, "ids"), rows(result, "spans"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == ids, text
        assert [list(span) for span in encoding["offset_mapping"]] == spans, text
        assert tokenizer.encode(text) == ids, text


def test_ids_are_those_of_the_reference_in_python():
    files = [str(data_path("vocab/gpt2") / name) for name in ("vocab.json", "merges.txt")]
    check_slow_ids(GPT2Tokenizer(*files), "GPT2Tokenizer", files, [*MORE, *PRIVATE, *awkward_texts()])


@pytest.mark.parametrize("options", [{"add_prefix_space": True}, {"add_prefix_space": True, "pad_token": "!"}])
def test_words_and_characters_are_the_references(options):
    files = [str(data_path("vocab/gpt2") / name) for name in ("vocab.json", "merges.txt")]
    check_alignment(GPT2Tokenizer(*files, **options), "GPT2TokenizerFast", files, "pad_token" in options, **options)
