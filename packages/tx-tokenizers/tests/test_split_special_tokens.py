"""Special tokens that stand in a text as text, in every tokenizer and every call."""

from __future__ import annotations

import pytest

from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer, bytes_to_unicode
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.wordpiece import WordPieceTokenizer

SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
LETTERS = "[]<>abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PIECES = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *(f"{letter}</w>" for letter in LETTERS)]
VOCAB = {token: index for index, token in enumerate(PIECES)}
ALL = {
    "wordpiece": lambda **options: WordPieceTokenizer(vocab=VOCAB, do_lower_case=False, **options),
    "lower-case": lambda **options: WordPieceTokenizer(vocab=VOCAB, **options),
    "bpe": lambda **options: BPETokenizer(vocab=VOCAB, merges=[], unk_token="[UNK]", sep_token="[SEP]", **options),
    "byte-level bpe": lambda **options: ByteLevelBPETokenizer(
        vocab={token: index for index, token in enumerate([*bytes_to_unicode().values(), "[SEP]"])},
        merges=[],
        sep_token="[SEP]",
        **options,
    ),
}
TEXT = "a [SEP] b<x>[SEP] <y> c"


@pytest.fixture(params=ALL.values(), ids=ALL)
def make(request):
    def made(**options):
        tokenizer = request.param(**options)
        tokenizer.add_tokens(["<x>", AddedToken("<z>", special=True)])
        tokenizer.add_special_tokens({"additional_special_tokens": ["<y>"]})
        return tokenizer

    return made


def check(tokenizer, **option):
    special = {tokenizer.sep_token_id, *tokenizer.convert_tokens_to_ids(["<y>", "<z>"])}
    ids = tokenizer.encode(TEXT, add_special_tokens=False, **option)
    assert special.isdisjoint(ids)
    assert tokenizer.convert_tokens_to_ids("<x>") in ids
    tokens = tokenizer.tokenize(TEXT, **option)
    assert tokenizer.convert_tokens_to_ids(tokens) == ids
    for calls in (tokenizer, tokenizer.encode_plus):
        assert calls(TEXT, add_special_tokens=False, **option)["input_ids"] == ids
    placed = tokenizer(TEXT, add_special_tokens=False, return_offsets_mapping=True, **option)
    assert placed["input_ids"] == ids
    assert all(start < end for start, end in placed["offset_mapping"])
    batch = tokenizer([TEXT, "[SEP]"], add_special_tokens=False, **option)["input_ids"]
    assert batch[0] == ids
    assert special.isdisjoint(batch[1])
    assert tokenizer.batch_encode_plus([TEXT], add_special_tokens=False, **option)["input_ids"] == [ids]
    words = tokenizer(["a", "[SEP]", "<z>"], is_split_into_words=True, add_special_tokens=False, **option)["input_ids"]
    assert special.isdisjoint(words)


def test_a_call_reads_them_as_text(make):
    tokenizer = make()
    check(tokenizer, split_special_tokens=True)
    for option in ({}, {"split_special_tokens": False}):
        assert tokenizer.sep_token_id in tokenizer.encode(TEXT, add_special_tokens=False, **option)
        assert "[SEP]" in tokenizer.tokenize(TEXT, **option)


def test_a_tokenizer_reads_them_as_text(make, tmp_path):
    tokenizer = make(split_special_tokens=True)
    check(tokenizer)
    assert tokenizer.sep_token_id in tokenizer.encode(TEXT, add_special_tokens=False, split_special_tokens=False)
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again.split_special_tokens is True
    check(again)
    plain = type(tokenizer).from_pretrained(tmp_path, split_special_tokens=False)
    assert "[SEP]" in plain.tokenize(TEXT)


def test_special_tokens_are_put_around_text_that_spells_them(make):
    tokenizer = make()
    inside = tokenizer.encode(TEXT, add_special_tokens=False, split_special_tokens=True)
    whole = tokenizer.encode(TEXT, split_special_tokens=True)
    assert whole == tokenizer.build_inputs_with_special_tokens(inside)


def test_a_change_of_special_tokens_is_followed(make):
    tokenizer = make()
    assert "<x>" in tokenizer.tokenize(TEXT, split_special_tokens=True)
    tokenizer.add_special_tokens({"bos_token": "<x>"})
    assert "<x>" not in tokenizer.tokenize(TEXT, split_special_tokens=True)


def test_without_basic_tokenization_the_vocabulary_gives_none_either():
    tokenizer = WordPieceTokenizer(vocab=VOCAB, do_basic_tokenize=False, do_lower_case=False)
    for text in ("a [SEP] b", "[SEP]", "[CLS]a"):
        ids = tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert not {1, 2, 3, 4} & {*ids}
        assert tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text, split_special_tokens=True)) == ids
    assert tokenizer.encode("a [SEP]", add_special_tokens=False) == [VOCAB["a"], 2]
