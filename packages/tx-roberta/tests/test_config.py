"""RobertaConfig: the published file, what stands for a field that a file lacks, and what makes no RoBERTa."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tx_bert import BertConfig
from tx_core import AutoConfig
from tx_roberta import ROBERTA_PRETRAINED_CONFIG_ARCHIVE_MAP, RobertaConfig

# config.json of roberta-base.
BASE: dict[str, Any] = {
    "architectures": ["RobertaForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 514,
    "model_type": "roberta",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "type_vocab_size": 1,
    "vocab_size": 50265,
}


def test_the_published_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(BASE))
    config = AutoConfig.from_pretrained(str(tmp_path))
    assert type(config) is RobertaConfig
    assert (config.longest_sequence, config.type_vocab_size, config.layer_norm_eps) == (512, 1, 1e-5)
    config.save_pretrained(tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert BASE.items() <= written.items()


def test_what_a_file_lacks_is_as_published(tmp_path: Path) -> None:
    config = RobertaConfig.from_dict({"model_type": "roberta"})
    assert (config.vocab_size, config.max_position_embeddings, config.type_vocab_size) == (50265, 512, 2)
    assert (config.pad_token_id, config.layer_norm_eps, config.longest_sequence) == (1, 1e-12, 510)


def test_it_is_no_berts() -> None:
    with pytest.raises(ValueError, match=r"model_type is 'roberta', but BertConfig .*RobertaConfig of tx_roberta"):
        BertConfig.from_dict(BASE)
    with pytest.raises(ValueError, match=r"model_type is 'bert', but RobertaConfig .*BertConfig of tx_bert"):
        RobertaConfig.from_dict({"model_type": "bert"})
    assert RobertaConfig() != BertConfig(50265, pad_token_id=1)


@pytest.mark.parametrize("wrong", [None, -1, "1"])
def test_positions_need_the_padding(wrong: Any) -> None:
    with pytest.raises(ValueError, match="pad_token_id is"):
        RobertaConfig(pad_token_id=wrong)


def test_published_names() -> None:
    assert ROBERTA_PRETRAINED_CONFIG_ARCHIVE_MAP["roberta-large-mnli"] == (
        "https://huggingface.co/roberta-large-mnli/resolve/main/config.json"
    )
