"""RobertaTokenizer against the reference library: ids and places on running and on awkward text."""

from __future__ import annotations

import pytest

from tx_roberta.tokenizer import RobertaTokenizer
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, rows, running_lines

MORE = [
    "it's 'll we've I'M they'd don'T", "a  b   c    d  ", "\n\n x\n  y\t z ", "  lead", "trail  ", "trail ",
    "x\x1cy \x85z", "½²Ⅷ३ 12³", "<mask> a<mask>b  <mask>  c", " <s>  x </s> y <pad>", "\t<mask>\nx", "<mask>\u00a0x",
]  # fmt: skip

SCRIPT = r"""
import os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import RobertaTokenizerFast

def main(arguments, inputs, folder):
    tokenizer = RobertaTokenizerFast(*arguments["files"], add_prefix_space=arguments["prefix"])
    encoding = tokenizer(arguments["texts"], return_offsets_mapping=True)
    rows = encoding["input_ids"]
    return {
        "lengths": np.array([len(row) for row in rows]),
        "ids": np.array([i for row in rows for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
    }
"""


def files():
    return [str(data_path("vocab/roberta-base") / name) for name in ("vocab.json", "merges.txt")]


@pytest.mark.parametrize("prefix", [False, True])
def test_text_has_the_references_ids_and_places(prefix):
    texts = [*MORE, *PRIVATE, *awkward_texts(), *running_lines(*(RUNNING[1:] if prefix else RUNNING))[::3]]
    result = reference.run(SCRIPT, {"texts": texts, "files": files(), "prefix": prefix}).arrays
    tokenizer = RobertaTokenizer(*files(), add_prefix_space=prefix)
    for text, ids, spans in zip(texts, rows(result, "ids"), rows(result, "spans"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == ids, text
        assert tokenizer.encode(text) == ids, text
        if not prefix:  # with it, the reference trims the first token only where it put the space there itself
            assert [list(span) for span in encoding["offset_mapping"]] == spans, text


@pytest.mark.parametrize("prefix", [False, True])
def test_ids_are_those_of_the_reference_in_python(prefix):
    texts = [*MORE, *PRIVATE, *awkward_texts(), *running_lines(RUNNING[1])[:300]]
    if prefix:
        # There, its compiled one puts a space before other white space and after added tokens, as this library does.
        texts = [text for text in texts if text and not text[0].isspace() and "<mask>" not in text]
    tokenizer = RobertaTokenizer(*files(), add_prefix_space=prefix)
    check_slow_ids(tokenizer, "RobertaTokenizer", files(), texts, add_prefix_space=prefix)


def test_words_and_characters_are_the_references():
    check_alignment(RobertaTokenizer(*files()), "RobertaTokenizerFast", files(), split=False)
