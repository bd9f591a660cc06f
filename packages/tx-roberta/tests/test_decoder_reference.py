"""RoBERTa as a left-to-right language model: the same numbers as the reference's ``RobertaForCausalLM``."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_roberta import RobertaConfig, RobertaForMaskedLM, TFRobertaForMaskedLM
from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec

SPEC = load_spec(__file__, "roberta_spec")


@pytest.mark.parametrize("crossed", [False, True])
def test_decoder_with_a_head(crossed: bool, tmp_path: Path) -> None:
    """Padding within and after sentences; with an encoder's states and without."""
    torch.manual_seed(0)
    config = {**SPEC.config, "is_decoder": True, "add_cross_attention": crossed, "initializer_range": 0.3}
    RobertaForMaskedLM(RobertaConfig(**config)).save_pretrained(str(tmp_path))
    places = SPEC.reference_inputs["base"]
    inputs: dict[str, np.ndarray[Any, Any]] = {name: np.array(values) for name, values in places.items()}
    inputs["labels"] = np.where(inputs["attention_mask"] == 1, inputs["input_ids"], -100)
    if crossed:
        inputs["encoder_hidden_states"] = np.random.default_rng(3).standard_normal((3, 9, 32)).astype(np.float32)
        inputs["encoder_attention_mask"] = (np.arange(9) < np.array([[9], [4], [6]])).astype(np.int64)
    flags = {"output_hidden_states": True, "output_attentions": True}
    request = {"key": "decoder", "class": "RobertaForCausalLM", "inputs": {name: name for name in inputs}}
    request |= {"options": {**flags, "use_cache": False}, "load": str(tmp_path), "allowed": ["roberta.pooler"]}
    wanted = run("model_torch.py", {"requests": [request]}, inputs).group("decoder")

    own = {("lm_labels" if name == "labels" else name): array for name, array in inputs.items()}
    with torch.no_grad():
        model = RobertaForMaskedLM.from_pretrained(str(tmp_path))
        tensors = {name: torch.from_numpy(array) for name, array in own.items()}
        found = model(**tensors, **flags, skip_padding=False)
    keras_model = TFRobertaForMaskedLM.from_pretrained(str(tmp_path))
    for output in (found, keras_model({name: tf.constant(array) for name, array in own.items()}, **flags)):
        for name in ("loss", "logits"):
            assert_close(np.asarray(getattr(output, name)), wanted[name], 2e-5, name)
        for name in ("hidden_states", "attentions"):
            for index, value in enumerate(getattr(output, name)):
                assert_close(np.asarray(value), wanted[f"{name}/{index}"], 2e-5, f"{name}[{index}]")
