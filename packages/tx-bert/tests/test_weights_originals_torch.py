"""Google's own checkpoint, with the optimizer's slots that it carries, in PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tx_bert import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertModel,
    load_tf_weights_in_bert,
)
from tx_bert.weights import WEIGHTS
from tx_core.checkpoints import open_checkpoint, write_tf1
from tx_core.weights import WeightsError, originals
from tx_testing.data import data_path
from tx_testing.originals import write_googles_bert


@pytest.fixture
def folder() -> Path:
    return data_path("checkpoints/bert-tf1")


@pytest.fixture
def config(folder: Path) -> BertConfig:
    return BertConfig.from_json_file(str(folder / "bert_config.json"))


@pytest.mark.parametrize("file", ["bert_model.ckpt.index", "bert_model.ckpt"])
def test_every_name_is_used_or_known_and_dropped(folder: Path, config: BertConfig, file: str) -> None:
    model, report = BertForPreTraining.from_pretrained(
        str(folder / file), from_tf=True, config=config, output_loading_info=True
    )
    assert not any(report.values())
    assert not report.newly_initialized
    with open_checkpoint(folder / "bert_model.ckpt.index") as checkpoint:
        names = set(checkpoint.names())
    slots = {name for name in names if name.endswith(("/adam_m", "/adam_v"))} | {"global_step"}
    assert set(report.dropped) == slots
    assert {WEIGHTS.to_original(name)[0] for name in report.loaded} == names - slots  # type: ignore[index]
    assert set(report.loaded) == {name for name, _ in model.named_parameters()}


def test_values_and_layouts(folder: Path, config: BertConfig) -> None:
    model = BertForPreTraining.from_pretrained(str(folder / "bert_model.ckpt.index"), from_tf=True, config=config)
    state = model.state_dict()
    with open_checkpoint(folder / "bert_model.ckpt.index") as checkpoint:
        for published, original, transposed in (
            ("bert.embeddings.word_embeddings.weight", "bert/embeddings/word_embeddings", False),
            ("bert.embeddings.LayerNorm.weight", "bert/embeddings/LayerNorm/gamma", False),
            ("bert.encoder.layer.1.attention.self.key.weight", "bert/encoder/layer_1/attention/self/key/kernel", True),
            ("bert.encoder.layer.0.intermediate.dense.weight", "bert/encoder/layer_0/intermediate/dense/kernel", True),
            ("cls.predictions.bias", "cls/predictions/output_bias", False),
            ("cls.seq_relationship.weight", "cls/seq_relationship/output_weights", False),
        ):
            array = checkpoint.read(original)
            np.testing.assert_array_equal(state[published].numpy(), array.T if transposed else array, err_msg=published)


def test_function_of_2019(folder: Path, config: BertConfig) -> None:
    model = BertForPreTraining(config)
    assert load_tf_weights_in_bert(model, config, str(folder / "bert_model.ckpt")) is model
    wanted = BertForPreTraining.from_pretrained(str(folder / "bert_model.ckpt.index"), from_tf=True, config=config)
    for one, two in zip(model.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(one, two)


def test_other_classes(folder: Path, config: BertConfig) -> None:
    path = str(folder / "bert_model.ckpt.index")
    whole = BertForPreTraining.from_pretrained(path, from_tf=True, config=config).eval()
    ids = torch.tensor([[1, 5, 7, 9, 2]])
    with torch.no_grad():
        wanted = whole(ids)
        for cls, new in ((BertModel, []), (BertForMaskedLM, []), (BertForSequenceClassification, ["classifier"])):
            model, report = cls.from_pretrained(path, from_tf=True, config=config, output_loading_info=True)
            assert sorted({name.partition(".")[0] for name in report.newly_initialized}) == new
            assert not report["unexpected_keys"]
            if cls is BertForMaskedLM:
                assert torch.equal(model(ids).logits, wanted.prediction_logits)


def test_wrong_configuration_is_refused(folder: Path, config: BertConfig) -> None:
    config.intermediate_size = 8
    with pytest.raises(WeightsError, match=r"\(16, 4\).*\(8, 4\)"):
        BertForPreTraining.from_pretrained(str(folder / "bert_model.ckpt.index"), from_tf=True, config=config)


def test_checkpoints_of_the_original_scripts(tmp_path: Path) -> None:
    """What run_squad.py of Google's repository would have saved, written from a model and loaded again."""
    torch.manual_seed(0)
    config = BertConfig(30, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    model = BertForQuestionAnswering(config).eval()
    readers = {name: (lambda p=p: p.detach().numpy()) for name, p in model.named_parameters()}
    arrays = {name: read() for name, read in originals(readers, WEIGHTS).items()}
    assert "cls/squad/output_weights" in arrays
    write_tf1(tmp_path / "model.ckpt", {**arrays, "global_step": np.array(7, np.int64)})
    config.save_pretrained(str(tmp_path))
    again, report = BertForQuestionAnswering.from_pretrained(str(tmp_path), from_tf=True, output_loading_info=True)
    assert not any(report.values())
    for one, two in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, two)


def test_googles_folder_as_it_is_downloaded() -> None:
    for cls in (BertModel, BertForPreTraining):
        _, report = cls.from_pretrained(str(data_path("checkpoints/bert-tf1")), output_loading_info=True)
        assert not any(report.values())
        assert not report.newly_initialized


@pytest.mark.parametrize("slots", [("BERTAdam", "BERTAdam_1"), ("lamb_m", "lamb_v"), ("vr", "vc"), ("Momentum",)])
def test_slots_of_other_optimizers(slots: tuple[str, ...], tmp_path: Path) -> None:
    state = write_googles_bert(tmp_path, slots)
    _, report = BertForPreTraining.from_pretrained(str(tmp_path), output_loading_info=True)
    assert set(report.dropped) == state
    write_googles_bert(tmp_path, slots, "bert/other/dense/kernel/Adam")
    with pytest.raises(WeightsError, match="bert/other/dense/kernel/Adam"):
        BertForPreTraining.from_pretrained(str(tmp_path))
