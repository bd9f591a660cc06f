"""XLM's own checkpoints in TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.auto import TFAutoModelWithLMHead
from tx_testing.originals import write_xlm
from tx_xlm import (
    TFXLMForMultipleChoice,
    TFXLMForQuestionAnswering,
    TFXLMForQuestionAnsweringSimple,
    TFXLMForSequenceClassification,
    TFXLMForTokenClassification,
    TFXLMModel,
    TFXLMWithLMHeadModel,
)

NAME = "mlm_ende_1024.pth"


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_every_array_is_read(wrapper: str, tmp_path: Path) -> None:
    folder = tmp_path / "xlm-mlm-ende"
    folder.mkdir()
    arrays = write_xlm(folder / NAME, wrapper)
    model, report = TFXLMWithLMHeadModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values())
    assert not report.newly_initialized
    values = {name.removeprefix("transformer."): np.asarray(v.value) for name, v in model.named_weights()}
    assert {*values} == {*arrays} - {"pred_layer.proj.weight"}
    for name, value in values.items():
        kernel = name.endswith(("lin.weight", "lin1.weight", "lin2.weight"))
        np.testing.assert_array_equal(value, arrays[name].T if kernel else arrays[name], err_msg=name)
    assert type(TFAutoModelWithLMHead.from_pretrained(str(folder / NAME))) is TFXLMWithLMHeadModel


@pytest.mark.parametrize(
    ("cls", "new"),
    [
        (TFXLMModel, ""),
        (TFXLMForSequenceClassification, "sequence_summary"),
        (TFXLMForQuestionAnsweringSimple, "qa_outputs"),
        (TFXLMForQuestionAnswering, "qa_outputs"),
        (TFXLMForTokenClassification, "classifier"),
        (TFXLMForMultipleChoice, "logits_proj sequence_summary"),
    ],
)
def test_other_classes(cls: Any, new: str, tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    _, report = cls.from_pretrained(tmp_path / NAME, output_loading_info=True)
    assert sorted({name.partition(".")[0] for name in report.newly_initialized}) == new.split()
    assert sorted(report.dropped) == ["pred_layer.proj.bias", "pred_layer.proj.weight"]
