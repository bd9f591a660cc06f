from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tx_tokenizers.encoding import BatchEncoding
from tx_tokenizers.wordpiece import WordPieceTokenizer


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


def test_one_text_is_a_batch_of_one(tokenizer):
    encoding = tokenizer.encode_plus("the fox", return_tensors="tf")
    assert encoding["input_ids"].numpy().tolist() == [[2, 5, 8, 3]]
    assert encoding["input_ids"].dtype == tf.int32
    assert tokenizer.encode("the", return_tensors="tf").shape == (1, 3)


def test_batches(tokenizer):
    batch = tokenizer(["the", "the fox"], padding=True, return_tensors="tf")
    assert all(tensor.shape == (2, 4) for tensor in batch.values())
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == ["the", "the fox"]
    again = tokenizer.pad({"input_ids": batch["input_ids"]}, return_tensors="tf", padding="max_length", max_length=6)
    assert again["attention_mask"].shape == (2, 6)
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(["the", "the fox"], return_tensors="tf")


@pytest.mark.parametrize(
    "value, dtype",
    [
        (2.75, tf.float32),
        (True, tf.bool),
        (3, tf.int32),
        (1 << 40, tf.int64),
        ("x", tf.string),
        ([1.5, 2], tf.float32),
        (np.float64(2.75), tf.float64),
        (np.float32(2.75), tf.float32),
        (np.int64(3), tf.int32),
        (np.array([0.5, 2], "float16"), tf.float16),
        (tf.constant(2.75), tf.float32),
        (tf.constant([1, 2], tf.int64), tf.int32),
    ],
    ids=repr,
)
def test_columns_keep_their_types(tokenizer, value, dtype):
    rows = [{"input_ids": [2, 5, 3], "score": value}, {"input_ids": [2, 3], "score": value}]
    expected = tf.constant(value) if isinstance(value, str) else tf.cast(value, dtype)
    for given in (rows, {"input_ids": [[2, 5, 3], [2, 3]], "score": [value, value]}):
        batch = tokenizer.pad(given, return_tensors="tf")
        assert batch["score"].dtype == dtype
        assert tf.reduce_all(batch["score"] == tf.stack([expected, expected]))
        assert batch["input_ids"].numpy().tolist() == [[2, 5, 3], [2, 3, 0]]
    assert tokenizer.pad(rows[0], return_tensors="tf")["score"].shape == (1, *expected.shape)
    assert BatchEncoding({"score": [value, value]}).convert_to_tensors("tf")["score"].dtype == dtype


def test_rows_of_tensors_are_padded(tokenizer):
    rows = [{"input_ids": tf.constant([2, 5, 3])}, {"input_ids": tf.constant([2, 3])}]
    assert tokenizer.pad(rows, return_tensors="tf")["input_ids"].numpy().tolist() == [[2, 5, 3], [2, 3, 0]]
    with pytest.raises(ValueError, match="score: the values make no tensor"):
        tokenizer.pad([{"input_ids": [5], "score": None}], return_tensors="tf")
    assert tokenizer([], return_tensors="tf")["input_ids"].dtype == tf.int32
