"""Which tokens, words and characters belong together: what ``BatchEncoding`` answers beside its columns."""

from __future__ import annotations

import copy
import pickle

import pytest

from tx_tokenizers.alignment import CharSpan, TokenSpan, numbered_by_space
from tx_tokenizers.base import PreTrainedTokenizer
from tx_tokenizers.bpe import BPETokenizer
from tx_tokenizers.byte_bpe import ByteLevelBPETokenizer, bytes_to_unicode
from tx_tokenizers.encoding import BatchEncoding
from tx_tokenizers.special_tokens import AddedToken
from tx_tokenizers.wordpiece import WordPieceTokenizer

BYTES = {token: index for index, token in enumerate(bytes_to_unicode().values())}
PIECES = [*"abcfx!漢", *(f"{letter}</w>" for letter in "abcfx!漢"), "<unk>"]


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


def test_one_text(tokenizer):
    encoding = tokenizer("the unaffable  Fox!")
    assert encoding.is_fast
    assert tokenizer.is_fast
    assert encoding.n_sequences == 1
    assert encoding.tokens() == ["[CLS]", "the", "un", "##aff", "##able", "fox", "!", "[SEP]"]
    assert encoding.word_ids() == [None, 0, 1, 1, 1, 2, 3, None]
    assert encoding.sequence_ids() == [None, 0, 0, 0, 0, 0, 0, None]
    assert [encoding.char_to_token(place) for place in (0, 3, 4, 6, 13, 15, 18, 99)] == [
        1,
        None,
        2,
        3,
        None,
        5,
        6,
        None,
    ]
    assert [encoding.char_to_word(place) for place in (0, 3, 6, 18, 99)] == [0, None, 1, 3, None]
    assert encoding.token_to_chars(3) == CharSpan(6, 9)
    assert encoding.token_to_chars(3).start == 6
    assert [encoding.token_to_chars(place) for place in (0, 7, 8)] == [None, None, None]
    assert encoding.token_to_chars(-2) == (18, 19)
    assert [encoding.token_to_word(place) for place in (0, 2, 4, -2, 99)] == [None, 1, 1, 3, None]
    assert [encoding.token_to_sequence(place) for place in (0, 2, 99)] == [None, 0, None]
    assert encoding.word_to_tokens(1) == TokenSpan(2, 5)
    assert encoding.word_to_chars(1) == (4, 13)
    assert encoding.word_to_tokens(9) is encoding.word_to_chars(9) is None


def test_pairs_and_batches(tokenizer):
    encoding = tokenizer(["the fox", "dog"], ["unaffable", "low fox"], padding=True)
    assert encoding.n_sequences == 2
    assert encoding.word_ids(0) == [None, 0, 1, None, 0, 0, 0, None]
    assert encoding.sequence_ids(1) == [None, 0, None, 1, 1, None, None, None]
    assert encoding.char_to_token(0, 3, sequence_index=1) == 5
    assert encoding.char_to_token(1, 4) is None
    assert encoding.char_to_token(1, 4, sequence_index=1) == 4
    assert encoding.word_to_tokens(0, 0, sequence_index=1) == (4, 7)
    assert encoding.word_to_chars(1, 1, sequence_index=1) == (4, 7)
    assert encoding.token_to_sequence(1, 3) == 1
    assert encoding.token_to_word(0, 1) == encoding.char_to_word(0, 2) == 0


def test_rows_by_number(tokenizer):
    encoding = tokenizer(["the fox", "unaffable fox!"], padding="max_length", max_length=8, padding_side="left")
    row = encoding[0]
    assert (row.ids, row.tokens) == (encoding["input_ids"][0], encoding.tokens(0))
    assert row.attention_mask == encoding["attention_mask"][0]
    assert row.type_ids == encoding["token_type_ids"][0]
    assert row.special_tokens_mask == [1, 1, 1, 1, 1, 0, 0, 1]
    assert row.offsets == [(0, 0)] * 5 + [(0, 3), (4, 7), (0, 0)]
    assert row.word_ids == row.words == [None] * 5 + [0, 1, None]
    assert (row.overflowing, row.n_sequences, len(row)) == ([], 1, 8)
    assert row.char_to_token(5) == 6
    assert [each.ids for each in encoding[:]] == [each.ids for each in encoding.encodings] == encoding["input_ids"]
    assert encoding[-1] is encoding[1]
    with pytest.raises(IndexError):
        encoding[2]
    assert tokenizer("the")[0].ids == tokenizer("the")["input_ids"]
    assert tokenizer([]).encodings == []


def test_truncation(tokenizer):
    text = "the quick brown fox over"
    whole = tokenizer(text)
    cut = tokenizer(text, truncation=True, max_length=4)
    assert cut.word_ids() == [None, 0, 1, None]
    assert cut.char_to_token(10) is None
    assert [row.ids for row in cut[0].overflowing] == [
        [2, *whole["input_ids"][3:5], 3], [2, whole["input_ids"][5], 3],
    ]  # fmt: skip
    rows = tokenizer([text, "dog"], truncation=True, max_length=4, stride=1, return_overflowing_tokens=True)
    assert [rows.word_ids(number) for number in range(5)] == [
        *([None, first, first + 1, None] for first in range(4)), [None, 0, None],
    ]  # fmt: skip
    assert rows[0].overflowing == rows[1:4]
    assert rows.char_to_token(2, 10) == 1
    pair = tokenizer("the quick fox", text, truncation="only_second", max_length=8)
    assert [len(row.overflowing) for row in pair.encodings] == [2]
    assert tokenizer("the quick fox", text, truncation=True, max_length=6)[0].overflowing == []


@pytest.mark.parametrize("calls", ["__call__", "encode_plus", "batch_encode_plus"])
def test_every_call(tokenizer, calls):
    given = ["the foxs"] if calls == "batch_encode_plus" else "the foxs"
    encoding = getattr(tokenizer, calls)(given, return_tensors="np")
    assert encoding.word_ids() == [None, 0, 1, 1, None]
    assert encoding.token_to_chars(3) == (7, 8)


def test_given_words(tokenizer):
    encoding = tokenizer([["the", "unaffable!"], ["fox"]], is_split_into_words=True)
    assert encoding.word_ids() == [None, 0, 1, 1, 1, 1, None]
    assert encoding.word_to_tokens(1) == (2, 6)
    assert encoding.word_to_chars(1) == (0, 10)  # of the word
    assert encoding[1].tokens == ["[CLS]", "fox", "[SEP]"]


def test_tokens_and_ids_have_no_words(tokenizer):
    for given in (["the", "fox"], [5, 8]):
        encoding = tokenizer.encode_plus(given)
        assert encoding.tokens() == ["[CLS]", "the", "fox", "[SEP]"]
        assert encoding.sequence_ids() == [None, 0, 0, None]
        assert encoding.word_ids() == [None] * 4
        assert encoding.char_to_token(0) is None


def test_words_of_byte_level_bpe():
    tokenizer = ByteLevelBPETokenizer(vocab=BYTES, merges=[])
    tokenizer.add_tokens(["<x>"])
    encoding = tokenizer("ab é<x>c's")
    assert encoding.word_ids() == [0, 0, 1, 1, 1, 2, 3, 4, 4]
    assert encoding.word_to_chars(1) == (2, 4)
    assert encoding.token_to_chars(4) == (3, 4)
    spaced = ByteLevelBPETokenizer(vocab=BYTES, merges=[], add_prefix_space=True)("ab c")
    assert spaced.word_ids() == [0, 0, 0, 1, 1]
    assert spaced.char_to_token(0) == 0


@pytest.mark.parametrize("trims", [False, True])
def test_white_space_that_an_added_token_claims_is_trimmed_with_other_space(trims, monkeypatch):
    monkeypatch.setattr(ByteLevelBPETokenizer, "trim_offsets", trims)
    tokenizer = ByteLevelBPETokenizer(vocab=BYTES, merges=[])
    tokenizer.add_tokens([AddedToken("<x>", lstrip=True, rstrip=True)])
    spans = tokenizer("a \t<x>  b", return_offsets_mapping=True)["offset_mapping"]
    assert spans == [(0, 1), (3, 6) if trims else (1, 8), (8, 9)]


def test_words_of_bpe():
    tokenizer = BPETokenizer(vocab={token: index for index, token in enumerate(PIECES)}, merges=[], unk_token="<unk>")
    assert tokenizer("ab  c fx").word_ids() == [0, 0, 1, 2, 2]


class Spaces(PreTrainedTokenizer):
    """A tokenizer that is no ``WordsTokenizer``: its tokens are characters."""

    vocab_size = 128

    def _token_to_id(self, token):
        return ord(token)

    def _id_to_token(self, index):
        return chr(index)

    def get_vocab(self):
        return {chr(index): index for index in range(128)}

    def _tokenize(self, text):
        return [one for one in text if one != " "]

    def _encode_with_offsets(self, text):
        places = [place for place, one in enumerate(text) if one != " "]
        return [ord(text[place]) for place in places], [(place, place + 1) for place in places]


def test_white_space_divides_words_where_the_tokenizer_tells_none():
    assert Spaces()("ab c  de").word_ids() == [0, 0, 1, 2, 2]
    assert numbered_by_space(" ab cd", [(0, 2), (2, 3), (3, 5), (5, 6)]) == [0, 0, 1, 1]


def test_a_tokenizer_that_has_changed_is_noticed(tokenizer):
    encoding = tokenizer("the foxs")
    known = tokenizer("the foxs")
    assert known.word_ids() == [None, 0, 1, 1, None]
    tokenizer.add_tokens(["foxs"])
    tokenizer.padding_side = tokenizer.truncation_side = "left"
    with pytest.raises(ValueError, match="the tokenizer or the text has changed: encode the text again"):
        encoding.word_ids()
    assert known.word_ids() == [None, 0, 1, 1, None]
    padded = tokenizer("the", padding="max_length", max_length=5)
    tokenizer.padding_side = "right"
    assert padded.word_ids() == [None, None, None, 0, None]


def test_copies_and_pickles(tokenizer):
    encoding = tokenizer("the foxs")
    assert encoding.copy().word_ids() == [None, 0, 1, 1, None]
    lost = copy.copy(encoding)  # as a pickle
    assert not lost.is_fast
    assert lost == encoding
    assert lost.n_sequences is None
    with pytest.raises(ValueError, match="a pickle has them if they were asked for before"):
        lost.word_ids()
    with pytest.raises(KeyError, match="no rows that a number stands for"):
        lost[0]
    assert encoding.word_ids() == [None, 0, 1, 1, None]
    assert pickle.loads(pickle.dumps(encoding)).word_ids() == [None, 0, 1, 1, None]  # noqa: S301 - what was just made
    assert not BatchEncoding({"input_ids": [1]}).is_fast


def test_the_columns_stay_as_they_were(tokenizer):
    encoding = tokenizer("the foxs", return_tensors="np")
    before = {name: column.tolist() for name, column in encoding.items()}
    assert encoding.tokens()[1] == "the"
    assert {name: column.tolist() for name, column in encoding.items()} == before
    assert list(encoding) == ["input_ids", "token_type_ids", "attention_mask"]
    assert "tokens" not in encoding
