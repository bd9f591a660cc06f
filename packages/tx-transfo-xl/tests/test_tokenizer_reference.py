"""TransfoXLTokenizer against the reference library."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from tx_testing import reference
from tx_testing.data import data_path
from tx_testing.texts import MULTILINGUAL, PRIVATE, awkward_texts, running_lines
from tx_transfo_xl.tokenizer import TransfoXLTokenizer, detokenize_numbers, tokenize_numbers

MORE = [
    "It ended. He left.", "Mr. Smith, Jr., of the U.S. Army; vs. No. 5 and p. 3.", "d'un l'eau dell'arte n'est-ce",
    "a ' b", "' a", "a '", "'", "a.' ", "x (y) : z ; 5 % ) .", "a..b...c....", "...", "AT&amp;T | [x] <b>", '"a," b',
    "<formula> a<eos>b <unk> <UNK>x <Formula> y<EOS>, <UNK>", "20\u00a0000 «\u00a0a\u00a0» nº\u00a05",
    'er sagte ."  ', 'er sagte ." x', "a ,b , c,d 1,2 3,", "23,000 people are 1.80 m tall", "1,2.3,4 ٣,٤ ½,½ 1.2.",
    "well-known--x -a- -", "5-6 a-5 é-ü 漢-字 a\u2010b", "@-@ @,@ x@-@y 5 @,@ 000", "= = Title = =",
    "DOTMULTI a. DOTDOTMULTI. b", "word :-) x", "THISISPROTECTED000 <UNK> x", "a\tb\nc\r\nd", "\x1fa\x00 b\x07c-d",
    "ΟΔΥΣΣΕΥΣ ΣΑΣ.", "İ-I x", "Ends. \u00a0", "A. a. A.",
]  # fmt: skip
SCRIPT = r"""
import json
import numpy as np
from transformers import TransfoXLTokenizer
from transformers.models.deprecated.transfo_xl import tokenization_transfo_xl as parts

def main(arguments, inputs, folder):
    if "folder" in arguments:
        tokenizer = TransfoXLTokenizer.from_pretrained(arguments["folder"])
    else:
        tokenizer = TransfoXLTokenizer(**arguments["options"])
    texts = arguments["texts"]
    tokens = [tokenizer.tokenize(text) for text in texts]
    values = {
        "tokens": tokens,
        "ids": [tokenizer(text)["input_ids"] for text in texts],
        "decoded": [tokenizer.decode(tokenizer.encode(text)) for text in texts],
        "joined": [tokenizer.convert_tokens_to_string(row) for row in tokens],
        "pairs": [tokenizer(a, b).data["input_ids"] for a, b in zip(texts, texts[1:])],
        "ends": [tokenizer._tokenize(text, add_eos=True) for text in texts if tokenizer.delimiter is None],
        "double": [tokenizer._tokenize(text, add_double_eos=True) for text in texts if tokenizer.delimiter is None],
        "numbers": [parts.tokenize_numbers(text.split()) for text in texts],
        "denumbers": [parts.detokenize_numbers(" ".join(row)) for row in tokens],
    }
    tokenizer.save_pretrained(folder)
    return {"json": np.frombuffer(json.dumps(values).encode(), dtype=np.uint8)}
"""


def asked(**arguments):
    result = reference.run(SCRIPT, arguments)
    return json.loads(result.arrays["json"].tobytes()), result.folder


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    """The words of WikiText-103's validation and test texts, the most frequent first."""
    counts = Counter(
        word for name in ("valid", "test") for line in running_lines(f"lm/wikitext-103/wiki.{name}.tokens")
        for word in line.split()
    )  # fmt: skip
    path = tmp_path_factory.mktemp("words") / "vocab.txt"
    words = dict.fromkeys(["<eos>", *(word for word, _ in counts.most_common()), "<unk>", "<formula>"])
    path.write_text("".join(f"{word} {counts[word]}\n" for word in words), encoding="utf-8")
    return str(path)


def squad_texts(count):
    data = json.loads(data_path("squad/dev-v2.0-half.json").read_text(encoding="utf-8"))["data"]
    texts = [
        text for article in data for paragraph in article["paragraphs"]
        for text in (paragraph["context"], *(each["question"] for each in paragraph["qas"]))
    ]  # fmt: skip
    return texts[:: max(len(texts) // count, 1)]


def check(tokenizer, values, texts):
    for text, tokens, ids, decoded, joined in zip(
        texts, values["tokens"], values["ids"], values["decoded"], values["joined"], strict=True
    ):
        assert tokenizer.tokenize(text) == tokens, text
        assert tokenizer.encode(text) == ids, text
        if tokenizer.delimiter is None:  # it puts spaces between characters
            assert tokenizer.decode(ids) == decoded, text
            assert tokenizer.convert_tokens_to_string(tokens) == joined, text
        if "DOTMULTI" in text and tokenizer.delimiter is None:  # which sacremoses reads as dots
            continue
        encoding = tokenizer(text, return_offsets_mapping=True)
        assert encoding["input_ids"] == ids, text
        for token, (start, end) in zip(tokens, encoding["offset_mapping"], strict=True):
            assert 0 <= start <= end <= len(text), text
            assert token not in text or start < end, (token, text)


def test_ids_of_running_text_are_the_references(vocabulary):
    texts = [
        *running_lines("lm/wikitext-2-raw/wiki.test.raw")[:400],
        *running_lines("lm/wikitext-103/wiki.valid.tokens")[:100],
        *squad_texts(400),
    ]
    values, _ = asked(options={"vocab_file": vocabulary}, texts=texts)
    tokenizer = TransfoXLTokenizer(vocab_file=vocabulary)
    known = np.mean([index != tokenizer.unk_token_id for row in values["ids"] for index in row])
    assert known > 0.9
    check(tokenizer, values, texts)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lower_case": True},
        {"language": "de"},
        {"language": "fr", "lower_case": True},
        {"delimiter": ""},
        {"never_split": ["New York", "5,000", "x"]},
        {"special": ["<eos>"], "min_freq": 2, "max_size": 5},
    ],
)
def test_ids_of_awkward_texts_are_the_references(vocabulary, options):
    texts = [*MORE, "in New York, new york-x 5,000 15,0001", *MULTILINGUAL, *PRIVATE, *awkward_texts()]
    options = {"vocab_file": vocabulary, **options}
    values, _ = asked(options=options, texts=texts)
    tokenizer = TransfoXLTokenizer(**options)
    check(tokenizer, values, texts)
    for first, second, expected in zip(texts, texts[1:], values["pairs"], strict=False):
        assert tokenizer.encode(first, second) == expected
    if options.get("delimiter") is None:
        for text, eos, double in zip(texts, values["ends"], values["double"], strict=True):
            if not {"<", "Σ"} & {*text}:  # asked for without what comes before it: special tokens, lower case
                assert tokenizer.tokenize(text, add_eos=True) == eos
                assert tokenizer.tokenize(text, add_double_eos=True) == double
    assert [tokenize_numbers(text.split()) for text in texts] == values["numbers"]
    assert [detokenize_numbers(" ".join(row)) for row in values["tokens"]] == values["denumbers"]
