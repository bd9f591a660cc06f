"""RobertaTokenizer against the reference library: ids and places on running and on awkward text."""

from __future__ import annotations

import pytest

from tx_roberta.tokenizer import RobertaTokenizer
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.texts import PRIVATE, RUNNING, awkward_texts, rows, running_lines

MORE = [
    "it's 'll we've I'M they'd don'T", "a  b   c    d  ", "\n\n x\n  y\t z ", "  lead", "trail  ", "trail ",
    "x\x1cy \x85z", "½²Ⅷ३ 12³", "<mask> a<mask>b  <mask>  c", " <s>  x </s> y <pad>", "\t<mask>\nx", "<mask>\u00a0x",
]  # fmt: skip

SCRIPT = r"""
import os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import RobertaTokenizer, RobertaTokenizerFast

def main(arguments, inputs, folder):
    files = arguments["files"]
    tokenizer = RobertaTokenizerFast(*files, add_prefix_space=arguments["prefix"])
    encoding = tokenizer(arguments["texts"], return_offsets_mapping=True)
    rows = encoding["input_ids"]
    slow = RobertaTokenizer(*files, add_prefix_space=arguments["prefix"])
    slow_rows = slow(arguments["texts"][:arguments["slow"]])["input_ids"]
    return {
        "lengths": np.array([len(row) for row in rows]),
        "ids": np.array([i for row in rows for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
        "differ": np.array([n for n, row in enumerate(slow_rows) if row != rows[n]], dtype=int),
    }
"""


def files():
    return [str(data_path("vocab/roberta-base") / name) for name in ("vocab.json", "merges.txt")]


@pytest.mark.parametrize("prefix", [False, True])
def test_every_line_has_the_references_ids_and_places(prefix):
    awkward = [*MORE, *PRIVATE, *awkward_texts()]
    texts = [*awkward, *(running_lines(RUNNING[2]) if prefix else running_lines())]
    arguments = {"texts": texts, "files": files(), "prefix": prefix, "slow": len(awkward) + 400}
    result = reference.run(SCRIPT, arguments).arrays
    tokenizer = RobertaTokenizer(*files(), add_prefix_space=prefix)
    for text, ids, spans in zip(texts, rows(result, "ids"), rows(result, "spans"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == ids, text
        assert tokenizer.encode(text) == ids, text
        if not prefix:  # with it, the reference trims the first token only where it put the space there itself
            assert [list(span) for span in encoding["offset_mapping"]] == spans, text
    # With a prefix, the reference's two differ on texts that begin with white space, and after added tokens.
    differing = [texts[number] for number in result["differ"]]
    assert all(prefix and (text[0] in "\t\n\r" or "<mask>" in text) for text in differing), differing


def test_words_and_characters_are_the_references():
    check_alignment(RobertaTokenizer(*files()), "RobertaTokenizerFast", files(), split=False)
