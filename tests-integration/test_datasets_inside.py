"""Tokenizers inside ``datasets``: several processes, the cache, PyTorch's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tx_testing import glue
from tx_testing.data import data_path

datasets = pytest.importorskip("datasets", reason="datasets is not installed")


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Sentence pairs of MRPC on the disk, as a cache needs them."""
    first, second, label = zip(*glue.mrpc(24), strict=True)
    rows = datasets.Dataset.from_dict({"first": [*first], "second": [*second], "label": [*label]})
    rows.save_to_disk(tmp_path / "table")
    return datasets.load_from_disk(tmp_path / "table")


def test_two_processes_give_what_one_call_a_row_gives(table: Any) -> None:
    from tx_bert import BertTokenizer
    from tx_gpt2 import GPT2Tokenizer

    for cls, vocabulary in ((BertTokenizer, "bert-base-uncased"), (GPT2Tokenizer, "gpt2")):
        tokenizer = cls.from_pretrained(data_path(f"vocab/{vocabulary}"))

        def encode(batch: Any, tokenizer: Any = tokenizer) -> Any:
            return tokenizer(batch["first"], batch["second"], truncation=True, max_length=48)

        encoded = table.map(encode, batched=True, batch_size=5, num_proc=2, remove_columns=["first", "second"])
        names = set(tokenizer.model_input_names)
        assert set(encoded.column_names) == names | {"label"}
        for row, pair in zip(encoded, table, strict=True):
            alone = tokenizer(pair["first"], pair["second"], truncation=True, max_length=48)
            assert {name: row[name] for name in names} == dict(alone)
            assert row["label"] == pair["label"]


def test_what_was_encoded_comes_out_of_the_cache(table: Any) -> None:
    """The hash of a tokenizer is that of its settings, whatever it has encoded before."""
    from tx_bert import BertTokenizer

    found = []
    for max_length in (32, 32, 16):
        tokenizer = BertTokenizer.from_pretrained(data_path("vocab/bert-base-uncased"), max_len=max_length)

        def encode(row: Any, tokenizer: Any = tokenizer) -> Any:
            return tokenizer(row["first"], truncation=True)

        encoded = table.map(encode)
        tokenizer("Words that it did not know before.")
        again = table.map(encode)
        assert again._fingerprint == encoded._fingerprint
        found.append((encoded._fingerprint, [file["filename"] for file in encoded.cache_files]))
        assert max(map(len, encoded["input_ids"])) <= max_length
    assert found[0] == found[1] != found[2]


def test_torch_format(table: Any) -> None:
    """Rows of tensors, padded by the tokenizer in a loader, are what the tokenizer pads by itself."""
    import torch

    from tx_bert import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(data_path("vocab/bert-base-uncased"))
    encoded = table.map(lambda row: tokenizer(row["first"], row["second"]), remove_columns=["first", "second"])
    encoded = encoded.rename_column("label", "labels").with_format("torch")
    loader = torch.utils.data.DataLoader(
        encoded, batch_size=8, collate_fn=lambda rows: tokenizer.pad(rows, return_tensors="pt")
    )
    for start, batch in zip(range(0, 24, 8), loader, strict=True):
        part = table[start : start + 8]
        wanted = tokenizer(part["first"], part["second"], padding=True, return_tensors="pt")
        assert batch["labels"].tolist() == part["label"]
        for name, tensor in wanted.items():
            assert torch.equal(batch[name], tensor)
