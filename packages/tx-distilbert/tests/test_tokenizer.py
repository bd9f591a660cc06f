"""DistilBertTokenizer: BERT's WordPiece under other names, and without segments."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from tx_distilbert import DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP, DistilBertTokenizer
from tx_testing.data import data_path

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##want", "##ed", "low", "wa"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> DistilBertTokenizer:
    path = tmp_path / "vocab.txt"
    path.write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")
    return DistilBertTokenizer(path)


def test_calls_return_no_segments(tokenizer: DistilBertTokenizer) -> None:
    encoding = tokenizer("UNwanted", "low")
    assert encoding == {"input_ids": [2, 5, 6, 7, 3, 8, 3], "attention_mask": [1] * 7}
    asked_for = tokenizer("UNwanted", "low", return_token_type_ids=True)
    assert asked_for["token_type_ids"] == [0, 0, 0, 0, 0, 1, 1]
    assert "token_type_ids" in tokenizer.encode_plus("low", return_token_type_ids=True)


def test_saved_and_loaded(tokenizer: DistilBertTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "saved")
    again = DistilBertTokenizer.from_pretrained(tmp_path / "saved")
    assert again("low wa") == tokenizer("low wa")
    assert type(pickle.loads(pickle.dumps(again))) is DistilBertTokenizer  # noqa: S301 - made here


def test_a_tokenizer_config_that_says_bert_s_inputs(tokenizer: DistilBertTokenizer, tmp_path: Path) -> None:
    """A folder can ask for other inputs, as it can everywhere."""
    tokenizer.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    values = json.loads(path.read_text()) | {"model_input_names": ["input_ids", "token_type_ids"]}
    path.write_text(json.dumps(values))
    assert [*DistilBertTokenizer.from_pretrained(tmp_path)("low")] == ["input_ids", "token_type_ids"]


def test_published_names() -> None:
    names = [*DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP]
    assert names == list(DistilBertTokenizer.max_model_input_sizes)
    assert names == list(DistilBertTokenizer.pretrained_vocab_files_map["vocab_file"])
    for name, settings in DistilBertTokenizer.pretrained_init_configuration.items():
        assert settings == {"do_lower_case": "uncased" in name}
    assert set(DistilBertTokenizer.max_model_input_sizes.values()) == {512}


def test_the_published_vocabularies() -> None:
    tokenizer = DistilBertTokenizer.from_pretrained(data_path("vocab/bert-base-uncased"))
    assert tokenizer("sequence builders")["input_ids"] == [101, 5537, 16472, 102]
    cased = DistilBertTokenizer.from_pretrained(data_path("vocab/bert-base-cased"), do_lower_case=False)
    assert cased.tokenize("Jim Henson was a puppeteer") == ["Jim", "He", "##nson", "was", "a", "puppet", "##eer"]
