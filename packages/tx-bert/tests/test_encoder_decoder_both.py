"""An encoder and a decoder as one model: what one framework saves is the same in the other."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_bert import BertConfig, BertForMaskedLM, BertModel
from tx_core import Model2Model, PreTrainedEncoderDecoder, TFModel2Model, TFPreTrainedEncoderDecoder
from tx_testing.suites.spec import assert_close

SIZES: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 20,
    "initializer_range": 0.3,
}
READ = np.array([[2, 7, 9, 31, 4, 12, 3], [2, 8, 5, 3, 0, 0, 0]])
WRITTEN = np.array([[2, 17, 21, 30, 3], [2, 11, 6, 3, 0]])
INPUTS = {
    "encoder_input_ids": READ,
    "decoder_input_ids": WRITTEN,
    "encoder_attention_mask": (READ != 0).astype(np.int64),
    "decoder_attention_mask": (WRITTEN != 0).astype(np.int64),
    "decoder_lm_labels": np.where(WRITTEN == 0, -1, WRITTEN),
}
FLAGS = {"output_hidden_states": True, "output_attentions": True}


def outputs_torch(model: PreTrainedEncoderDecoder) -> Any:
    with torch.no_grad():
        return model(**{name: torch.from_numpy(array) for name, array in INPUTS.items()}, **FLAGS)


def same(found: Any, wanted: Any) -> None:
    assert found._fields == wanted._fields
    assert type(found).__name__ == type(wanted).__name__
    for one, two in zip(tf.nest.flatten(tuple(found)), tf.nest.flatten(tuple(wanted)), strict=True):
        assert_close(np.asarray(one), np.asarray(two), 1e-5)


@pytest.mark.parametrize("form", ["safetensors", "bin", "h5"])
def test_what_pytorch_saves_is_the_same_in_keras_and_back(form: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    parts = BertModel(BertConfig(**SIZES)), BertForMaskedLM(BertConfig(**SIZES, is_decoder=True))
    model = PreTrainedEncoderDecoder(*parts).eval()
    model.save_pretrained(tmp_path / "a", format=form)
    keras_model = TFPreTrainedEncoderDecoder.from_pretrained(tmp_path / "a")
    wanted = outputs_torch(model)
    same(keras_model(INPUTS, **FLAGS), wanted)
    keras_model.save_pretrained(tmp_path / "b", format=form)
    again = PreTrainedEncoderDecoder.from_pretrained(tmp_path / "b")
    assert all(torch.equal(x, model.state_dict()[name]) for name, x in again.state_dict().items())


def test_twins(tmp_path: Path) -> None:
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(**SIZES)).save_pretrained(tmp_path)
    model = Model2Model.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path / "pair")
    same(TFModel2Model.from_pretrained(tmp_path / "pair")(INPUTS, **FLAGS), outputs_torch(model))
