"""BertConfig: the published files, and what makes no BERT."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tx_bert import BERT_PRETRAINED_CONFIG_ARCHIVE_MAP, BertConfig
from tx_core import AutoConfig
from tx_testing import data

# config.json of bert-base-multilingual-cased, of a classifier saved by transformers 4.57, and a file of 2019.
MULTILINGUAL = {
    "architectures": ["BertForMaskedLM"],
    "attention_probs_dropout_prob": 0.1,
    "directionality": "bidi",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
    "type_vocab_size": 2,
    "vocab_size": 119547,
}
CLASSIFIER = {
    "architectures": ["BertForSequenceClassification"],
    "classifier_dropout": None,
    "dtype": "float32",
    "gradient_checkpointing": False,
    "hidden_size": 32,
    "id2label": {"0": "negative", "1": "neutral", "2": "positive"},
    "intermediate_size": 64,
    "label2id": {"negative": 0, "neutral": 1, "positive": 2},
    "model_type": "bert",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "position_embedding_type": "absolute",
    "problem_type": "single_label_classification",
    "transformers_version": "4.57.6",
    "use_cache": True,
}
OF_2019 = {
    "finetuning_task": "mrpc",
    "hidden_size": 32,
    "num_attention_heads": 4,
    "num_labels": 2,
    "output_attentions": False,
    "output_hidden_states": False,
    "output_past": True,
    "pruned_heads": {"0": [1], "-1": [0, 2]},
    "torchscript": False,
    "use_bfloat16": False,
}


def test_defaults_are_those_of_bert_base() -> None:
    config = BertConfig()
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (30522, 768, 12)
    assert (config.num_attention_heads, config.intermediate_size, config.max_position_embeddings) == (12, 3072, 512)
    assert (config.hidden_act, config.layer_norm_eps, config.initializer_range) == ("gelu", 1e-12, 0.02)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.type_vocab_size) == (0.1, 0.1, 2)
    assert (config.num_labels, config.pad_token_id, config.is_decoder) == (2, 0, False)
    assert BertConfig(100).vocab_size == 100
    assert config.to_dict()["model_type"] == "bert"


@pytest.mark.parametrize("values", [MULTILINGUAL, CLASSIFIER, OF_2019])
def test_published_files_come_back_unchanged(values: dict[str, Any], tmp_path: Path) -> None:
    config = BertConfig.from_dict(values)
    written = json.loads(config.to_json_string())
    assert values.items() <= written.items()
    config.save_pretrained(tmp_path)
    assert BertConfig.from_pretrained(tmp_path) == config
    assert copy.deepcopy(config) == config
    assert AutoConfig.from_pretrained(tmp_path) == config


def test_keys_are_integers_again() -> None:
    assert BertConfig.from_dict(OF_2019).pruned_heads == {0: [1], -1: [0, 2]}
    config = BertConfig.from_dict(CLASSIFIER)
    assert config.id2label == {0: "negative", 1: "neutral", 2: "positive"}
    assert config.num_labels == 3


def test_googles_own_file() -> None:
    path = data.data_path("checkpoints/bert-tf1")
    config = BertConfig.from_pretrained(path)
    assert config == BertConfig.from_json_file(path / "bert_config.json") == BertConfig(str(path / "bert_config.json"))
    assert (config.vocab_size, config.hidden_size, config.num_hidden_layers) == (15, 4, 2)
    assert config.layer_norm_eps == 1e-12
    assert AutoConfig.from_pretrained(path) == config


@pytest.mark.parametrize(
    "values, message",
    [
        ({"hidden_size": -768}, "hidden_size is -768, expected 1 to"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0, expected 1 to"),
        ({"type_vocab_size": 0}, "type_vocab_size is 0, expected 1 to"),
        ({"max_position_embeddings": 0}, "max_position_embeddings is 0, expected 1 to"),
        ({"intermediate_size": 1.5}, "intermediate_size is 1.5, expected int"),
        ({"hidden_act": "geluu"}, "hidden_act is 'geluu', expected one of 'gelu', 'relu'"),
        ({"hidden_dropout_prob": 2}, "hidden_dropout_prob is 2, expected a probability from 0 to 1"),
        ({"classifier_dropout": -1.0}, "classifier_dropout is -1.0, expected a probability from 0 to 1"),
        ({"initializer_range": -0.02}, "initializer_range is -0.02, expected 0 or more"),
        ({"layer_norm_eps": -1e-12}, "layer_norm_eps is -1e-12, expected 0 or more"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'; only 'absolute'"),
        ({"pad_token_id": -1}, "pad_token_id is -1, expected 0 or more"),
    ],
)
def test_what_makes_no_bert_is_refused(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as caught:
        BertConfig(**values)
    assert str(caught.value).startswith(message)
    (tmp_path / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError) as caught:
        BertConfig.from_pretrained(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'config.json'}: {message}")


@pytest.mark.parametrize(
    "values, message",
    [
        ({"hidden_size": 100}, "hidden_size is 100, which is not divisible by num_attention_heads, 12"),
        ({"pad_token_id": 30522}, "pad_token_id is 30522, but vocab_size is 30522"),
        ({"add_cross_attention": True}, "add_cross_attention is True but is_decoder is False"),
        ({"pruned_heads": {"12": [0]}}, "pruned_heads names layer 12, but num_hidden_layers is 12"),
    ],
)
def test_what_makes_no_bert_is_a_configuration(values: dict[str, Any], message: str) -> None:
    config = BertConfig.from_dict(json.loads(BertConfig(**values).to_json_string()))
    with pytest.raises(ValueError) as caught:
        config.validate_relations()
    assert str(caught.value).startswith(message)


def test_a_file_of_another_architecture_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"model_type is 'gpt2', but BertConfig is the configuration of 'bert': .*gpt2"
    ):
        BertConfig.from_dict({"model_type": "gpt2", "n_embd": 768})
    with pytest.raises(ValueError, match=r"model_type is 'albert', .*: no package of tx reads it"):
        BertConfig.from_dict({"model_type": "albert"})


@pytest.mark.parametrize(
    "is_decoder, add_cross_attention, wanted",
    [(False, None, False), (True, None, True), (True, False, False), (True, True, True), (False, False, False)],
)
def test_cross_attention(is_decoder: bool, add_cross_attention: bool | None, wanted: bool) -> None:
    config = BertConfig(is_decoder=is_decoder, add_cross_attention=add_cross_attention)
    assert config.has_cross_attention is wanted
    written = config.to_dict()["add_cross_attention"]
    assert written is (wanted if is_decoder else add_cross_attention)  # an encoder may become a decoder yet
    assert BertConfig.from_dict(config.to_dict()).has_cross_attention is wanted


def test_the_published_names() -> None:
    names = [*BERT_PRETRAINED_CONFIG_ARCHIVE_MAP]
    assert names[:3] == ["bert-base-uncased", "bert-large-uncased", "bert-base-cased"]
    assert BertConfig.pretrained_config_archive_map == BERT_PRETRAINED_CONFIG_ARCHIVE_MAP
    for name, url in BERT_PRETRAINED_CONFIG_ARCHIVE_MAP.items():
        assert url == f"https://huggingface.co/{name}/resolve/main/config.json"
