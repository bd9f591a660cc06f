"""Checkpoints of the authors' form: pretrained and fine-tuned ones, written from models and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core.checkpoints import write_tf1
from tx_core.weights import WeightsError, originals
from tx_xlnet import (
    XLNetConfig,
    XLNetForMultipleChoice,
    XLNetForQuestionAnswering,
    XLNetForSequenceClassification,
    XLNetLMHeadModel,
    XLNetModel,
    load_tf_weights_in_xlnet,
)
from tx_xlnet.weights import WEIGHTS

Arrays = dict[str, np.ndarray[Any, Any]]
UNTIED = pytest.mark.parametrize("untie_r", [True, False])
MASK = "model/transformer/mask_emb/mask_emb"
TASK, SUMMARY = "model/classification_task/logit", "model/sequnece_summary/summary"


def config(untie_r: bool = True, **others: Any) -> XLNetConfig:
    sizes = {"d_model": 8, "n_layer": 3, "n_head": 2, "d_head": 3, "d_inner": 12}
    return XLNetConfig(20, **sizes, untie_r=untie_r, ff_activation="gelu_new", **others)


def build(cls: Any, **fields: Any) -> Any:
    torch.manual_seed(0)
    model = cls(config(**fields)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def arrays_of(model: Any) -> Arrays:
    """The model's parameters as the authors' code would have saved them."""
    readers = {WEIGHTS.published(name) or "": (lambda p=p: p.detach().numpy()) for name, p in model.named_parameters()}
    return {name: read() for name, read in originals(readers, WEIGHTS).items()}


def write(folder: Path, arrays: Arrays, configuration: XLNetConfig) -> str:
    """A folder as the authors' releases are, with what their optimizer notes."""
    slots = {f"{name}/{slot}": array for name, array in arrays.items() for slot in ("Adam", "Adam_1")}
    write_tf1(folder / "xlnet_model.ckpt", {**arrays, **slots, "global_step": np.array(7, np.int64)})
    configuration.save_pretrained(folder)
    return str(folder)


def assert_same(model: Any, wanted: Any) -> None:
    state = model.state_dict()
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(state[name], tensor), name


@UNTIED
def test_pretrained(untie_r: bool, tmp_path: Path) -> None:
    model = build(XLNetLMHeadModel, untie_r=untie_r)
    arrays = arrays_of(model)
    stack = (3, 2, 3) if untie_r else (2, 3)
    assert arrays["model/transformer/r_w_bias"].shape == stack
    assert arrays["model/transformer/seg_embed"].shape == (3, 2, 2, 3), "each layer has its own"
    assert arrays["model/transformer/layer_2/ff/layer_1/kernel"].shape == (8, 12)
    assert arrays["model/transformer/layer_2/rel_attn/o/kernel"].shape == (8, 2, 3)
    again, report = XLNetLMHeadModel.from_pretrained(write(tmp_path, arrays, model.config), output_loading_info=True)
    assert not any(report.values())
    assert not report.newly_initialized
    assert len(report.dropped) == 2 * len(arrays) + 1
    assert_same(again, model)
    # Without its head.
    bare, report = XLNetModel.from_pretrained(str(tmp_path), output_loading_info=True)
    assert not any(report.values())
    assert "lm_loss.bias" in report.dropped
    assert_same(bare, model.transformer)


@UNTIED
def test_what_layers_share_is_as_the_configuration_says(untie_r: bool, tmp_path: Path) -> None:
    arrays = arrays_of(build(XLNetModel, untie_r=untie_r))
    path = write(tmp_path, arrays, config(untie_r=not untie_r))
    with pytest.raises(WeightsError, match=r"transformer\.layer\.1\.rel_attn\.r_w_bias"):
        XLNetModel.from_pretrained(path)


def test_scores_of_their_own(tmp_path: Path) -> None:
    model = build(XLNetLMHeadModel, tie_word_embeddings=False)
    arrays = arrays_of(build(XLNetLMHeadModel))
    own = model.lm_loss.weight.detach().numpy()
    path = write(tmp_path, {**arrays, "model/lm_loss/weight": own}, model.config)
    assert torch.equal(XLNetLMHeadModel.from_pretrained(path).lm_loss.weight, model.lm_loss.weight)
    with pytest.raises(WeightsError, match=r"tied .*tie_word_embeddings=False"):
        XLNetLMHeadModel.from_pretrained(path, tie_word_embeddings=True)


@pytest.mark.parametrize("task", ["classification_mnli", "classification_sst-2", "regression_sts-b"])
def test_fine_tuned_on_sequences(task: str, tmp_path: Path) -> None:
    model = build(XLNetForSequenceClassification, num_labels=3)
    arrays = arrays_of(model)
    del arrays[MASK]  # of models that predict nothing
    for leaf in ("kernel", "bias"):
        arrays[f"model/{task}/logit/{leaf}"] = arrays.pop(f"{TASK}/{leaf}")
    assert f"{SUMMARY}/kernel" in arrays
    again, report = XLNetForSequenceClassification.from_pretrained(
        write(tmp_path, arrays, model.config), output_loading_info=True
    )
    assert not any(report.values())
    assert not report.newly_initialized
    with torch.no_grad():
        model.transformer.mask_emb.zero_()
    assert_same(again, model)


def test_fine_tuned_on_several_tasks(tmp_path: Path) -> None:
    model = build(XLNetForSequenceClassification, num_labels=3)
    arrays = arrays_of(model)
    for leaf in ("kernel", "bias"):
        one = arrays.pop(f"{TASK}/{leaf}")
        arrays |= {f"model/classification_mnli/logit/{leaf}": one, f"model/regression_sts-b/logit/{leaf}": one[..., :1]}
    path = write(tmp_path, arrays, model.config)
    with pytest.raises(WeightsError, match="several heads of this kind, 'classification_mnli', 'regression_sts-b'"):
        XLNetForSequenceClassification.from_pretrained(path)
    assert_same(XLNetModel.from_pretrained(path), model.transformer)


def test_fine_tuned_on_choices(tmp_path: Path) -> None:
    model = build(XLNetForMultipleChoice)
    arrays = arrays_of(model)
    for leaf in ("kernel", "bias"):
        arrays[f"logits/dense/{leaf}"] = arrays.pop(f"{TASK}/{leaf}")
    again, report = XLNetForMultipleChoice.from_pretrained(
        write(tmp_path, arrays, model.config), output_loading_info=True
    )
    assert not any(report.values())
    assert not report.newly_initialized
    assert_same(again, model)


def test_fine_tuned_on_questions(tmp_path: Path) -> None:
    model = build(XLNetForQuestionAnswering)
    arrays = arrays_of(model)
    heads = {name: array.shape for name, array in arrays.items() if not name.startswith("model/")}
    assert heads == {
        "start_logits/dense/kernel": (8, 1),
        "start_logits/dense/bias": (1,),
        "end_logits/dense_0/kernel": (16, 8),
        "end_logits/dense_0/bias": (8,),
        "end_logits/LayerNorm/gamma": (8,),
        "end_logits/LayerNorm/beta": (8,),
        "end_logits/dense_1/kernel": (8, 1),
        "end_logits/dense_1/bias": (1,),
        "answer_class/dense_0/kernel": (16, 8),
        "answer_class/dense_0/bias": (8,),
        "answer_class/dense_1/kernel": (8, 1),
    }
    again, report = XLNetForQuestionAnswering.from_pretrained(
        write(tmp_path, arrays, model.config), output_loading_info=True
    )
    assert not any(report.values())
    assert not report.newly_initialized
    assert_same(again, model)


@pytest.mark.parametrize(
    "name", ["model/sequnece_summary/q/kernel", "model/transformer/r_emb", "logits/dense_1/kernel"]
)
def test_unknown_names_are_refused(name: str, tmp_path: Path) -> None:
    model = build(XLNetModel)
    path = write(tmp_path, {**arrays_of(model), name: np.zeros(3, np.float32)}, model.config)
    with pytest.raises(WeightsError, match=rf"unknown to the model \(1\):\n  {name}"):
        XLNetModel.from_pretrained(path)


def test_the_function_of_2019(tmp_path: Path) -> None:
    wanted, model = build(XLNetLMHeadModel), XLNetLMHeadModel(build(XLNetLMHeadModel).config)
    folder = Path(write(tmp_path, arrays_of(wanted), wanted.config))
    assert load_tf_weights_in_xlnet(model, model.config, str(folder / "xlnet_model.ckpt")) is model
    assert_same(model, wanted)
