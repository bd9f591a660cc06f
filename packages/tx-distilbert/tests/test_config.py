"""DistilBertConfig: the published files, and what makes no DistilBERT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tx_core import AutoConfig
from tx_distilbert import DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP, DistilBertConfig

# config.json of distilbert-base-uncased as it is today, and a classifier's of 2019.
PUBLISHED = {
    "activation": "gelu",
    "architectures": ["DistilBertForMaskedLM"],
    "attention_dropout": 0.1,
    "dim": 768,
    "dropout": 0.1,
    "hidden_dim": 3072,
    "initializer_range": 0.02,
    "max_position_embeddings": 512,
    "model_type": "distilbert",
    "n_heads": 12,
    "n_layers": 6,
    "pad_token_id": 0,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "sinusoidal_pos_embds": False,
    "tie_weights_": True,
    "transformers_version": "4.10.0.dev0",
    "vocab_size": 30522,
}
OF_2019 = {
    "dim": 32,
    "finetuning_task": "sst-2",
    "hidden_dim": 64,
    "n_heads": 4,
    "n_layers": 2,
    "num_labels": 3,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_past": True,
    "pruned_heads": {"0": [1], "-1": [0, 2]},
    "sinusoidal_pos_embds": True,
    "tie_weights_": True,
    "torchscript": False,
    "use_bfloat16": False,
}


def test_defaults_are_the_published_model() -> None:
    config = DistilBertConfig()
    assert {name: getattr(config, name) for name in PUBLISHED if hasattr(config, name)}.items() <= PUBLISHED.items()
    assert (config.hidden_size, config.num_attention_heads, config.num_hidden_layers) == (768, 12, 6)
    assert DistilBertConfig(100).vocab_size == 100


def test_a_keyword_of_2019_that_no_model_reads() -> None:
    assert DistilBertConfig(tie_weights_=True).to_dict()["tie_weights_"] is True


def test_other_names() -> None:
    config = DistilBertConfig(hidden_size=24, num_hidden_layers=3, num_attention_heads=2, hidden_act="relu")
    assert (config.dim, config.n_layers, config.n_heads, config.activation) == (24, 3, 2, "relu")
    config.hidden_size = 48
    assert json.loads(config.to_json_string())["dim"] == 48


@pytest.mark.parametrize("values", [PUBLISHED, OF_2019])
def test_published_files_come_back_unchanged(values: dict[str, Any], tmp_path: Path) -> None:
    config = DistilBertConfig.from_dict(values)
    assert values.items() <= json.loads(config.to_json_string()).items()
    config.save_pretrained(tmp_path)
    assert DistilBertConfig.from_pretrained(tmp_path) == AutoConfig.from_pretrained(tmp_path) == config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"dim": 0}, "dim is 0, expected 1 to"),
        ({"n_layers": 0}, "n_layers is 0, expected 1 to"),
        ({"activation": "geluu"}, "activation is 'geluu', expected one of 'gelu', 'relu'"),
        ({"seq_classif_dropout": 2}, "seq_classif_dropout is 2, expected a probability from 0 to 1"),
        ({"sinusoidal_pos_embds": 1}, "sinusoidal_pos_embds is 1, expected bool"),
        ({"is_decoder": True}, "is_decoder is True, but DistilBERT is an encoder only"),
    ],
)
def test_what_makes_no_distilbert_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DistilBertConfig(**values)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"dim": 100}, "dim is 100, which is not divisible by n_heads, 12"),
        ({"pad_token_id": 30522}, "pad_token_id is 30522, but vocab_size is 30522"),
        ({"dim": 15, "n_heads": 3, "sinusoidal_pos_embds": True}, "sinusoidal_pos_embds needs an even dim"),
        ({"pruned_heads": {"6": [0]}}, "pruned_heads names layer 6, but num_hidden_layers is 6"),
    ],
)
def test_what_does_not_fit_together(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        DistilBertConfig(**values).validate_relations()
    assert str(caught.value).startswith(message)


def test_the_published_names() -> None:
    names = [*DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP]
    assert names[:2] == ["distilbert-base-uncased", "distilbert-base-uncased-distilled-squad"]
    assert DistilBertConfig.pretrained_config_archive_map == DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP
