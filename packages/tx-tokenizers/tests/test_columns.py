"""Columns of other libraries as batches, in every call that takes one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tx_tokenizers.wordpiece import WordPieceTokenizer

TEXTS = ["the fox", "lazy dog", "fox"]


class Column(Sequence):
    """As a column of ``datasets``: places and a length, but no list."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def __getitem__(self, place):
        return self.values[place]


class Series(Column):
    """As a Series of pandas: labels of its own, a method ``keys``, and no text at a label that is a place."""

    def __getitem__(self, label):
        raise KeyError(label)

    def __iter__(self):
        return iter(self.values)

    def keys(self):
        return [f"row {number}" for number in range(len(self.values))]

    def to_list(self):
        return list(self.values)


class NAType:
    """As ``pandas.NA``: it is neither equal nor unequal to anything."""

    def __eq__(self, other):
        raise TypeError("boolean value of NA is ambiguous")

    __ne__ = __eq__
    __hash__ = object.__hash__


def objects(values):
    return np.array([*values, None], dtype=object)[:-1]


COLUMNS = {"array": np.array, "objects": objects, "column": Column, "series": Series, "tuple": tuple}


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


@pytest.mark.parametrize("make", COLUMNS.values(), ids=COLUMNS)
def test_columns_are_batches(tokenizer, make):
    rows = dict(tokenizer(TEXTS))
    assert dict(tokenizer(make(TEXTS))) == rows
    assert dict(tokenizer.batch_encode_plus(make(TEXTS))) == rows
    pairs = dict(tokenizer(TEXTS, TEXTS[::-1]))
    assert dict(tokenizer(make(TEXTS), make(TEXTS[::-1]))) == pairs
    assert dict(tokenizer(TEXTS, make(TEXTS[::-1]))) == pairs
    both = [*zip(TEXTS, TEXTS[::-1], strict=True)]
    assert dict(tokenizer(Column(both))) == dict(tokenizer(np.array(both))) == pairs
    assert dict(tokenizer.batch_encode_plus(Column(both))) == pairs


@pytest.mark.parametrize("make", [np.array, objects, Column, Series], ids=["array", "objects", "column", "series"])
def test_columns_of_words(tokenizer, make):
    words = [text.split() for text in TEXTS]
    rows = dict(tokenizer(words, is_split_into_words=True))
    assert dict(tokenizer([make(each) for each in words], is_split_into_words=True)) == rows
    if make is not np.array:
        assert dict(tokenizer(make(words), is_split_into_words=True)) == rows
    assert dict(tokenizer(make(words[0]), is_split_into_words=True)) == dict(
        tokenizer(words[0], is_split_into_words=True)
    )


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.float64("nan"), NAType()], ids=["None", "nan", "np.nan", "NA"]
)
@pytest.mark.parametrize("make", [list, objects, Column, Series], ids=["list", "objects", "column", "series"])
def test_a_missing_value_is_refused_with_its_row(tokenizer, make, missing):
    column = make(["the", missing, "fox"])
    for call in (tokenizer, tokenizer.batch_encode_plus):
        with pytest.raises(ValueError, match=r"row 1 of text has no text but .*: drop the row, or fill it in"):
            call(column)
    with pytest.raises(ValueError, match="row 1 of text has no text"):
        tokenizer(make([["the"], missing]), is_split_into_words=True)
    with pytest.raises(ValueError, match="row 1 of text has no text"):
        tokenizer(column, ["a", "b", "c"])
    with pytest.raises(ValueError, match="row 1 of text_pair has no text"):
        tokenizer(["a", "b", "c"], column)


def test_what_is_no_column_is_refused(tokenizer):
    for value in ({"text": ["the"]}, {"the"}, b"the", np.array(3), 3.5):
        with pytest.raises(ValueError, match="text must be a str or a list of them"):
            tokenizer(value)
    with pytest.raises(ValueError, match=r"a batch holds texts or pairs of texts, not 3 \(row 1\)"):
        tokenizer(np.array(["the", 3], dtype=object))
    with pytest.raises(ValueError, match="text must be a str or a list of them"):
        tokenizer.batch_encode_plus("the")
    assert dict(tokenizer(np.array("the"))) == dict(tokenizer("the"))
    assert dict(tokenizer.batch_encode_plus(text for text in TEXTS)) == dict(tokenizer(TEXTS))
