"""The language model with an adaptive softmax: the numbers of the reference, whose own call of it fails.

It gives its adaptive softmax states of more axes than that takes. So its model's states are given to it as rows.
"""

from typing import Any

import numpy as np
import tensorflow as tf
import torch

from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec
from tx_xlm import TFXLMWithLMHeadModel, XLMWithLMHeadModel

SCRIPT = """
import torch
from transformers import XLMConfig, XLMWithLMHeadModel

def main(arguments, inputs, folder):
    torch.manual_seed(0)
    model = XLMWithLMHeadModel(XLMConfig(**arguments["config"], tie_word_embeddings=False)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
        model.save_pretrained(folder / "asm")
        tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
        labels = tensors.pop("labels")
        states, kept = model.transformer(**tensors)[0], labels >= 0
        return {
            "logits": model.pred_layer.proj.log_prob(states.flatten(0, 1)).unflatten(0, labels.shape).numpy(),
            "loss": model.pred_layer.proj(states[kept], labels[kept]).loss.numpy(),
        }
"""
SPEC: Any = load_spec(__file__, "xlm_spec")


def test_same_numbers() -> None:
    inputs = {**SPEC.inputs("masked-lm"), **SPEC.make_labels("masked-lm")}
    assert (inputs["labels"] < 0).any()
    result = run(SCRIPT, {"config": {**SPEC.config, **SPEC.variants["asm"]["config"]}}, inputs)
    one = XLMWithLMHeadModel.from_pretrained(result.folder / "asm")
    two = TFXLMWithLMHeadModel.from_pretrained(result.folder / "asm")
    with torch.no_grad():
        found = one(**{name: torch.from_numpy(array) for name, array in inputs.items()}, skip_padding=False)
    for output in (found, two({name: tf.constant(array) for name, array in inputs.items()})):
        for name in ("loss", "logits"):
            assert_close(np.asarray(getattr(output, name)), result.arrays[name], 2e-5, name)
