"""Pieces of small models, with each setting and with rules of their own, against SentencePiece's program."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from tx_testing import reference
from tx_testing.spiece import BPE, UNIGRAM, charsmap, model
from tx_tokenizers.sentencepiece import SentencePiece

SCRIPT = r"""
import json
import numpy as np
import sentencepiece

def main(arguments, inputs, folder):
    model = sentencepiece.SentencePieceProcessor()
    model.LoadFromSerializedProto(inputs["model"].tobytes())
    found = [model.encode(text, out_type=str) for text in arguments["texts"]]
    return {"json": np.frombuffer(json.dumps(found).encode(), dtype=np.uint8)}
"""

LETTERS = [(letter, -4.0 - number / 4, 1) for number, letter in enumerate("abcdo,")]
PIECES = [
    *[("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("\u2581", -2.0, 1), *LETTERS, ("ab", -5.0, 1), ("abc", -6.5, 1)],
    *[("oo", -8.0, 1), ("\u2581a", -4.5, 1), ("bc", -7.0, 5), ("cd", -7.5, 5), ("bcd", -8.0, 1), ("ooo", -12.5, 1)],
]
SYMBOLS = [("[x]", -3.0, 4), ("ba", 0.0, 4), ("d ", 0.0, 4)]
BYTES = [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
RULES = charsmap(
    {"A": "a", "\u00e9": "e", "x": "", "\t": " ", "de": "ab", "def": "o", "b\u0301": "c", "\u00b4": " \u0301"}
)
NO_SPACE = [entry for entry in PIECES if "\u2581" not in entry[0]]
# name -> (pieces, type, settings)
MODELS = {
    "unigram": (PIECES, UNIGRAM, {}),
    "bpe": (PIECES, BPE, {}),
    "symbols": (PIECES + SYMBOLS, UNIGRAM, {}),
    "bpe_symbols": (PIECES + SYMBOLS, BPE, {}),
    "bytes": (PIECES + BYTES, UNIGRAM, {"byte_fallback": True}),
    "bpe_bytes": (PIECES + BYTES, BPE, {"byte_fallback": True}),
    "rules": (PIECES, UNIGRAM, {"charsmap": RULES}),
    "rules_cross": (PIECES, UNIGRAM, {"charsmap": charsmap({"a b": "c", " d": "o", "c": " \u2581 "})}),
    "no_prefix": (PIECES, UNIGRAM, {"add_dummy_prefix": False}),
    "all_spaces": (PIECES, UNIGRAM, {"remove_extra_whitespaces": False, "charsmap": RULES}),
    "plain_spaces": (PIECES, UNIGRAM, {"escape_whitespaces": False}),
    "suffix": (PIECES, UNIGRAM, {"treat_whitespace_as_suffix": True}),
    "no_space": (NO_SPACE, UNIGRAM, {}),
    "inner_space": ([*PIECES, ("a\u2581b", -1.0, 1), ("\u2581\u2581", -1.0, 1)], UNIGRAM, {}),
}


def made(alphabet: str, count: int) -> list[str]:
    rng = random.Random(alphabet)
    return ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 60))) for _ in range(count)]


@pytest.mark.parametrize("name", MODELS)
def test_pieces_are_the_programs(name):
    pieces, kind, settings = MODELS[name]
    content = model(pieces, kind, **settings)
    texts = ["", " ", "\t x", *made("aabbccdo  ,", 600), *made("ab\u0301\u6f22\U0001f600 ", 200)]
    texts += made("abdoAx\u00e9\t\u00b4e f[]x \u2581", 600)
    result = reference.run(SCRIPT, {"texts": texts}, {"model": np.frombuffer(content, dtype=np.uint8)})
    ours = SentencePiece.of_bytes(content, "model")
    for text, wanted in zip(texts, json.loads(result.arrays["json"].tobytes()), strict=True):
        assert ours.tokenize(text) == wanted, text
