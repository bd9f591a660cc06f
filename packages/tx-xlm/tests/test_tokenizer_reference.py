"""XLMTokenizer against the reference library, with the authors' English and German BPE."""

from __future__ import annotations

import json

import pytest

from tx_testing import reference
from tx_testing.data import data_path
from tx_testing.slow_ids import check_slow_ids
from tx_testing.texts import MULTILINGUAL, PRIVATE, RUNNING, awkward_texts, running_lines
from tx_xlm.tokenizer import XLMTokenizer

MORE = [
    "It ended. He left.", "Mr. Smith, Jr., of the U.S. Army; vs. No. 5 and p. 3.", "d'un l'eau dell'arte n'est-ce",
    "a ' b", "' a", "a '", "'", "a.' ", "x (y) : z ; 5 % ) .", "a..b...c....", "...", "AT&amp;T | [x] <b>", '"a," b',
    "<special1> a<special2>b </s> <s>x<pad>", "20\u00a0000 «\u00a0a\u00a0» nº\u00a05", 'er sagte ."  ',
    'er sagte ." x', "a ,b , c,d 1,2 3,", "z.B. d.h.",
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The authors' files in the form in which they are published, as the reference reads them."""
    folder = tmp_path_factory.mktemp("xlm")
    original = data_path("vocab/xlm-ende")
    lines = (original / "vocab_ende").read_text(encoding="utf-8").split("\n")[:-1]
    words = [line.split(" ")[0] for line in lines]
    tokens = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))]
    tokens += [word.replace("@@", "") if "@@" in word else f"{word}</w>" for word in words]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_bytes((original / "codes_ende").read_bytes())
    return [str(folder / name) for name in ("vocab.json", "merges.txt")]


@pytest.mark.parametrize("lowers", [True, False])
def test_every_line_has_the_references_ids(files, lowers):
    texts = [*MORE, *PRIVATE, *awkward_texts(), *running_lines(RUNNING[1])[:600]]
    options = {"do_lowercase_and_remove_accent": lowers}
    check_slow_ids(XLMTokenizer(*files, **options), "XLMTokenizer", files, texts, **options)


def test_each_language_has_the_references_ids(files):
    calls = [{"lang": lang} for lang in ("de", "fr", "it", "ro", "cs", "ru", "ko", "el", "xx")]
    check_slow_ids(XLMTokenizer(*files), "XLMTokenizer", files, [*MORE, *awkward_texts(30)], calls)


def test_texts_are_divided_before_they_are_lowered_where_asked_for(files):
    texts = [*MORE, *awkward_texts(30), *running_lines(RUNNING[1])[:200]]
    calls = [{"lang": "en"}, {"lang": "de"}, {"bypass_tokenizer": True}]
    check_slow_ids(XLMTokenizer(*files, do_lower_case=False), "XLMTokenizer", files, texts, calls, cased=True)


SCRIPT = r"""
import json
import numpy as np
from transformers import XLMTokenizer
from transformers.models.xlm import tokenization_xlm as parts

def main(arguments, inputs, folder):
    tokenizer = XLMTokenizer(*arguments["files"])
    texts = arguments["texts"]
    found = [tokenizer(a, b, return_special_tokens_mask=True).data for a, b in zip(texts, texts[1:])]
    ours = XLMTokenizer.from_pretrained(arguments["ours"])
    tokenizer.lang2id, tokenizer.id2lang = {"de": 0, "en": 1}, {0: "de", 1: "en"}
    tokenizer.init_kwargs.update(lang2id=tokenizer.lang2id, id2lang=tokenizer.id2lang)
    tokenizer.save_pretrained(folder)
    values = {
        "pairs": found,
        "decoded": [tokenizer.decode(ours(text)["input_ids"]) for text in texts],
        "skipped": [tokenizer.decode(ours(text)["input_ids"], skip_special_tokens=True) for text in texts],
        "read": [ours(text)["input_ids"] for text in texts],
        "ascii": [parts.replace_unicode_punct(text) for text in texts],
        "printed": [parts.remove_non_printing_char(text) for text in texts],
        "plain": [parts.lowercase_and_remove_accent(text.split()) for text in texts],
        "romanian": [parts.romanian_preprocessing(text) for text in texts],
    }
    return {"json": np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)}
"""


def test_pairs_texts_and_files_are_the_references(files, tmp_path):
    from tx_xlm import tokenizer as parts

    tokenizer = XLMTokenizer(*files, max_len=512)
    assert tokenizer.encoder == XLMTokenizer.from_pretrained(data_path("vocab/xlm-ende")).encoder
    tokenizer.save_pretrained(tmp_path)
    texts = [*MORE, *MULTILINGUAL]
    result = reference.run(SCRIPT, {"files": files, "ours": str(tmp_path), "texts": texts})
    values = json.loads(result.arrays["json"].tobytes())
    for first, second, expected in zip(texts, texts[1:], values["pairs"], strict=False):
        assert dict(tokenizer(first, second, return_special_tokens_mask=True)) == expected
    rows = [tokenizer.encode(text) for text in texts]
    assert rows == values["read"]
    assert [tokenizer.decode(row) for row in rows] == values["decoded"]
    assert [tokenizer.decode(row, skip_special_tokens=True) for row in rows] == values["skipped"]
    again = XLMTokenizer.from_pretrained(result.folder)
    assert (again.lang2id, again.id2lang) == ({"de": 0, "en": 1}, {0: "de", 1: "en"})
    assert [again.encode(text) for text in texts] == rows
    assert [*map(parts.replace_unicode_punct, texts)] == values["ascii"]
    assert [*map(parts.remove_non_printing_char, texts)] == values["printed"]
    found = [parts.lowercase_and_remove_accent(text.split()) or [""] for text in texts]  # it joins no words to one
    assert found == values["plain"]
    assert [*map(parts.romanian_preprocessing, texts)] == values["romanian"]
