"""The module paths of 2019 that hold PyTorch's models."""

from __future__ import annotations

import importlib

import pytest

import tx_all


@pytest.mark.parametrize(
    ("path", "public", "others"),
    [
        ("modeling_bert", ("BertModel", "BERT_PRETRAINED_MODEL_ARCHIVE_MAP"), ("BertEncoder", "BertEmbeddings")),
        ("modeling_utils", ("PreTrainedModel", "Conv1D", "prune_layer"), ("SequenceSummary",)),
        ("modeling_transfo_xl_utilities", ("AdaptiveEmbedding",), ("ProjectedAdaptiveLogSoftmax",)),
        ("optimization", ("AdamW", "WarmupLinearSchedule", "get_linear_schedule_with_warmup"), ()),
    ],
)
def test_models(path: str, public: tuple[str, ...], others: tuple[str, ...]) -> None:
    module = importlib.import_module(f"tx_all.{path}")
    for name in public:
        assert getattr(module, name) is getattr(tx_all, name)
    assert all(isinstance(getattr(module, name), type) for name in others)
