"""BertTokenizer against the reference library: ids and places on running and on awkward text, and files both ways."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tx_bert.tokenizer import BertTokenizer
from tx_testing import reference
from tx_testing.data import data_path

AWKWARD = [
    "", "   ", "Hello, world!", "Ünïcödé naïve café RÉSUMÉ", "cafe\u0301 e\u0301e\u0301s", "İstanbul DİYARBAKIR",
    "Straße GROSS ß \u1e9e", "ΟΔΥΣΣΕΥΣ ΣΑΣ.", "漢字とかなカナ 中文abc混合", "한국어 텍스트",
    "a\u200bb\u00adc \x00\x07zero\ufffdwidth", "tab\tnew\nline\r\nx\x0by\x0cz\x1cq\x85w\u2028u\u2029v\u00a0n\u3000m",
    "emoji 😀👍🏽 👨‍👩‍👧 end", "a" * 99, "a" * 100, "a" * 101, "b" * 150 + " ok",
    "[MASK] x[MASK]y [CLS]a[SEP] [mask] [UNK]", "don't stop--it's 3.14, $5^2 `x` ~y~ |z|",
    "https://example.org/a_b?c=d&e=f#g", "क्षत्रिय हिन्दी", "العَرَبِيَّة مرحبا", "שָׁלוֹם", "ภาษาไทย", "tiếng Việt",
    "ﬁnancial ﬂow Ⅷ ½ ㎏", "\u01c5 \u0149", "x\u0300\u0323y q\u0323\u0307", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𠮷", "。、！？「」…—–‘’“”",
    "\ue000priv \U000e0001tag", "a\u0345b Ά\u0345", "mixed\u4e2d\u0301文", "\U0001d165\U0001d16e", "[MASK][MASK] [MASK].",
    "un##known ##ing", "K\u212a \u2126",
]  # fmt: skip
POOLS = [
    "abcdefghij ABC .,!?",
    "éàüßİıſ ",
    "漢字かなカナ中",
    "\u0301\u0323abc e",
    "😀\u200d\ufe0f x",
    "\x00\x01\t\n\r\u200b\u00ad a",
]


def awkward_texts():
    rng = random.Random(0)
    made = ["".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 40))) for _ in range(300)]
    return AWKWARD + made


SCRIPT = r"""
import os
os.environ["TOKENIZERS_PARALLELISM"] = "false"
import numpy as np
from pathlib import Path
from transformers import BertTokenizerFast

def main(arguments, inputs, folder):
    texts = list(arguments["texts"])
    for path in arguments["files"]:
        texts += Path(path).read_bytes().decode("utf-8").split("\n")
    tokenizer = BertTokenizerFast(vocab_file=arguments["vocab"], do_lower_case=arguments["lower"])
    encoding = tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
    rows = encoding["input_ids"]
    return {
        "lengths": np.array([len(row) for row in rows]),
        "ids": np.array([i for row in rows for i in row]),
        "spans": np.array([span for row in encoding["offset_mapping"] for span in row]),
    }
"""


@pytest.mark.parametrize("name, lower", [("uncased", True), ("cased", False)])
def test_every_line_has_the_references_ids_and_places(name, lower):
    vocab = data_path(f"vocab/bert-base-{name}")
    names = ("wikitext-2/test.txt", "wikitext-2/valid.txt", "wikitext-2-raw/wiki.test.raw")
    files = [str(data_path(f"lm/{file}")) for file in names]
    if not lower:
        files = files[2:]  # the one in its own case
    texts = awkward_texts()
    result = reference.run(
        SCRIPT, {"texts": texts, "files": files, "vocab": str(vocab / "vocab.txt"), "lower": lower}
    ).arrays
    for file in files:
        texts += Path(file).read_bytes().decode("utf-8").split("\n")
    tokenizer = BertTokenizer.from_pretrained(vocab, do_lower_case=lower)
    lengths, ids, spans = result["lengths"].tolist(), result["ids"].tolist(), result["spans"].tolist()
    assert len(texts) == len(lengths)
    start = 0
    for text, length in zip(texts, lengths, strict=True):
        encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
        assert encoding["input_ids"] == ids[start : start + length], text
        assert [list(span) for span in encoding["offset_mapping"]] == spans[start : start + length], text
        assert tokenizer.encode(text, add_special_tokens=False) == encoding["input_ids"]
        start += length


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
