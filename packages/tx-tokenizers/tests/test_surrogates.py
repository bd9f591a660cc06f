"""Surrogates in texts: a pair is its character, one alone is U+FFFD, in every tokenizer and every call."""

from __future__ import annotations

import pytest

from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer, bytes_to_unicode
from tx_tokenizers.wordpiece import WordPieceTokenizer

CHARACTERS = ["<unk>", "[UNK]", "[CLS]", "[SEP]", *"ab😀\ufffd", *(f"##{one}" for one in "ab😀")]
ALL = {
    "wordpiece": lambda: WordPieceTokenizer(vocab={token: index for index, token in enumerate(CHARACTERS)}),
    "bpe": lambda: BPETokenizer(
        vocab={token: index for index, token in enumerate([*CHARACTERS, "b</w>", "😀</w>", "\ufffd</w>"])},
        merges=[],
        unk_token="<unk>",
    ),
    "byte-level bpe": lambda: ByteLevelBPETokenizer(
        vocab={token: index for index, token in enumerate(bytes_to_unicode().values())}, merges=[]
    ),
}
PAIR = "\ud83d\ude00"
LONE = ["\ud83d", "\ude00", "\udc80", "\ude00\ud83d"]


@pytest.fixture(params=ALL.values(), ids=ALL)
def tokenizer(request):
    return request.param()


def test_a_pair_is_its_character(tokenizer):
    whole, parted = "a😀b 😀 a", f"a{PAIR}b {PAIR} a"
    assert tokenizer.encode(parted, add_special_tokens=False) == tokenizer.encode(whole, add_special_tokens=False)
    assert tokenizer.tokenize(parted) == tokenizer.tokenize(whole)
    words = [tokenizer(text.split(), is_split_into_words=True)["input_ids"] for text in (whole, parted)]
    assert words[0] == words[1]


def test_the_places_of_a_pair_are_both_its_halves(tokenizer):
    text = f"a {PAIR}{PAIR} b"
    encoding = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    whole = tokenizer("a 😀😀 b", return_offsets_mapping=True, add_special_tokens=False)
    assert encoding["input_ids"] == whole["input_ids"]
    places = [0, 1, 2, 4, 6, 7, 8]
    assert encoding["offset_mapping"] == [(places[start], places[end]) for start, end in whole["offset_mapping"]]


@pytest.mark.parametrize("lone", LONE, ids=ascii)
def test_one_alone_is_the_replacement_character(tokenizer, lone):
    marks = "\ufffd" * len(lone)
    text, read = f"a{lone}b {lone}", f"a{marks}b {marks}"
    for options in ({}, {"return_offsets_mapping": True}):
        assert dict(tokenizer(text, **options)) == dict(tokenizer(read, **options))
    assert tokenizer.tokenize(text) == tokenizer.tokenize(read)


def test_a_pair_in_an_added_token(tokenizer):
    assert tokenizer.add_tokens([f"<{PAIR}>"]) == 1
    for text in ("a<😀>b", f"a<{PAIR}>b"):
        assert "<😀>" in tokenizer.tokenize(text)


def test_bytes_that_are_no_text_come_back_where_decoding_gives_them():
    tokenizer = ALL["byte-level bpe"]()
    assert tokenizer.decode(tokenizer.encode(f"a\udc80{PAIR}")) == "a\ufffd😀"
    tokenizer.errors = "surrogateescape"
    assert tokenizer.decode(tokenizer.encode(f"a\udc80{PAIR}")) == "a\udc80😀"
    tokenizer.errors = "surrogatepass"
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ud800b"
