from __future__ import annotations

import numpy as np
import pytest

from tx_tokenizers.encoding import BatchEncoding
from tx_tokenizers.wordpiece import WordPieceTokenizer


@pytest.fixture
def tokenizer(vocab):
    return WordPieceTokenizer(vocab=vocab)


VALUES = [
    (2.75, "float64"),
    (True, "bool"),
    (3, "int64"),
    ("x", "<U1"),
    ([1.5, 2], "float64"),
    (np.float32(2.75), "float32"),
    (np.int32(3), "int64"),
    (np.array([0.5, 2], "float16"), "float16"),
]


@pytest.mark.parametrize("value, dtype", VALUES, ids=repr)
def test_columns_keep_their_types(tokenizer, value, dtype):
    rows = [{"input_ids": [2, 5, 3], "score": value}, {"input_ids": [2, 3], "score": value}]
    batch = tokenizer.pad(rows, return_tensors="np")
    assert batch["score"].dtype == dtype
    assert (batch["score"] == np.stack([value, value])).all()
    assert batch["input_ids"].tolist() == [[2, 5, 3], [2, 3, 0]]
    assert BatchEncoding({"score": [value, value]}).convert_to_tensors("np")["score"].dtype == dtype


@pytest.mark.parametrize("value", [value for value, _ in VALUES], ids=repr)
def test_columns_keep_their_values_where_no_tensor_is_asked_for(tokenizer, value):
    rows = [{"input_ids": [2, 5, 3], "score": value}, {"input_ids": [2, 3], "score": value}]
    plain = value.tolist() if hasattr(value, "tolist") else value
    found = tokenizer.pad(rows)["score"]
    assert found == [plain, plain]
    assert type(found[0]) is type(plain)


def test_rows_have_the_same_columns(tokenizer):
    with pytest.raises(ValueError, match="row 1 to pad has input_ids, but row 0 has input_ids, score"):
        tokenizer.pad([{"input_ids": [5], "score": 1.5}, {"input_ids": [5]}])
    with pytest.raises(ValueError, match="row 1 to pad has input_ids, score, but row 0 has input_ids"):
        tokenizer.pad([{"input_ids": [5]}, {"input_ids": [5], "score": 1.5}])
    with pytest.raises(ValueError, match=r"ids are whole numbers, not 1\.5"):
        tokenizer.pad([{"input_ids": [1.5]}])


def test_values_of_several_kinds_make_no_array():
    for column in (["a", 2], [1, None], [[1], [None]]):
        with pytest.raises(ValueError, match="x: the values make no tensor of return_tensors='np'"):
            BatchEncoding({"x": column}).convert_to_tensors("np")
    assert BatchEncoding({"x": [1, 2.75]}).convert_to_tensors("np")["x"].tolist() == [1, 2.75]
