"""Memories, orders and targets against the reference, over all that a configuration can say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_testing import reference

SIZES: dict[str, Any] = {"vocab_size": 99, "d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 48, "mem_len": 6}
OPTIONS: dict[str, dict[str, Any]] = {
    "both_ways": {},
    "earlier": {"attn_type": "uni"},
    "same_length": {"attn_type": "uni", "same_length": True},
    "clamped": {"clamp_len": 2},
    "reuse": {"reuse_len": 3, "mem_len": 5},
    "both_data": {"bi_data": True},
    "both_data_clamped": {"bi_data": True, "clamp_len": 3},
    # There layers do not share biases, so they are made the same.
    "tied_biases": {"untie_r": False, "layer_norm_eps": 1e-5},
}
INPUTS: dict[str, tuple[str, ...]] = {
    "words": (),
    "memory": ("mems",),
    "targets": ("target_mapping",),
    "everything": ("mems", "perm_mask", "target_mapping", "token_type_ids", "input_mask"),
    "memory_and_order": ("mems", "perm_mask", "token_type_ids"),
}
TOLERANCE = 2e-5

SCRIPT = """
import os, re
os.environ["USE_TF"] = "0"
import numpy as np, torch, transformers, zlib

def main(arguments, inputs, folder):
    out = {}
    for key, options in arguments["options"].items():
        model = transformers.XLNetModel(transformers.XLNetConfig(**{**arguments["sizes"], **options})).eval()
        with torch.no_grad():
            for name, p in model.named_parameters():
                if not options.get("untie_r", True) and re.search("r_[rsw]_bias", name):
                    name = re.sub(r"layer[.][0-9]+", "layer.0", name)
                values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(p.shape)
                p.copy_(torch.from_numpy((values * 0.2).astype(np.float32)))
            model.save_pretrained(folder / key)
            for kind, names in arguments["inputs"].items():
                if options.get("attn_type") == "uni" and ("perm_mask" in names or "input_mask" in names):
                    continue
                given = {n: torch.from_numpy(inputs[n]) for n in ("input_ids", *names) if n != "mems"}
                if "mems" in names:
                    given["mems"] = list(torch.from_numpy(inputs["mems"]))
                found = model(**given, output_hidden_states=True, output_attentions=True, return_dict=False)
                flat = []
                def walk(x):
                    if isinstance(x, torch.Tensor): flat.append(x)
                    else: [walk(y) for y in x]
                walk(found)
                for i, x in enumerate(flat):
                    out[f"{key}/{kind}/{i}"] = x.numpy()
    return out
"""


def arrays() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    mask = np.zeros((2, 5), np.float32)
    mask[1, :2] = 1
    return {
        "input_ids": rng.integers(5, 99, (2, 5)),
        "mems": rng.normal(size=(3, 4, 2, 32)).astype(np.float32),
        "perm_mask": (rng.random((2, 5, 5)) > 0.5).astype(np.float32),
        "target_mapping": np.eye(5, dtype=np.float32)[rng.integers(0, 5, (2, 3))],
        "token_type_ids": rng.integers(0, 3, (2, 5)),
        "input_mask": mask,
    }


@pytest.fixture(scope="module")
def result() -> Any:
    reference.reference_python()
    return reference.run(SCRIPT, {"options": OPTIONS, "inputs": INPUTS, "sizes": SIZES}, arrays())


@pytest.mark.parametrize("framework", ["torch", "tf"])
@pytest.mark.parametrize("option", OPTIONS)
def test_same_as_the_reference(option: str, framework: str, result: Any) -> None:
    import keras

    from tx_xlnet.model_tf import TFXLNetModel
    from tx_xlnet.model_torch import XLNetModel

    folder: Path = result.folder / option
    model: Any = (XLNetModel if framework == "torch" else TFXLNetModel).from_pretrained(folder)
    compared = 0
    for kind, names in INPUTS.items():
        wanted = result.group(f"{option}/{kind}")
        if not wanted:
            continue
        given = {name: arrays()[name] for name in ("input_ids", *names)}
        if framework == "torch":
            import torch

            given = {name: torch.from_numpy(x) for name, x in given.items()}
        found = model(**given, output_hidden_states=True, output_attentions=True)
        flat = [np.asarray(x.detach() if framework == "torch" else x) for x in keras.tree.flatten(tuple(found))]
        assert len(flat) == len(wanted), kind
        for i, x in enumerate(flat):
            other = wanted[str(i)]
            if "input_mask" in names and 1 <= i <= 3:  # a memory of padding is empty here, and not there
                other = np.where(x.any(-1, keepdims=True), other, 0)
                assert (~x.any(-1)).sum() == 2, (kind, i)
            assert x.shape == other.shape, (kind, i)
            assert np.abs(x - other).max() <= TOLERANCE * np.abs(other).max(), (kind, i)
            compared += 1
    assert compared
