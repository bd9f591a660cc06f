"""Files of the last reference that had the architecture: names in PyTorch, and ``tf_model.h5`` read and written.

The reference's Keras model has clusters of narrower and narrower vectors only, and ties nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_testing.reference import Result, run
from tx_transfo_xl import TFTransfoXLLMHeadModel, TransfoXLConfig, TransfoXLLMHeadModel

NAMES = """
from transformers.models.deprecated.transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel

def main(arguments, inputs, folder):
    model = TransfoXLLMHeadModel(TransfoXLConfig(**arguments))
    return {name: array.numpy() for name, array in model.state_dict().items()}
"""

KERAS = """
import os
os.environ["USE_TORCH"] = "0"
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import numpy as np
import tensorflow as tf
from transformers.modeling_tf_utils import load_tf_weights
from transformers.models.deprecated.transfo_xl import TransfoXLConfig
from transformers.models.deprecated.transfo_xl.modeling_tf_transfo_xl import TFTransfoXLLMHeadModel

def main(arguments, inputs, folder):
    ids = tf.constant(inputs["ids"])
    model = TFTransfoXLLMHeadModel(TransfoXLConfig(**arguments["config"]))
    model(ids)
    if "read" in arguments:
        # Its from_pretrained does not build the model, and loads nothing, not even of its own files.
        assert load_tf_weights(model, arguments["read"]) == ([], [], [])
    else:
        random = np.random.default_rng(0)
        for variable in model.variables:
            variable.assign(random.normal(0, 0.3, variable.shape).astype(np.float32))
        model.save_pretrained(str(folder))
    output = model(ids)
    return {"scores": np.asarray(output.prediction_scores), **{f"mem{i}": m.numpy() for i, m in enumerate(output.mems)}}
"""

SIZES = {"vocab_size": 15, "d_model": 8, "n_head": 2, "d_head": 3, "d_inner": 12, "n_layer": 2, "mem_len": 4}
SIZES |= {"clamp_len": 5, "same_length": False, "cutoffs": [5, 9]}
KINDS: dict[str, dict[str, Any]] = {
    "one_table": {"div_val": 1, "d_embed": 8, "untie_r": False},
    "projected": {"div_val": 1, "d_embed": 4},
    "clusters": {"div_val": 2, "d_embed": 8},
    "nothing_tied": {
        "div_val": 2,
        "d_embed": 4,
        "tie_word_embeddings": False,
        "proj_share_all_but_first": False,
    },
    "one_softmax": {"div_val": 2, "d_embed": 8, "cutoffs": []},
}
UNTIED = {**SIZES, **KINDS["nothing_tied"]}
IDS = np.array([[3, 14, 0, 9, 5], [1, 2, 3, 4, 5]])


@pytest.mark.parametrize("kind", [*KINDS])
def test_names_and_shapes(kind: str) -> None:
    config = {**SIZES, **KINDS[kind]}
    published = {name: array.shape for name, array in run(NAMES, config).arrays.items() if "inv_freq" not in name}
    model = TransfoXLLMHeadModel(TransfoXLConfig(**config))
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == published


def outputs(framework: str, path: Path) -> dict[str, np.ndarray[Any, Any]]:
    if framework == "torch":
        import torch

        with torch.no_grad():
            model = TransfoXLLMHeadModel.from_pretrained(str(path), from_tf=True)
            scores, mems = model(torch.from_numpy(IDS))[:2]
    else:
        scores, mems = TFTransfoXLLMHeadModel.from_pretrained(str(path))(IDS)[:2]
    return {"scores": np.asarray(scores), **{f"mem{i}": np.asarray(each) for i, each in enumerate(mems)}}


def assert_same(found: dict[str, np.ndarray[Any, Any]], wanted: dict[str, np.ndarray[Any, Any]]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in found.items():
        assert array.shape == wanted[name].shape
        assert abs(array - wanted[name]).max() <= 2e-5 * abs(wanted[name]).max(), name


@pytest.fixture(scope="module")
def twin() -> Result:
    return run(KERAS, {"config": UNTIED}, {"ids": IDS})


@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_keras_files_of_the_reference(framework: str, twin: Result) -> None:
    assert (twin.folder / "tf_model.h5").is_file()
    assert_same(outputs(framework, twin.folder), twin.arrays)


def test_keras_files_for_the_reference(twin: Result, tmp_path: Path) -> None:
    TransfoXLLMHeadModel.from_pretrained(str(twin.folder), from_tf=True).save_pretrained(str(tmp_path), format="h5")
    again = run(KERAS, {"config": UNTIED, "read": str(tmp_path / "tf_model.h5")}, {"ids": IDS})
    for name, array in again.arrays.items():
        np.testing.assert_array_equal(array, twin.arrays[name])
