"""SentencePiece: rules of normalisation, words that are cut one by one, and rules that are not to be trusted."""

from __future__ import annotations

import random
import struct
import time

import pytest

from tx_testing import clock, spiece
from tx_testing.spiece import UNKNOWN, USER_DEFINED, charsmap
from tx_tokenizers.sentencepiece import SentencePiece, SentencePieceTokenizer

UNK = ("<unk>", 0.0, UNKNOWN)
LETTERS = [(letter, -5.0, 1) for letter in "abcdehlorw"]
PIECES = [
    *[("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("\u2581", -2.0, 1), *LETTERS],
    *[("hello", -6.0, 1), ("\u2581hello", -5.5, 1), ("\u2581world", -6.5, 1), ("wor", -5.5, 1), ("ld", -6.0, 1)],
]
RULES = charsmap({"H": "h", "\u00e9": "e", "\u200b": "", "\u3000": " ", "a\u0301": "ab"})


def content(pieces=PIECES, *kind, **settings):
    return spiece.model(pieces, *kind, **settings)


def model(*arguments, **settings):
    return SentencePiece.of_bytes(content(*arguments, **settings), "x/spiece.model")


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(content(charsmap=RULES))
    return SentencePieceTokenizer(path, unk_token="<unk>")


def test_pieces(tokenizer):
    assert tokenizer.tokenize("hello world") == ["\u2581hello", "\u2581world"]
    assert tokenizer.tokenize("  Hello\u3000\u200bw\u00e9  ") == ["\u2581hello", "\u2581", "w", "e"]
    assert tokenizer.encode("worldly hello") == [15, 9, 0, 14]
    assert tokenizer.tokenize("aZZb") == ["\u2581", "a", "ZZ", "b"]
    assert tokenizer.encode("aZZb") == [2, 3, 0, 4]
    assert tokenizer.encode("") == tokenizer.encode(" \u3000") == []
    assert tokenizer.tokenize("a\u2581b \u2581") == ["\u2581", "a", "\u2581", "b"]
    assert tokenizer.vocab_size == len(PIECES) == len(tokenizer)
    assert tokenizer.get_vocab()["\u2581hello"] == 14


@pytest.mark.parametrize(
    "text, expected",
    [
        ("hello  world", ["hello", "world"]),
        (" H\u00e9llo", ["H\u00e9llo"]),
        ("a\u0301c", ["", "a\u0301", "a\u0301", "c"]),
        ("a\u3000hello", ["", "a", "hello"]),
        ("aZZ b", ["", "a", "ZZ", "", "b"]),
    ],
)
def test_offsets(tokenizer, text, expected):
    encoding = tokenizer(text, return_offsets_mapping=True)
    assert encoding["input_ids"] == tokenizer.encode(text)
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == expected


def test_words_that_depend_on_one_another_are_cut_together():
    inner = [*PIECES, ("a\u2581b", -0.5, 1)]
    assert model(inner).tokenize("a b") == ["\u2581", "a\u2581b"]
    assert not model(inner).divides
    assert not model([entry for entry in PIECES if entry[0] != "\u2581"]).divides
    assert not model(add_dummy_prefix=False).divides
    assert not model(remove_extra_whitespaces=False).divides
    assert not model([*PIECES, ("a b", 0.0, USER_DEFINED)]).divides
    assert not model(charsmap=charsmap({" a": "b"})).divides
    crossing = model(charsmap=charsmap({"a b": "c"}))
    assert crossing.divides
    assert crossing.tokenize("a") == ["\u2581", "a"]
    assert not crossing.divides


def test_a_rule_over_two_words_counts_from_the_first_text_on(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(content(charsmap=charsmap({"a b": "c"})))
    for call in ("tokenize", "encode", "offsets"):
        tokenizer = SentencePieceTokenizer(path, unk_token="<unk>")
        if call == "tokenize":
            assert tokenizer.tokenize("w a b") == ["\u2581", "w", "\u2581", "c"]
        elif call == "encode":
            assert tokenizer.encode("w a b") == [2, 12, 2, 5]
        else:
            assert tokenizer("w a b", return_offsets_mapping=True)["offset_mapping"][-1] == (2, 5)


def test_words_are_cut_as_in_the_whole_text(tokenizer):
    """Sums of scores are rounded, so that what stands before a word may decide between ways that are nearly equal."""
    pieces = [("<unk>", 0.0, 2), ("\u2581", -2.1, 1), ("o", -7.1, 1), ("oo", -9.3, 1), ("b", -5.3, 1), ("ob", -6.7, 1)]
    tokenizer.sp_model = model(pieces)
    tokenizer._set_vocabulary(tokenizer.sp_model.ids)
    tokenizer._forget()
    rng = random.Random(0)
    settled = 0
    for _ in range(200):
        text = " ".join("".join(rng.choice("ooob") for _ in range(rng.randint(1, 8))) for _ in range(200))
        whole = tokenizer.sp_model.tokenize(text)
        assert tokenizer.tokenize(text) == whole
        assert tokenizer.encode(text) == [tokenizer.sp_model.ids[token] for token in whole]
        assert tokenizer(text, return_offsets_mapping=True)["input_ids"] == tokenizer.encode(text)
        settled += whole != [token for word in text.split() for token in tokenizer._word_tokens(word)]
    assert settled > 20  # so that rounding was tested


def test_a_special_token_in_text_of_strangers(tmp_path):
    path = tmp_path / "spiece.model"
    path.write_bytes(content([*PIECES, ("<eop>", 0.0, USER_DEFINED)]))
    tokenizer = SentencePieceTokenizer(path, unk_token="<unk>", additional_special_tokens=["<eop>"])
    assert tokenizer.tokenize("a<eop>") == ["\u2581", "a", "<eop>"]
    assert tokenizer.tokenize("a<eop>", split_special_tokens=True) == ["\u2581", "a", "<unk>"]
    assert "<eop>" not in tokenizer.convert_ids_to_tokens(
        tokenizer("a<eop>", split_special_tokens=True, return_offsets_mapping=True)["input_ids"]
    )


def damaged(change):
    rules = bytearray(RULES)
    change(rules)
    return model(charsmap=bytes(rules))


def test_rules_that_lead_astray_are_named():
    size = int.from_bytes(RULES[:4], "little")

    def out_of_the_array(rules):  # whatever is read leads far away
        for at in range(4 + 4 * 256, 4 + size, 4):
            (unit,) = struct.unpack_from("<I", rules, at)
            if unit:
                struct.pack_into("<I", rules, at, unit & 0x1FF | 0x7FFFFC00)

    def no_replacement(rules):
        rules[4 + size :] = b"abc"

    def no_text(rules):
        rules[4 + size :] = b"\xff\xff" * 20 + b"\0"

    for change, message in (
        (out_of_the_array, "leads out of the array|no replacement at"),
        (no_replacement, "no replacement at"),
        (no_text, "a replacement is not UTF-8"),
    ):
        with pytest.raises(ValueError, match=f"x/spiece.model: damaged normalisation rules: .*({message})"):
            damaged(change).tokenize("H\u00e9 \u200b a\u0301")


def test_rules_that_go_in_circles_end():
    units = [0] * 256
    units[0] = 0
    for byte in range(1, 256):
        units[byte] = byte | byte << 10  # the children of every node are at 0
    blob = struct.pack("<I256I", 1024, *units)
    start = time.process_time()
    sp_model = model(charsmap=blob + b"a\0")
    assert sp_model.tokenize("ab" * 50)[:2] == ["\u2581", "a"]
    with pytest.raises(ValueError, match="damaged normalisation rules: one goes on for more than 256 characters"):
        sp_model.tokenize("ab" * 50_000)
    assert time.process_time() - start < clock.allowed(5)
