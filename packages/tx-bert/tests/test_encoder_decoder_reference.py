"""An encoder and a decoder as one model: the same numbers as the reference's ``EncoderDecoderModel``."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import torch

from tx_bert import BertConfig, BertForMaskedLM, BertModel
from tx_core import PreTrainedEncoderDecoder, TFPreTrainedEncoderDecoder
from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "bert_spec")
# The labels of its own loss are not shifted: each is of the prediction at its place.
SCRIPT = """
import torch
from transformers import EncoderDecoderModel

def main(arguments, inputs, folder):
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(
        arguments["encoder"],
        arguments["decoder"],
        encoder_attn_implementation="eager",
        decoder_attn_implementation="eager",
    ).eval()
    given = {name: torch.from_numpy(array) for name, array in inputs.items()}
    out = model(**given, output_attentions=True)
    out.loss.backward()
    found = {"loss": out.loss, "logits": out.logits, "encoder_last_hidden_state": out.encoder_last_hidden_state}
    for name, field in (("attentions", "decoder_attentions"), ("encoder_attentions", "encoder_attentions")):
        found.update({f"{name}/{i}": each for i, each in enumerate(getattr(out, field))})
    found.update({f"gradient/{name}": p.grad for name, p in model.named_parameters() if p.grad is not None})
    return {name: each.detach().numpy() for name, each in found.items()}
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
    labels = np.where(inputs["decoder_attention_mask"] == 0, -100, inputs["decoder_input_ids"])
    following = np.concatenate((labels[:, 1:], np.full((3, 1), -100)), 1)
    arguments = {"encoder": str(tmp_path / "encoder"), "decoder": str(tmp_path / "decoder")}
    wanted = run(SCRIPT, arguments, {**inputs, "labels": following})
    own = {name if name.startswith("decoder_") else f"encoder_{name}": array for name, array in inputs.items()}
    own["decoder_lm_labels"] = labels
    found = model(**{name: torch.from_numpy(array) for name, array in own.items()}, output_attentions=True)
    keras_model = TFPreTrainedEncoderDecoder.from_pretrained(tmp_path)
    written, read = (inputs[name][..., None] != 0 for name in ("decoder_attention_mask", "attention_mask"))
    for output in (
        keras.tree.map_structure(lambda x: x.detach(), found),
        keras_model({name: tf.constant(array) for name, array in own.items()}, output_attentions=True),
    ):
        for name, mask in (("loss", 1), ("logits", written), ("encoder_last_hidden_state", read)):
            assert_close(np.asarray(getattr(output, name)) * mask, wanted.arrays[name] * mask, 2e-5, name)
        for name, mask in (("attentions", written), ("encoder_attentions", read)):
            for index, value in wanted.group(name).items():
                each = np.asarray(getattr(output, name)[int(index)])
                assert_close(each * mask[:, None], value * mask[:, None], 2e-5, f"{name}[{index}]")
    found.loss.backward()
    gradients = {name: p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    assert gradients.keys() == wanted.group("gradient").keys()
    for name, gradient in gradients.items():
        if not name.endswith("key.bias"):  # 0 but for rounding
            assert_close(gradient, wanted.arrays[f"gradient/{name}"], 1e-4, name)
