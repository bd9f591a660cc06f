"""XLM's own checkpoints in PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tx_core.auto import AutoModel, AutoModelWithLMHead
from tx_core.checkpoints import write_torch_bin
from tx_core.weights import WeightsError
from tx_testing.originals import XLM_PARAMS, XLM_WORDS, write_xlm, xlm, xlm_notes
from tx_xlm import (
    XLMConfig,
    XLMForMultipleChoice,
    XLMForQuestionAnswering,
    XLMForQuestionAnsweringSimple,
    XLMForSequenceClassification,
    XLMForTokenClassification,
    XLMModel,
    XLMWithLMHeadModel,
)

NAME = "mlm_ende_1024.pth"
IDS = torch.tensor([[0, 14, 15, 16, 1]])
LANGS = torch.zeros_like(IDS)


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_every_array_is_read(wrapper: str, tmp_path: Path) -> None:
    arrays = write_xlm(tmp_path / NAME, wrapper)
    model, report = XLMWithLMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    assert not report.newly_initialized
    assert not report.dropped
    assert report.prefix == f"model.{wrapper}"
    assert model.config.id2lang == {0: "de", 1: "en"}
    state = {name.removeprefix("transformer."): tensor.numpy() for name, tensor in model.state_dict().items()}
    for name, array in arrays.items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)
    assert model.pred_layer.proj.weight is model.transformer.embeddings.weight
    model.save_pretrained(tmp_path / "saved")
    again = XLMWithLMHeadModel.from_pretrained(tmp_path / "saved")
    assert torch.equal(again(IDS, langs=LANGS)[0], model(IDS, langs=LANGS)[0])


def test_what_torch_save_writes(tmp_path: Path) -> None:
    """The parameters hold arrays of NumPy's and PyTorch's; the optimizer lies beside."""
    write_xlm(tmp_path / NAME)
    wanted = XLMWithLMHeadModel.from_pretrained(tmp_path)(IDS, langs=LANGS)[0]
    notes = xlm_notes(pred_probs=torch.tensor([0.8, 0.1, 0.1]))
    content = {
        "epoch": 3,
        "n_total_iter": 7,
        "best_metrics": {"valid_en_mlm_ppl": np.float64(3.5)},
        "model": {f"module.{name}": torch.from_numpy(array) for name, array in xlm().items()},
        "model_optimizer": {"state": {0: {"exp_avg": torch.ones(3), "step": 3}}, "param_groups": [{"lr": 1e-4}]},
        **notes,
    }
    for zipped in (True, False):
        torch.save(content, tmp_path / NAME, _use_new_zipfile_serialization=zipped)
        model, report = XLMWithLMHeadModel.from_pretrained(tmp_path / NAME, output_loading_info=True)
        assert sorted(report.dropped) == ["model_optimizer.state.0.exp_avg", "params.pred_probs"]
        assert torch.equal(model(IDS, langs=LANGS)[0], wanted)


@pytest.mark.parametrize(
    ("cls", "new"),
    [
        (XLMModel, ""),
        (XLMForSequenceClassification, "sequence_summary"),
        (XLMForQuestionAnsweringSimple, "qa_outputs"),
        (XLMForQuestionAnswering, "qa_outputs"),
        (XLMForTokenClassification, "classifier"),
        (XLMForMultipleChoice, "logits_proj sequence_summary"),
    ],
)
def test_other_classes(cls: type, new: str, tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    model, report = cls.from_pretrained(tmp_path / NAME, output_loading_info=True)  # type: ignore[attr-defined]
    assert sorted({name.partition(".")[0] for name in report.newly_initialized}) == new.split()
    assert sorted(report.dropped) == ["pred_layer.proj.bias", "pred_layer.proj.weight"]
    assert model.config.emb_dim == XLM_PARAMS["emb_dim"]


def test_the_name_of_the_folder_tells_the_auto_classes(tmp_path: Path) -> None:
    folder = tmp_path / "xlm-mlm-ende"
    folder.mkdir()
    write_xlm(folder / NAME)
    assert type(AutoModel.from_pretrained(str(folder))) is XLMModel
    assert type(AutoModelWithLMHead.from_pretrained(str(folder / NAME))) is XLMWithLMHeadModel


def test_a_causal_model_reads_from_left_to_right(tmp_path: Path) -> None:
    write_xlm(tmp_path / "clm_ende_1024.pth", clm_steps=[("de", None)], mlm_steps=[])
    model = XLMModel.from_pretrained(tmp_path)
    whole, part = model(IDS, langs=LANGS)[0], model(IDS[:, :3], langs=LANGS[:, :3])[0]
    torch.testing.assert_close(whole[:, :3], part)


def test_an_adaptive_softmax(tmp_path: Path) -> None:
    """Its arrays are those of PyTorch's AdaptiveLogSoftmaxWithLoss, which the authors' code has."""
    arrays = {name: torch.from_numpy(array) for name, array in xlm().items() if not name.startswith("pred_layer.")}
    torch.manual_seed(0)
    softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, len(XLM_WORDS), [8, 20], 2, head_bias=True)
    arrays |= {f"pred_layer.proj.{name}": tensor for name, tensor in softmax.state_dict().items()}
    notes = xlm_notes(asm=True, asm_cutoffs=[8, 20], asm_div_value=2, share_inout_emb=False)
    torch.save({"model": arrays, **notes}, tmp_path / NAME)
    model, report = XLMWithLMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    with torch.no_grad():
        hidden = model.transformer(IDS, langs=LANGS)[0]
        torch.testing.assert_close(model(IDS, langs=LANGS)[0][0], softmax.log_prob(hidden[0]))


def test_a_given_configuration(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    config = XLMConfig.from_pretrained(tmp_path)
    write_torch_bin(tmp_path / "bare.pth", xlm())
    model, report = XLMWithLMHeadModel.from_pretrained(tmp_path / "bare.pth", config=config, output_loading_info=True)
    assert not any(report.values())
    config.n_layers = 3
    with pytest.raises(WeightsError, match=r"missing from the file(.|\n)*transformer\.attentions\.2"):
        XLMModel.from_pretrained(tmp_path / NAME, config=config)
    assert not model.load_weights(tmp_path / NAME).error_msgs


def test_other_models_say_what_they_are(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    config = XLMConfig.from_pretrained(tmp_path)
    arrays = {f"{part}.{name}": array for part in ("encoder", "decoder") for name, array in xlm().items()}
    arrays["decoder.encoder_attn.0.q_lin.weight"] = np.zeros((8, 8), np.float32)
    write_torch_bin(tmp_path / NAME, arrays)
    with pytest.raises(WeightsError, match=r"encoder\.embeddings(.|\n)*this is a translation model of XLM's"):
        XLMModel.from_pretrained(tmp_path, config=config)
