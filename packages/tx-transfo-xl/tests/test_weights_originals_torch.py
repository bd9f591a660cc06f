"""TensorFlow checkpoints of the authors' form, written from models of every kind and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tx_core.checkpoints import open_checkpoint, write_tf1
from tx_core.weights import WeightsError, originals
from tx_testing.data import data_path
from tx_transfo_xl import TransfoXLConfig, TransfoXLLMHeadModel, TransfoXLModel, load_tf_weights_in_transfo_xl
from tx_transfo_xl.weights import WEIGHTS

Arrays = dict[str, np.ndarray[Any, Any]]
WORDS, SOFTMAX = "transformer/adaptive_embed", "transformer/adaptive_softmax"


def build(**fields: Any) -> TransfoXLLMHeadModel:
    sizes = {"n_layer": 2, "d_model": 8, "d_embed": 8, "n_head": 2, "d_head": 3, "d_inner": 12, "mem_len": 4}
    torch.manual_seed(0)
    model = TransfoXLLMHeadModel(TransfoXLConfig(15, **{**sizes, "cutoffs": [5, 9], **fields})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def arrays_of(model: TransfoXLLMHeadModel) -> Arrays:
    """The parameters as the authors' code would have saved them."""
    readers = {WEIGHTS.published(name) or "": (lambda p=p: p.detach().numpy()) for name, p in model.named_parameters()}
    arrays: Arrays = {name: read() for name, read in originals(readers, WEIGHTS).items()}
    if model.config.div_val > 1:
        return arrays
    # Words in one table have no clusters, and their scores have a bias for each.
    for name in ("lookup_table", "proj_W"):
        if f"{WORDS}/cutoff_0/{name}" in arrays:
            arrays[f"{WORDS}/{name}"] = arrays.pop(f"{WORDS}/cutoff_0/{name}")
    bias = arrays.pop(f"{SOFTMAX}/cutoff_0/b")
    if not model.config.cutoffs:
        return {**arrays, f"{SOFTMAX}/bias": bias}
    pieces = np.split(bias, model.config.cutoffs)
    return {**arrays, **{f"{SOFTMAX}/cutoff_{j}/b": piece for j, piece in enumerate(pieces)}}


def write(folder: Path, arrays: Arrays, config: TransfoXLConfig) -> str:
    slots = {f"{name}/{slot}": array for name, array in arrays.items() for slot in ("Adam", "Adam_1")}
    state = {"global_step": np.array(7, np.int64), "beta1_power": np.zeros((), np.float32)}
    write_tf1(folder / "model.ckpt-7", {**arrays, **slots, **state})
    (folder / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    config.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("untie_r", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        {"div_val": 1, "cutoffs": []},
        {"div_val": 1},
        {"div_val": 1, "d_embed": 4, "tie_projs": [True, False, True]},
        {"div_val": 1, "d_embed": 4, "cutoffs": [], "tie_projs": [True]},
        {"div_val": 2},
        {"div_val": 2, "tie_projs": [False, False, False]},
        {"div_val": 2, "d_embed": 4, "tie_projs": [True, True, True]},
    ],
    ids=str,
)
def test_every_kind_of_softmax(fields: dict[str, Any], untie_r: bool, tmp_path: Path) -> None:
    model = build(untie_r=untie_r, **fields)
    arrays = arrays_of(model)
    assert arrays["transformer/r_w_bias"].shape == ((2, 2, 3) if untie_r else (2, 3))
    assert arrays["transformer/layer_1/rel_attn/qkv/kernel"].shape == (8, 18)
    path = write(tmp_path, arrays, model.config)
    again, report = TransfoXLLMHeadModel.from_pretrained(path, output_loading_info=True)
    assert not any(report.values())
    assert not report.newly_initialized
    assert len(report.dropped) == 2 * len(arrays) + 2
    state = again.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name], tensor), name
    bare, report = TransfoXLModel.from_pretrained(path, output_loading_info=True)
    assert not any(report.values())
    for name, tensor in model.transformer.state_dict().items():
        assert torch.equal(bare.state_dict()[name], tensor), name


def test_projections_that_are_left_out_change_nothing(tmp_path: Path) -> None:
    """With ``proj_same_dim`` false; those of narrower vectors cannot be left out."""
    model = build(div_val=2, tie_projs=[False, True, True])
    arrays = arrays_of(model)
    del arrays[f"{WORDS}/cutoff_0/proj_W"], arrays[f"{SOFTMAX}/cutoff_0/proj"]
    again = TransfoXLLMHeadModel.from_pretrained(write(tmp_path, arrays, model.config))
    state = again.state_dict()
    for name in ("transformer.word_emb.emb_projs.0", "crit.out_projs.0"):
        assert torch.equal(state[name], torch.eye(8))
    assert torch.equal(state["crit.out_projs.1"], model.state_dict()["transformer.word_emb.emb_projs.1"])
    del arrays[f"{WORDS}/cutoff_1/proj_W"]
    with pytest.raises(WeightsError, match=r"missing from the file \(1\):\n  transformer\.word_emb\.emb_projs\.1"):
        TransfoXLLMHeadModel.from_pretrained(write(tmp_path, arrays, model.config))


def test_other_clusters_are_refused(tmp_path: Path) -> None:
    model = build(div_val=1)
    path = write(tmp_path, arrays_of(model), model.config)
    with pytest.raises(WeightsError, match=r"crit\.cluster_weight: the file has shape \(2, 8\).*\(1, 8\)"):
        TransfoXLLMHeadModel.from_pretrained(path, cutoffs=[5])
    with pytest.raises(WeightsError, match=r"crit\.out_layers\.0\.bias: the file has shape \(5,\).*\(16,\)"):
        TransfoXLLMHeadModel.from_pretrained(path, vocab_size=16)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    model = build(div_val=2)
    for name in ("transformer/r_emb", f"{SOFTMAX}/cutoff_0/lookup_table", f"{WORDS}/perm"):
        path = write(tmp_path, {**arrays_of(model), name: np.zeros(3, np.float32)}, model.config)
        with pytest.raises(WeightsError, match=rf"unknown to the model \(1\):\n  {name}"):
            TransfoXLLMHeadModel.from_pretrained(path)


@pytest.mark.parametrize("div_val", [1, 2])
def test_written_originals_are_those_that_were_read(div_val: int) -> None:
    """Of the authors' own file, what the model has a parameter for."""
    folder = data_path(f"checkpoints/transfo-xl-tf1/div_{div_val}")
    arrays = arrays_of(TransfoXLLMHeadModel.from_pretrained(str(folder)))
    with open_checkpoint(folder / "model.ckpt") as checkpoint:
        names = set(checkpoint.names())
        # Squares that leave vectors as they are.
        more = {f"{WORDS}/cutoff_0/proj_W", f"{SOFTMAX}/cutoff_0/proj"} if div_val == 2 else set()
        assert arrays.keys() == names | more
        for name in names:
            np.testing.assert_array_equal(arrays[name], checkpoint.read(name), err_msg=name)


def test_the_function_of_2019(tmp_path: Path) -> None:
    wanted = build(div_val=2)
    model = TransfoXLLMHeadModel(wanted.config)
    folder = Path(write(tmp_path, arrays_of(wanted), wanted.config))
    assert load_tf_weights_in_transfo_xl(model, model.config, str(folder / "model.ckpt-7")) is model
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name
