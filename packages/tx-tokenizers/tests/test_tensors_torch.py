from __future__ import annotations

import pytest
import torch

from tx_tokenizers.wordpiece import WordPieceTokenizer


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


def test_one_text_is_a_batch_of_one(tokenizer):
    encoding = tokenizer.encode_plus("the fox", return_tensors="pt", return_offsets_mapping=True)
    assert encoding["input_ids"].tolist() == [[2, 5, 8, 3]]
    assert encoding["input_ids"].dtype == torch.long
    assert encoding["offset_mapping"].shape == (1, 4, 2)
    assert encoding["special_tokens_mask"] == [1, 0, 0, 1]
    assert tokenizer.encode("the", return_tensors="pt").tolist() == [[2, 5, 3]]


def test_batches(tokenizer):
    batch = tokenizer(["the", "the fox"], padding=True, return_tensors="pt")
    assert {name: tensor.shape for name, tensor in batch.items()} == dict.fromkeys(batch, (2, 4))
    assert tokenizer.batch_decode(batch["input_ids"], skip_special_tokens=True) == ["the", "the fox"]
    assert tokenizer.decode(batch["input_ids"][1]) == "[CLS] the fox [SEP]"
    assert tokenizer.decode(list(batch["input_ids"][1])) == "[CLS] the fox [SEP]"
    assert tokenizer.decode(batch["input_ids"][1, 1]) == "the"
    with pytest.raises(ValueError, match="batch_decode"):
        tokenizer.decode(batch["input_ids"])
    again = tokenizer.pad({"input_ids": batch["input_ids"]}, return_tensors="pt", padding="max_length", max_length=6)
    assert again["input_ids"].shape == again["attention_mask"].shape == (2, 6)
    with pytest.raises(ValueError, match="padding=True"):
        tokenizer(["the", "the fox"], return_tensors="pt")


def test_an_encoding_moves_between_devices(tokenizer):
    encoding = tokenizer("the", return_tensors="pt").to("meta")
    assert all(tensor.device.type == "meta" for tensor in encoding.values())


def test_a_model_takes_the_encoding_as_keywords(tokenizer):
    def model(input_ids, attention_mask=None, token_type_ids=None):
        return input_ids + token_type_ids * attention_mask

    assert model(**tokenizer.encode_plus("the", "fox", return_tensors="pt")).shape == (1, 5)
    assert model(**tokenizer("the", "fox", return_tensors="pt")).shape == (1, 5)
