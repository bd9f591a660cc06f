"""Writes whole pickled modules of the shape of Transformer-XL's authors', as their training saves them.

It runs as a program, since the classes' modules have names that nobody else's should have:
``python -m tx_testing.mem_transformer '{"model.pt": {"div_val": 2}}'``, by the names of files. The arrays that each has
are written beside it, under the names of ``state_dict``.
"""

from __future__ import annotations

import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

_DEFAULTS: dict[str, Any] = {
    "n_token": 15,
    "n_layer": 2,
    "d_model": 8,
    "d_embed": 8,
    "n_head": 2,
    "d_head": 3,
    "d_inner": 12,
    "cutoffs": [5, 9],
    "div_val": 1,
    "tie_weight": True,
    "tie_projs": [False, True, True],
    "tgt_len": 6,
    "mem_len": 4,
    "ext_len": 0,
    "clamp_len": 7,
    "same_length": True,
    "pre_lnorm": False,
    "attn_type": 0,
    "sample_softmax": -1,
    "dropout": 0.2,
    "dropatt": 0.3,
}


def _classes(names: str, module: str) -> dict[str, type[nn.Module]]:
    """Classes that pickles say to be of a module."""
    parts = module.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    found = {name: type(name, (nn.Module,), {"__module__": module}) for name in names.split()}
    vars(sys.modules[module]).update(found)
    return found


_OF_MODEL = _classes(
    "MemTransformerLM RelPartialLearnableDecoderLayer RelPartialLearnableMultiHeadAttn PositionwiseFF "
    "AdaptiveEmbedding PositionalEmbedding",
    "mem_transformer",
)
_SOFTMAX = _classes("ProjectedAdaptiveLogSoftmax", "utils.proj_adaptive_softmax")
_HALF = _classes("FP16_Module", "fp16_opt")


def _with(module: nn.Module, /, **attributes: Any) -> nn.Module:
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def _parameters(*matrices: torch.Tensor) -> nn.ParameterList:
    return nn.ParameterList(nn.Parameter(each) for each in matrices)


def _layer(o: dict[str, Any]) -> nn.Module:
    width = o["n_head"] * o["d_head"]
    attention = _with(
        _OF_MODEL["RelPartialLearnableMultiHeadAttn"](),
        **{name: o[name] for name in ("n_head", "d_model", "d_head", "dropout", "pre_lnorm")},
        qkv_net=nn.Linear(o["d_model"], 3 * width, bias=False),
        drop=nn.Dropout(o["dropout"]),
        dropatt=nn.Dropout(o["dropatt"]),
        o_net=nn.Linear(width, o["d_model"], bias=False),
        layer_norm=nn.LayerNorm(o["d_model"]),
        r_net=nn.Linear(o["d_model"], width, bias=False),
    )
    first, second = nn.Linear(o["d_model"], o["d_inner"]), nn.Linear(o["d_inner"], o["d_model"])
    drops = nn.Dropout(o["dropout"]), nn.Dropout(o["dropout"])
    feed = _with(
        _OF_MODEL["PositionwiseFF"](),
        CoreNet=nn.Sequential(first, nn.ReLU(inplace=True), drops[0], second, drops[1]),
        layer_norm=nn.LayerNorm(o["d_model"]),
        pre_lnorm=o["pre_lnorm"],
    )
    return _with(_OF_MODEL["RelPartialLearnableDecoderLayer"](), dec_attn=attention, pos_ff=feed)


def _model(o: dict[str, Any]) -> nn.Module:
    ends = [*o["cutoffs"], o["n_token"]]
    several = o["div_val"] > 1
    bounds = list(zip([0, *ends], ends, strict=False)) if several else [(0, o["n_token"])]
    widths = [o["d_embed"] // o["div_val"] ** i for i in range(len(bounds))]
    projected = several or o["d_embed"] != o["d_model"]
    tables = [nn.Embedding(end - start, width) for (start, end), width in zip(bounds, widths, strict=True)]
    projections = [torch.randn(o["d_model"], width) for width in widths] if projected else []
    words = _with(
        _OF_MODEL["AdaptiveEmbedding"](),
        n_token=o["n_token"],
        d_embed=o["d_embed"],
        cutoffs=ends,
        cutoff_ends=[0, *ends],
        div_val=o["div_val"],
        d_proj=o["d_model"],
        emb_layers=nn.ModuleList(tables),
        emb_projs=_parameters(*projections),
    )
    scores = [nn.Linear(width, end - start) for (start, end), width in zip(bounds, widths, strict=True)]
    shapes = widths if several else widths * len(ends)
    out_projs = _parameters(*(torch.randn(o["d_model"], width) for width in shapes if projected))
    softmax = _with(
        _SOFTMAX["ProjectedAdaptiveLogSoftmax"](),
        n_token=o["n_token"],
        cutoffs=ends,
        div_val=o["div_val"],
        out_layers=nn.ModuleList(scores),
        out_projs=out_projs,
    )
    if o["cutoffs"]:
        softmax.cluster_weight = nn.Parameter(torch.randn(len(o["cutoffs"]), o["d_embed"]))
        softmax.cluster_bias = nn.Parameter(torch.randn(len(o["cutoffs"])))
    for table, layer in zip(tables, scores, strict=True):
        if o["tie_weight"]:
            layer.weight = table.weight
    for i, tied in enumerate(o["tie_projs"] if projected else ()):
        if tied:
            out_projs[i] = words.emb_projs[i if several else 0]  # type: ignore[index]
    model = _with(
        _OF_MODEL["MemTransformerLM"](),
        **{
            name: o[name]
            for name in ("n_token", "d_embed", "d_model", "n_head", "d_head", "n_layer", "tgt_len", "mem_len")
        },
        **{name: o[name] for name in ("ext_len", "attn_type", "sample_softmax", "same_length", "clamp_len")},
        max_klen=o["tgt_len"] + o["ext_len"] + o["mem_len"],
        word_emb=words,
        drop=nn.Dropout(o["dropout"]),
        layers=nn.ModuleList(_layer(o) for _ in range(o["n_layer"])),
        crit=softmax,
        pos_emb=_OF_MODEL["PositionalEmbedding"](),
        r_w_bias=nn.Parameter(torch.randn(o["n_head"], o["d_head"])),
        r_r_bias=nn.Parameter(torch.randn(o["n_head"], o["d_head"])),
    )
    model.pos_emb.register_buffer("inv_freq", torch.ones(o["d_model"] // 2))  # type: ignore[union-attr]
    return model


def main(files: dict[str, dict[str, Any]]) -> None:
    """Write files.

    Args:
        files: path → options of the model that differ from ``_DEFAULTS``, and ``stream``, whether the file has the
            format before PyTorch 1.6, and ``wrapper``, "parallel" or "half".
    """
    torch.manual_seed(0)
    for path, changes in files.items():
        options = {**_DEFAULTS, **changes}
        model = _model(options)
        if options.get("wrapper") == "parallel":
            model = nn.DataParallel(model)
        elif options.get("wrapper") == "half":
            model = _with(_HALF["FP16_Module"](), module=model.half())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the classes have no source
            torch.save(model, path, _use_new_zipfile_serialization=not options.get("stream"))
        arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
        np.savez(Path(path).with_suffix(".npz"), allow_pickle=False, **arrays)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
