"""The Auto classes with BERT in TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tx_bert
import tx_core
from tx_bert import BertConfig, TFBertForMaskedLM
from tx_bert.architecture import ARCHITECTURE
from tx_core import (
    AutoConfig,
    TFAutoModel,
    TFAutoModelForCausalLM,
    TFAutoModelForMaskedLM,
    TFAutoModelForMultipleChoice,
    TFAutoModelForNextSentencePrediction,
    TFAutoModelForPreTraining,
    TFAutoModelForQuestionAnswering,
    TFAutoModelForSequenceClassification,
    TFAutoModelForTokenClassification,
    TFAutoModelWithLMHead,
    architecture,
)

CONFIG = BertConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=20,
)
IDS = np.array([[2, 7, 9, 3], [2, 8, 3, 0]])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    TFBertForMaskedLM(CONFIG).save_pretrained(folder)
    return folder


def test_every_export_and_class_of_the_record_exists() -> None:
    for dotted in ARCHITECTURE.tf.values():
        assert architecture.load(dotted) is getattr(tx_bert, dotted.partition(":")[2])
    for name in ARCHITECTURE.exports()["model_tf"]:
        assert getattr(tx_bert, name) is not None
    assert tx_core.TFPreTrainedModel is not None


@pytest.mark.parametrize(
    "auto, wanted",
    [
        (TFAutoModel, "TFBertModel"),
        (TFAutoModelWithLMHead, "TFBertForMaskedLM"),
        (TFAutoModelForMaskedLM, "TFBertForMaskedLM"),
        (TFAutoModelForMultipleChoice, "TFBertForMultipleChoice"),
        (TFAutoModelForNextSentencePrediction, "TFBertForNextSentencePrediction"),
        (TFAutoModelForSequenceClassification, "TFBertForSequenceClassification"),
        (TFAutoModelForTokenClassification, "TFBertForTokenClassification"),
        (TFAutoModelForQuestionAnswering, "TFBertForQuestionAnswering"),
    ],
)
def test_models_load(auto: Any, wanted: str, saved: Path) -> None:
    model, report = auto.from_pretrained(saved, output_loading_info=True)
    assert type(model) is getattr(tx_bert, wanted)
    assert report.unexpected_keys == []


def test_from_config() -> None:
    model = TFAutoModelForPreTraining.from_config(CONFIG)
    assert type(model) is tx_bert.TFBertForPreTraining


def test_a_decoder_reads_from_left_to_right(saved: Path) -> None:
    with pytest.raises(ValueError, match="BertForMaskedLM as a decoder: say is_decoder=True and add_cross_attention=F"):
        TFAutoModelForCausalLM.from_pretrained(saved)
    keywords: dict[str, Any] = {"is_decoder": True, "add_cross_attention": False}
    model, report = TFAutoModelForCausalLM.from_pretrained(saved, output_loading_info=True, **keywords)
    assert type(model) is TFBertForMaskedLM
    assert report.missing_keys == report.newly_initialized == []
    np.testing.assert_allclose(model(IDS)[0][0, :2], model(IDS[:, :2])[0][0], rtol=1e-5, atol=1e-6)
    assert model(IDS, lm_labels=IDS)[0].ndim == 0
    config = AutoConfig.from_pretrained(saved, **keywords)
    assert type(TFAutoModelForCausalLM.from_config(config)) is TFBertForMaskedLM


def test_keywords_reach_configuration_and_model(saved: Path) -> None:
    model: Any = TFAutoModel.from_pretrained(saved, output_hidden_states=True, revision="main")
    assert len(model(IDS).hidden_states) == 3
    model = TFAutoModelForSequenceClassification.from_pretrained(saved, num_labels=5)
    assert tuple(model(IDS).logits.shape) == (2, 5)
    config = AutoConfig.from_pretrained(saved, output_attentions=True)
    assert len(TFAutoModel.from_pretrained(saved, config=config)(IDS).attentions) == 2
    with pytest.raises(TypeError, match="'outputt_attentions'; did you mean 'output_attentions'"):
        TFAutoModel.from_pretrained(saved, outputt_attentions=True)
    assert TFAutoModel.from_pretrained(saved, torch_dtype="float16").dtype_policy.name == "float16"
