"""BERT as a left-to-right language model with an encoder: the same numbers as the reference's ``BertLMHeadModel``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_bert import BertConfig, BertForMaskedLM, TFBertForMaskedLM
from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "bert_spec")


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder as one was made in 2019: ``is_decoder`` alone says that it has cross-attention."""
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(**{**SPEC.config, "is_decoder": True, "initializer_range": 0.3}))
    folder = tmp_path_factory.mktemp("decoder")
    model.save_pretrained(str(folder))
    return folder


def inputs_of(crossed: bool) -> dict[str, np.ndarray[Any, Any]]:
    inputs = {**SPEC.inputs("masked-lm"), "labels": SPEC.make_labels("masked-lm")["masked_lm_labels"]}
    if crossed:
        inputs["encoder_hidden_states"] = np.random.default_rng(3).standard_normal((3, 9, 32)).astype(np.float32)
        inputs["encoder_attention_mask"] = (np.arange(9) < np.array([[9], [4], [6]])).astype(np.int64)
    return inputs


@pytest.mark.parametrize("crossed", [False, True])
def test_decoder_with_a_head(decoder: Path, crossed: bool) -> None:
    inputs = inputs_of(crossed)
    request = {"key": "decoder", "class": "BertLMHeadModel", "inputs": {name: name for name in inputs}}
    # The reference looks for weights of cross-attention even where there is nothing to attend to.
    flags = {"output_hidden_states": True, "output_attentions": crossed}
    request |= {"options": {**flags, "use_cache": False}, "load": str(decoder), "allowed": ["bert.pooler"]}
    wanted = run("model_torch.py", {"requests": [request]}, inputs).group("decoder")
    own = {("lm_labels" if name == "labels" else name): array for name, array in inputs.items()}
    with torch.no_grad():
        model = BertForMaskedLM.from_pretrained(str(decoder))
        tensors = {name: torch.from_numpy(array) for name, array in own.items()}
        found = model(**tensors, **flags, skip_padding=False)
    keras_model = TFBertForMaskedLM.from_pretrained(str(decoder))
    for output in (found, keras_model({name: tf.constant(array) for name, array in own.items()}, **flags)):
        for name in ("loss", "logits"):
            assert_close(np.asarray(getattr(output, name)), wanted[name], 2e-5, name)
        for name in ("hidden_states", "attentions") if crossed else ("hidden_states",):
            for index, value in enumerate(getattr(output, name)):
                assert_close(np.asarray(value), wanted[f"{name}/{index}"], 2e-5, f"{name}[{index}]")
