"""Answers by a beam: the numbers of the reference's ``XLMSQuADHead``, in both frameworks."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models import squad_head_tf, squad_head_torch
from tx_core.models.variables_tf import named_parameters
from tx_testing.reference import run
from tx_testing.suites.spec import assert_close

SCRIPT = """
import torch
from transformers.models.xlm.configuration_xlm import XLMConfig
from transformers.models.xlm.modeling_xlm import XLMSQuADHead

def main(arguments, inputs, folder):
    config = XLMConfig(emb_dim=24, layer_norm_eps=1e-12, start_n_top=4, end_n_top=3)
    head = XLMSQuADHead(config).eval()
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
    head.load_state_dict({name[5:]: tensor for name, tensor in tensors.items() if name.startswith("head.")})
    named = {name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}
    with torch.no_grad():
        output = head(**named, return_dict=True)
    return {name: value.numpy() for name, value in output.items() if value is not None}
"""
CONFIG = SimpleNamespace(hidden_size=24, layer_norm_eps=1e-12, start_n_top=4, end_n_top=3)
RNG = np.random.default_rng(0)
LENGTHS = np.array([13, 9, 6])
STATES = RNG.standard_normal((3, 13, 24)).astype(np.float32)
P_MASK = (np.arange(13) >= LENGTHS[:, None]).astype(np.float32)
HEAD = squad_head_torch.SQuADHead(CONFIG)
with torch.no_grad():
    for each in HEAD.parameters():
        each.copy_(torch.from_numpy(RNG.standard_normal(each.shape).astype(np.float32) * 0.5))
BEAM = {"hidden_states": STATES, "p_mask": P_MASK, "cls_index": LENGTHS - 1}
SPANS = {"hidden_states": STATES, "start_positions": np.array([3, 0, 2]), "end_positions": np.array([12, 0, 5])}
CASES: dict[str, dict[str, Any]] = {
    "beam": BEAM,
    "beam of all tokens": {"hidden_states": STATES},
    "spans": SPANS,
    "spans of some tokens": {**SPANS, "p_mask": P_MASK},
    "with answerability": {**SPANS, **BEAM, "is_impossible": np.array([0, 1, 0], np.float32)},
}


@pytest.mark.parametrize("case", list(CASES))
def test_same_numbers(case: str) -> None:
    inputs = CASES[case]
    weights = {f"head.{name}": value.numpy() for name, value in HEAD.state_dict().items()}
    wanted = run(SCRIPT, inputs={**weights, **inputs}).arrays
    values = {"p_mask": None, "cls_index": None, "is_impossible": None, **inputs}
    head = squad_head_tf.SQuADHead(CONFIG, 0.02)
    head.build()
    for parameter in named_parameters(head):
        parameter.assign(HEAD.state_dict()[parameter.name].numpy())
    for module, own, tensor in ((squad_head_torch, HEAD, torch.from_numpy), (squad_head_tf, head, tf.constant)):
        given = {name: None if value is None else tensor(value) for name, value in values.items()}
        with torch.no_grad():
            if "start_positions" in inputs:
                found = {"loss": module.answer_loss(own, **given)}
            else:
                del given["is_impossible"]
                found = module.answer_beam(own, CONFIG, **given)
        assert list(found) == list(wanted)
        for name, value in found.items():
            assert_close(np.asarray(value), wanted[name], 2e-5, name)
