"""An encoder and a decoder as one model: the same numbers as the reference's ``EncoderDecoderModel``."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch

from tx_bert import BertConfig, BertForMaskedLM, BertModel
from tx_core import PreTrainedEncoderDecoder, TFPreTrainedEncoderDecoder
from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "bert_spec")
SCRIPT = """
import torch
from transformers import EncoderDecoderModel

def main(arguments, inputs, folder):
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(
        arguments["encoder"], arguments["decoder"], encoder_attn_implementation="eager",
        decoder_attn_implementation="eager",
    ).eval()
    with torch.no_grad():
        out = model(**{name: torch.from_numpy(array) for name, array in inputs.items()}, output_attentions=True)
    found = {"logits": out.logits, "encoder_last_hidden_state": out.encoder_last_hidden_state}
    for name, field in (("attentions", "decoder_attentions"), ("encoder_attentions", "encoder_attentions")):
        found.update({f"{name}/{i}": each for i, each in enumerate(getattr(out, field))})
    return {name: each.numpy() for name, each in found.items()}
"""


def test_random_pair(tmp_path: Path) -> None:
    torch.manual_seed(0)
    fields: dict[str, Any] = {**SPEC.config, "initializer_range": 0.3}
    model = PreTrainedEncoderDecoder(
        BertModel(BertConfig(**fields)), BertForMaskedLM(BertConfig(**{**fields, "is_decoder": True}))
    ).eval()
    model.save_pretrained(tmp_path)
    rng = np.random.default_rng(0)
    inputs = {
        "input_ids": rng.integers(5, 90, (3, 9)),
        "attention_mask": (np.arange(9) < np.array([[9], [4], [6]])).astype(np.int64),
        "decoder_input_ids": rng.integers(5, 90, (3, 7)),
        "decoder_attention_mask": (np.arange(7) < np.array([[5], [7], [2]])).astype(np.int64),
    }
    arguments = {"encoder": str(tmp_path / "encoder"), "decoder": str(tmp_path / "decoder")}
    wanted = run(SCRIPT, arguments, inputs)
    own = {name if name.startswith("decoder_") else f"encoder_{name}": array for name, array in inputs.items()}
    with torch.no_grad():
        found = model(**{name: torch.from_numpy(array) for name, array in own.items()}, output_attentions=True)
    keras_model = TFPreTrainedEncoderDecoder.from_pretrained(tmp_path)
    for output in (
        found,
        keras_model({name: tf.constant(array) for name, array in own.items()}, output_attentions=True),
    ):
        written = inputs["decoder_attention_mask"][..., None] != 0
        assert_close(np.asarray(output.logits) * written, wanted.arrays["logits"] * written, 2e-5, "logits")
        states = inputs["attention_mask"][..., None] != 0
        name = "encoder_last_hidden_state"
        assert_close(np.asarray(getattr(output, name)) * states, wanted.arrays[name] * states, 2e-5, name)
        for name, mask in (("attentions", written), ("encoder_attentions", states)):
            for index, value in wanted.group(name).items():
                each = np.asarray(getattr(output, name)[int(index)])
                assert_close(each * mask[:, None], value * mask[:, None], 2e-5, f"{name}[{index}]")
