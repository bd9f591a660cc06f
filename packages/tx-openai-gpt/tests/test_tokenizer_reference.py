"""OpenAIGPTTokenizer, with the words of BERT's basic tokenization, against the reference library."""

from __future__ import annotations

import json
import sys

from tx_openai_gpt.tokenizer import OpenAIGPTTokenizer, text_standardize
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.texts import RUNNING, awkward_texts, rows, running_lines

SCRIPT = r"""
import json, os, sys
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.modules["ftfy"] = None  # the words of BERT's basic tokenization, whatever is installed
import numpy as np
from transformers import OpenAIGPTTokenizer, OpenAIGPTTokenizerFast
from transformers.models.openai.tokenization_openai import text_standardize

def main(arguments, inputs, folder):
    files = arguments["files"]
    encoding = OpenAIGPTTokenizerFast(*files)(arguments["texts"], return_offsets_mapping=True)
    found = encoding["input_ids"]
    slow = OpenAIGPTTokenizer(*files)(arguments["texts"][:400])["input_ids"]
    standard = json.dumps([text_standardize(text) for text in arguments["texts"]])
    return {
        "lengths": np.array([len(row) for row in found]),
        "ids": np.array([i for row in found for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
        "same": np.array(slow == found[:400]),
        "standard": np.frombuffer(standard.encode(), dtype=np.uint8),
    }
"""


def test_text_has_the_references_ids_and_places(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    folder = data_path("vocab/openai-gpt")
    files = [str(folder / name) for name in ("encoder_bpe_40000.json", "vocab_40000.bpe")]
    texts = [*awkward_texts(), *running_lines(RUNNING[1])[::3]]
    result = reference.run(SCRIPT, {"files": files, "texts": texts}).arrays
    tokenizer = OpenAIGPTTokenizer(*files)
    assert bool(result["same"])
    for text, ids, spans in zip(texts, rows(result, "ids"), rows(result, "spans"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == tokenizer.encode(text) == ids, text
        assert [list(span) for span in encoding["offset_mapping"]] == spans, text
    assert [text_standardize(text) for text in texts] == json.loads(result["standard"].tobytes())


def test_words_and_characters_are_the_references(monkeypatch):
    monkeypatch.setitem(sys.modules, "ftfy", None)
    files = [str(data_path("vocab/openai-gpt") / name) for name in ("encoder_bpe_40000.json", "vocab_40000.bpe")]
    # The reference takes padding for text here.
    check_alignment(OpenAIGPTTokenizer(*files), "OpenAIGPTTokenizerFast", files, padded=False)
