"""XLM in float64 compared with the reference: languages, segments, positions, padding on either side, causality."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_testing.reference import run
from tx_testing.suites.spec import assert_close, load_spec
from tx_xlm import TFXLMModel, XLMConfig, XLMModel

SPEC = load_spec(__file__, "xlm_spec")
SCRIPT = r"""
import os
os.environ["USE_TF"] = "0"
import torch
import transformers

# The reference computes its softmax in float32, whatever else it computes in.
torch.Tensor.float = torch.Tensor.double

def main(arguments, inputs, folder):
    out = {}
    for key, path in arguments["folders"].items():
        model = transformers.XLMModel.from_pretrained(path, attn_implementation="eager").double().eval()
        for name in arguments["inputs"]:
            given = {k.partition(".")[2]: torch.from_numpy(v) for k, v in inputs.items() if k.startswith(name + ".")}
            with torch.no_grad():
                out[f"{key}/{name}"] = model(**given)[0].numpy()
    return out
"""
IDS = np.random.default_rng(0).integers(5, 99, (3, 8))
LANGS = np.random.default_rng(1).integers(0, 3, (3, 8))
SEGMENTS = (np.arange(8) > np.array([[4], [3], [5]])).astype(np.int64)
RIGHT = (np.arange(8) < np.array([[8], [5], [3]])).astype(np.int64)
LEFT = RIGHT[:, ::-1].copy()
POSITIONS = np.maximum(np.cumsum(LEFT, 1) - 1, 0)
CONFIGS: dict[str, dict[str, Any]] = {
    "encoder": {},
    "causal": {"causal": True},
    "one table": {"use_lang_emb": False, "gelu_activation": False},
    "sinusoidal": {"sinusoidal_embeddings": True},
}
INPUTS: dict[str, dict[str, Any]] = {
    "plain": {"input_ids": IDS},
    "lengths": {"input_ids": IDS, "lengths": RIGHT.sum(1), "langs": LANGS},
    "found": {"input_ids": np.where(RIGHT == 1, IDS, 2), "langs": LANGS, "token_type_ids": SEGMENTS},
    "right": {"input_ids": IDS, "attention_mask": RIGHT, "langs": LANGS, "token_type_ids": SEGMENTS},
    "left": {"input_ids": IDS, "attention_mask": LEFT, "langs": LANGS, "position_ids": POSITIONS},
    "restarting": {"input_ids": IDS, "langs": SEGMENTS, "position_ids": np.repeat([[0, 1, 2, 3, 0, 1, 2, 3]], 3, 0)},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    made = {}
    for name, config in CONFIGS.items():
        made[name] = tmp_path_factory.mktemp("model")
        stds = {"init_std": 0.3, "embed_init_std": 0.5}
        XLMModel(XLMConfig(**{**SPEC.config, **stds, **config})).save_pretrained(made[name])
    return made


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("framework", ["torch", "tf"])
def test_float64(folders: dict[str, Path], config: str, framework: str) -> None:
    arguments = {"folders": {name: str(path) for name, path in folders.items()}, "inputs": [*INPUTS]}
    arrays = {f"{key}.{name}": array for key, inputs in INPUTS.items() for name, array in inputs.items()}
    wanted = run(SCRIPT, arguments, arrays)
    cls: Any = XLMModel if framework == "torch" else TFXLMModel
    model = cls.from_pretrained(folders[config], dtype="float64")
    for key, inputs in INPUTS.items():
        if (config, key) == ("causal", "left"):
            continue  # there the reference attends to the padding
        if framework == "torch":
            with torch.no_grad():
                found = model(**{name: torch.from_numpy(array) for name, array in inputs.items()})[0].numpy()
        else:
            found = np.asarray(model(inputs)[0])
        assert_close(found, wanted.arrays[f"{config}/{key}"], 1e-10, key)
