from __future__ import annotations

import numpy as np
import pytest
import torch

from tx_tokenizers.encoding import BatchEncoding
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


@pytest.mark.parametrize(
    "value, dtype",
    [
        (2.75, torch.float32),
        (True, torch.bool),
        (3, torch.int64),
        ([1.5, 2], torch.float32),
        ([[1.5], [2.5]], torch.float32),
        (np.float64(2.75), torch.float64),
        (np.float32(2.75), torch.float32),
        (np.int32(3), torch.int64),
        (np.bool_(True), torch.bool),
        (np.array([0.5, 2], "float16"), torch.float16),
        (torch.tensor(2.75), torch.float32),
        (torch.tensor([1, 2], dtype=torch.int32), torch.int64),
        (torch.tensor([0.5, 2], dtype=torch.bfloat16), torch.bfloat16),
    ],
    ids=repr,
)
def test_columns_keep_their_types(tokenizer, value, dtype):
    rows = [{"input_ids": [2, 5, 3], "score": value}, {"input_ids": [2, 3], "score": value}]
    expected = torch.as_tensor(value).to(dtype)
    for given in (rows, {"input_ids": [[2, 5, 3], [2, 3]], "score": [value, value]}):
        batch = tokenizer.pad(given, return_tensors="pt")
        assert batch["score"].dtype == dtype
        assert torch.equal(batch["score"], torch.stack([expected, expected]))
        assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
    one = tokenizer.pad(rows[0], return_tensors="pt")
    assert torch.equal(one["score"], expected[None])
    assert torch.equal(BatchEncoding({"score": [value, value]}).convert_to_tensors("pt")["score"], batch["score"])


def test_rows_of_arrays_and_tensors_are_padded(tokenizer):
    for make in (torch.tensor, np.array, lambda row: [np.int64(index) for index in row], tuple):
        rows = [{"input_ids": make([2, 5, 3]), "attention_mask": make([1, 1, 1])}]
        rows.append({"input_ids": make([2, 3]), "attention_mask": make([1, 1])})
        batch = tokenizer.pad(rows, return_tensors="pt")
        assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
        assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
        assert tokenizer.pad(rows)["input_ids"] == [[2, 5, 3], [2, 3, 0]]
        assert tokenizer.pad(rows[0])["input_ids"] == [2, 5, 3]


def test_what_makes_no_tensor_is_named(tokenizer):
    for value, message in (("x", "score: .*PyTorch has no texts"), (None, "score: the values make no tensor")):
        with pytest.raises(ValueError, match=message):
            tokenizer.pad([{"input_ids": [5], "score": value}], return_tensors="pt")
    rows = [{"input_ids": [5], "labels": [1]}, {"input_ids": [5], "labels": [1, 2]}]
    with pytest.raises(ValueError, match=r"labels: rows of 1 to 2 .*only input_ids, .* are padded"):
        tokenizer.pad(rows, return_tensors="pt")
    assert tokenizer([], return_tensors="pt")["input_ids"].dtype == torch.int64


def test_an_encoding_moves_between_devices(tokenizer):
    encoding = tokenizer("the", return_tensors="pt").to("meta")
    assert all(tensor.device.type == "meta" for tensor in encoding.values())


def test_a_model_takes_the_encoding_as_keywords(tokenizer):
    def model(input_ids, attention_mask=None, token_type_ids=None):
        return input_ids + token_type_ids * attention_mask

    assert model(**tokenizer.encode_plus("the", "fox", return_tensors="pt")).shape == (1, 5)
    assert model(**tokenizer("the", "fox", return_tensors="pt")).shape == (1, 5)
