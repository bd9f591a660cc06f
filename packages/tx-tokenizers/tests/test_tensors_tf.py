from __future__ import annotations

import pytest
import tensorflow as tf

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
