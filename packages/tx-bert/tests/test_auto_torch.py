"""The Auto classes with BERT in PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import tx_bert
import tx_core
from tx_bert import BertConfig, BertForMaskedLM
from tx_bert.architecture import ARCHITECTURE
from tx_core import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoModelWithLMHead,
    AutoTokenizer,
    architecture,
)
from tx_testing import data

CONFIG = BertConfig(
    vocab_size=40,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=20,
)
IDS = torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved")
    BertForMaskedLM(CONFIG).save_pretrained(folder)
    (folder / "vocab.txt").write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(97, 123))])
    )
    return folder


def test_the_record_names_every_class() -> None:
    assert architecture.find("bert") == ARCHITECTURE
    assert architecture.load(ARCHITECTURE.config) is BertConfig
    assert architecture.load(ARCHITECTURE.tokenizer) is tx_bert.BertTokenizer
    assert architecture.load(ARCHITECTURE.weights) is not None
    for dotted in ARCHITECTURE.torch.values():
        assert architecture.load(dotted) is getattr(tx_bert, dotted.partition(":")[2])


def test_every_export_exists() -> None:
    exports = ARCHITECTURE.exports()
    for name in (*exports["model_torch"], *exports["tokenizer"], *ARCHITECTURE.archive_maps()):
        assert getattr(tx_bert, name) is not None
    for module in ("config", "files", "lazy", "weights", "auto", "models.pretrained_torch", "models.pruning_torch"):
        for name in tx_core.EXPORTS[module]:
            assert getattr(tx_core, name) is not None


@pytest.mark.parametrize(
    "auto, wanted",
    [
        (AutoModel, "BertModel"),
        (AutoModelWithLMHead, "BertForMaskedLM"),
        (AutoModelForMaskedLM, "BertForMaskedLM"),
        (AutoModelForMultipleChoice, "BertForMultipleChoice"),
        (AutoModelForNextSentencePrediction, "BertForNextSentencePrediction"),
        (AutoModelForSequenceClassification, "BertForSequenceClassification"),
        (AutoModelForTokenClassification, "BertForTokenClassification"),
        (AutoModelForQuestionAnswering, "BertForQuestionAnswering"),
    ],
)
def test_models_load(auto: Any, wanted: str, saved: Path) -> None:
    model, report = auto.from_pretrained(saved, output_loading_info=True)
    assert type(model) is getattr(tx_bert, wanted)
    assert type(auto.from_config(CONFIG)) is type(model)
    assert not model.training
    assert report.unexpected_keys == []
    reference = BertForMaskedLM.from_pretrained(saved)
    state = reference.bert.state_dict()
    for name, value in model.base_model.state_dict().items():
        if name in state:
            assert torch.equal(value, state[name])


def test_pretraining() -> None:
    assert type(AutoModelForPreTraining.from_config(CONFIG)) is tx_bert.BertForPreTraining


def test_a_decoder_reads_from_left_to_right(saved: Path) -> None:
    with pytest.raises(ValueError, match="BertForMaskedLM as a decoder: say is_decoder=True and add_cross_attention=F"):
        AutoModelForCausalLM.from_pretrained(saved)
    keywords: dict[str, Any] = {"is_decoder": True, "add_cross_attention": False}
    model, report = AutoModelForCausalLM.from_pretrained(saved, output_loading_info=True, **keywords)
    assert type(model) is BertForMaskedLM
    assert report.missing_keys == report.newly_initialized == []
    with torch.no_grad():
        torch.testing.assert_close(model(IDS)[0][0, :2], model(IDS[:, :2])[0][0])
        assert model(IDS, lm_labels=IDS)[0].ndim == 0
    config = AutoConfig.from_pretrained(saved, **keywords)
    assert type(AutoModelForCausalLM.from_config(config)) is BertForMaskedLM


def test_keywords_reach_configuration_and_model(saved: Path) -> None:
    model = AutoModel.from_pretrained(saved, output_hidden_states=True, dtype=torch.bfloat16, revision="main")
    assert model.dtype == torch.bfloat16
    assert len(model(IDS).hidden_states) == 3
    model = AutoModelForSequenceClassification.from_pretrained(saved, num_labels=5)
    assert model(IDS).logits.shape == (2, 5)
    config = AutoConfig.from_pretrained(saved, output_attentions=True)
    assert len(AutoModel.from_pretrained(saved, config=config)(IDS).attentions) == 2
    with pytest.raises(TypeError, match="'outputt_attentions'; did you mean 'output_attentions'"):
        AutoModel.from_pretrained(saved, outputt_attentions=True)


def test_dtype_of_the_file_does_not_take_the_keyword(saved: Path, tmp_path: Path) -> None:
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "dtype": "float32", "torch_dtype": "float32"}))
    assert AutoModel.from_pretrained(tmp_path, dtype="bfloat16").dtype == torch.bfloat16
    model = AutoModel.from_pretrained(tmp_path, torch_dtype=torch.float16)
    assert model.dtype == torch.float16
    model.save_pretrained(tmp_path)
    assert AutoModel.from_pretrained(tmp_path, dtype=torch.float16, torch_dtype="float16").dtype == torch.float16
    with pytest.raises(ValueError, match=r"dtype is torch\.float16 and torch_dtype, its other name, is 'bfloat16'"):
        AutoModel.from_pretrained(tmp_path, dtype=torch.float16, torch_dtype=torch.bfloat16)


def test_the_name_tells_where_the_file_does_not(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my-bert"
    folder.mkdir()
    for path in saved.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    values = json.loads((folder / "config.json").read_text())
    del values["model_type"]
    (folder / "config.json").write_text(json.dumps(values))
    assert torch.equal(AutoModel.from_pretrained(folder)(IDS)[0], AutoModel.from_pretrained(saved)(IDS)[0])
    assert AutoConfig.from_pretrained(folder) == AutoConfig.from_pretrained(saved)


def test_tokenizer(saved: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(saved, do_lower_case=True)
    assert type(tokenizer) is tx_bert.BertTokenizer
    assert tokenizer.encode("A b", add_special_tokens=True) == [2, 5, 6, 3]


def test_the_authors_checkpoint_in_its_folder() -> None:
    folder = data.data_path("checkpoints/bert-tf1")
    ids = torch.tensor([[1, 2, 3]])
    model = AutoModel.from_pretrained(folder / "bert_model.ckpt", config=folder)
    assert type(model) is tx_bert.BertModel
    assert model.config == AutoConfig.from_pretrained(folder)
    assert torch.isfinite(model(ids)[0]).all()
    index = str(folder / "bert_model.ckpt.index")
    again = AutoModel.from_pretrained(index, from_tf=True, config=model.config)
    assert torch.equal(again(ids)[0], model(ids)[0])
