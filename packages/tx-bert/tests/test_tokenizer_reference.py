"""BertTokenizer against the reference library: ids and places on running and on awkward text, and files both ways."""

from __future__ import annotations

import json

import pytest

from tx_bert.tokenizer import BertTokenizer
from tx_testing import reference
from tx_testing.alignment import check_alignment
from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import RUNNING, awkward_texts, composed, rows, running_lines

SCRIPT = r"""
import os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import BertTokenizerFast

def main(arguments, inputs, folder):
    tokenizer = BertTokenizerFast(vocab_file=arguments["vocab"], do_lower_case=arguments["lower"])
    encoding = tokenizer(arguments["texts"], return_offsets_mapping=True, add_special_tokens=False)
    rows = encoding["input_ids"]
    return {
        "lengths": np.array([len(row) for row in rows]),
        "ids": np.array([i for row in rows for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
    }
"""


@pytest.mark.parametrize("name, lower", [("uncased", True), ("cased", False)])
def test_text_has_the_references_ids_and_places(name, lower):
    vocab = data_path(f"vocab/bert-base-{name}")
    texts = [*awkward_texts(), *running_lines(*(RUNNING if lower else RUNNING[1:]))[::3]]
    arguments = {"texts": texts, "vocab": str(vocab / "vocab.txt"), "lower": lower}
    result = reference.run(SCRIPT, arguments).arrays
    tokenizer = BertTokenizer.from_pretrained(vocab, do_lower_case=lower)
    for text, ids, spans in zip(texts, rows(result, "ids"), rows(result, "spans"), strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        assert encoding["input_ids"] == ids, text
        assert [list(span) for span in encoding["offset_mapping"]] == spans, text
        assert tokenizer.encode(text, add_special_tokens=False) == ids


@pytest.mark.parametrize("name, lower", [("uncased", True), ("cased", False)])
def test_ids_are_those_of_the_reference_in_python(name, lower):
    file = str(data_path(f"vocab/bert-base-{name}") / "vocab.txt")
    texts = awkward_texts() if lower else [*map(composed, awkward_texts())]
    check_slow_ids(BertTokenizer(file, do_lower_case=lower), "BertTokenizer", [file], texts, do_lower_case=lower)


CALLS = [
    {"text": ["the fox", "the quick brown fox"], "padding": True},
    {"text": ["the fox", "the quick brown fox"], "padding": "max_length", "max_length": 9},
    {"text": "the quick brown fox", "text_pair": "lazy dog", "truncation": "only_first", "max_length": 7},
    {"text": "the quick brown fox", "truncation": True, "max_length": 4},
    {"text": ["the", "fox"], "text_pair": ["a lazy dog", "dog"], "padding": True, "pad_to_multiple_of": 4},
    {
        "text": "the fox?", "text_pair": "quick brown fox jumps over dogs", "truncation": "only_second",
        "max_length": 10, "stride": 2, "return_overflowing_tokens": True,
        "return_offsets_mapping": True, "padding": True,
    },
    {"text": "the quick brown fox jumps", "max_length": 5, "stride": 1, "return_overflowing_tokens": True,
     "truncation": True, "return_special_tokens_mask": True},
    {"text": ["the", "unaffable", "fox"], "is_split_into_words": True, "return_offsets_mapping": True},
    {"text": [["the", "fox"], ["dogs"]], "is_split_into_words": True, "padding": True},
    {"text": "the fox", "add_special_tokens": False, "return_length": True, "return_attention_mask": False},
    {"text": "the MY_NEW newer <A> [MASK] <a> my_newer"},
]  # fmt: skip

CALL_SCRIPT = r"""
import json, os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from transformers import AddedToken, BertTokenizer, BertTokenizerFast

def main(arguments, inputs, folder):
    ours = BertTokenizer.from_pretrained(arguments["ours"])
    tokenizer = BertTokenizerFast(vocab_file=arguments["vocab"], model_max_length=64)
    tokenizer.add_tokens(["my_new"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<A>"]})
    answers = [dict(tokenizer(**call)) for call in arguments["calls"]]
    tokenizer.save_pretrained(folder)
    slow = BertTokenizer(arguments["vocab"])
    decoded = [slow.decode(slow.encode(t), skip_special_tokens=s) for t in arguments["texts"] for s in (False, True)]
    values = {"answers": answers, "decoded": decoded, "length": len(ours), "max": ours.model_max_length,
              "read": [ours(t)["input_ids"] for t in arguments["texts"]]}
    return {"json": np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)}
"""


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory):
    vocab = data_path("vocab/bert-base-uncased")
    tokenizer = BertTokenizer.from_pretrained(vocab, max_len=64)
    tokenizer.add_tokens(["my_new"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<A>"]})
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    texts = ["Hello, don't you [MASK]? It's MY_NEW <A> fox's!", "what ' s up ... ok", "[CLS] a [SEP] [PAD]"]
    result = reference.run(
        CALL_SCRIPT, {"calls": CALLS, "ours": str(folder), "texts": texts, "vocab": str(vocab / "vocab.txt")}
    )
    return tokenizer, texts, json.loads(result.arrays["json"].tobytes()), result.folder


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_calls_answer_what_the_reference_answers(exchanged, number):
    tokenizer, _, values, _ = exchanged
    encoding = tokenizer(**CALLS[number])
    answer = values["answers"][number]
    if isinstance(encoding.get("length"), int):  # the reference makes a list of one of it
        answer["length"] = answer["length"] if isinstance(answer["length"], int) else answer["length"][0]
    assert json.loads(json.dumps(dict(encoding))) == answer


def test_decoding_is_the_references(exchanged):
    _, texts, values, _ = exchanged
    plain = BertTokenizer.from_pretrained(data_path("vocab/bert-base-uncased"))
    decoded = [plain.decode(plain.encode(text), skip_special_tokens=skip) for text in texts for skip in (False, True)]
    assert decoded == values["decoded"]


def test_the_reference_reads_what_was_saved(exchanged):
    tokenizer, texts, values, _ = exchanged
    assert values["length"] == len(tokenizer)
    assert values["max"] == 64
    assert values["read"] == [tokenizer.encode(text) for text in texts]


def test_what_the_reference_saved_is_read(exchanged, tmp_path):
    tokenizer, texts, _, folder = exchanged
    assert (folder / "tokenizer.json").is_file()
    for name in (folder, tmp_path):
        if name is tmp_path:  # only tokenizer.json
            (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        again = BertTokenizer.from_pretrained(name)
        assert len(again) == len(tokenizer)
        assert [again.encode(text) for text in texts] == [tokenizer.encode(text) for text in texts]
    assert BertTokenizer.from_pretrained(folder).max_len == 64


@pytest.mark.parametrize("name, lower", [("uncased", True), ("cased", False)])
def test_words_and_characters_are_the_references(name, lower):
    file = str(data_path(f"vocab/bert-base-{name}") / "vocab.txt")
    check_alignment(BertTokenizer(file, do_lower_case=lower), "BertTokenizerFast", [file], do_lower_case=lower)
