"""The authors' own checkpoints, changed, or small ones of the same form."""

from __future__ import annotations

import argparse
import pickle
import shutil
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tx_core.checkpoints import open_checkpoint, write_tf1, write_torch_bin

from .data import data_path

Arrays = dict[str, np.ndarray[Any, Any]]


def write_googles_bert(folder: Path, slots: Iterable[str], *others: str) -> set[str]:
    """Write Google's BERT as another optimizer would have left it.

    Args:
        folder: where to.
        slots: what the optimizer appends to the names of parameters, in the place of the slots that are there.
        others: names of further arrays.

    Returns:
        The names of all that is no parameter.
    """
    source = data_path("checkpoints/bert-tf1")
    with open_checkpoint(source / "bert_model.ckpt.index") as checkpoint:
        arrays = {n: checkpoint.read(n) for n in checkpoint.names() if not n.endswith(("adam_m", "adam_v"))}
    parameters = [name for name in arrays if name != "global_step"]
    state = {f"{name}/{slot}" for name in parameters for slot in slots}
    state |= {"beta1_power", "beta2_power", "loss_scale", "good_steps", *others}
    shutil.copy(source / "bert_config.json", folder)
    write_tf1(folder / "bert_model.ckpt", {**arrays, **{name: np.zeros(3, np.float32) for name in state}})
    return {*state, "global_step"}


def write_training(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], key: str = "model", **notes: Any) -> None:
    """Write a training's checkpoint as `torch.save({key: {name: tensor}, **notes}, path)` does, without PyTorch."""
    write_torch_bin(path, arrays)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in entries if name.endswith("/data.pkl"))
    values = _pickled(key) + entries[pickled][2:-1]
    values += b"".join(_pickled(name) + pickle.dumps(value, 2)[2:-1] for name, value in notes.items())
    entries[pickled] = b"\x80\x02}(" + values + b"u."
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def _pickled(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


# The heavy chain of an antibody, of the test of the package sapiens, whose RoBERTa TX_DATA has.
HEAVY_CHAIN = (
    "QVQLVQSGVEVKKPGASVKVSCKASGYTFTNYYMYWVRQAPGQGLEWMGGINPSNGGTNFNEKFKNRVTLTTDSSTTTAYMELKSLQFDDTAVYYCARRDYRFDMGFDYWGQG"
    "TTVTVSS"
)


def heavy_chain(folder: Path) -> tuple[list[str], list[int]]:
    """(symbols by id, ids of HEAVY_CHAIN between ``<s>`` and ``</s>``) by the ``dict.txt`` of a folder."""
    residues = [line.split()[0] for line in (folder / "dict.txt").read_text().splitlines()]
    symbols = ["<s>", "<pad>", "</s>", "<unk>", *residues, "<mask>"]
    return symbols, [0, *map(symbols.index, HEAVY_CHAIN), 2]


FAIRSEQ_ENCODER = "encoder.sentence_encoder."
FAIRSEQ_SIZES = {
    "encoder_layers": 2,
    "encoder_embed_dim": 8,
    "encoder_ffn_embed_dim": 12,
    "encoder_attention_heads": 2,
    "max_positions": 14,
}
FAIRSEQ_ARGS = {
    "arch": "roberta_base",
    "task": "masked_lm",
    "activation_fn": "gelu",
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "activation_dropout": 0.0,
    "pooler_dropout": 0.4,
    "pooler_activation_fn": "tanh",
    "encoder_layerdrop": 0,
    "untie_weights_roberta": False,
    **FAIRSEQ_SIZES,
}


def fairseq_roberta(tokens: int = 20, heads: Mapping[str, int] | None = None) -> Arrays:
    """The arrays of a small RoBERTa under the names of fairseq 0.12.

    Args:
        tokens: the size of its dictionary.
        heads: the name of a classification head → its number of classes.
    """
    random = np.random.default_rng(0)
    layers, width, inner, _, positions = FAIRSEQ_SIZES.values()
    words = f"{FAIRSEQ_ENCODER}embed_tokens.weight"
    shapes: dict[str, tuple[int, ...]] = {
        words: (tokens, width),
        f"{FAIRSEQ_ENCODER}embed_positions.weight": (positions + 2, width),
        f"{FAIRSEQ_ENCODER}layernorm_embedding": (width,),
    }
    for i in range(layers):
        layer = f"{FAIRSEQ_ENCODER}layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{layer}self_attn.{name}"] = width, width
        shapes |= {f"{layer}fc1": (inner, width), f"{layer}fc2": (width, inner)}
        shapes |= {f"{layer}self_attn_layer_norm": (width,), f"{layer}final_layer_norm": (width,)}
    shapes |= {"encoder.lm_head.dense": (width, width), "encoder.lm_head.layer_norm": (width,)}
    for head, classes in (heads or {}).items():
        shapes[f"classification_heads.{head}.dense"] = width, width
        shapes[f"classification_heads.{head}.out_proj"] = classes, width
    arrays: Arrays = {}
    for name, shape in shapes.items():
        weight = random.normal(0, 0.2, shape).astype(np.float32)
        if name.endswith(".weight"):
            arrays[name] = weight
        else:
            arrays[f"{name}.weight"] = weight + (len(shape) == 1)
            arrays[f"{name}.bias"] = random.normal(0, 0.2, shape[:1]).astype(np.float32)
    arrays["encoder.lm_head.weight"] = arrays[words]
    arrays["encoder.lm_head.bias"] = random.normal(0, 0.2, tokens).astype(np.float32)
    return arrays


def fairseq_release(arrays: Arrays, release: str) -> Arrays:
    """The same under the names, and in the matrices, of another release of fairseq: 0.8, 0.10 or 0.12."""
    if release == "0.12":
        return {**arrays, f"{FAIRSEQ_ENCODER}version": np.full(1, 3, np.float32)}
    old: Arrays = {}
    for name, array in arrays.items():
        name = name.replace("layernorm_embedding", "emb_layer_norm")
        if release == "0.8":
            name = name.replace("encoder.", "decoder.", 1) if name.startswith("encoder.") else name
            first, fused, leaf = name.partition("q_proj.")
            if fused:
                parts = [arrays[f"{first}{part}_proj.{leaf}".replace("decoder.", "encoder.", 1)] for part in "qkv"]
                name, array = f"{first}in_proj_{leaf}", np.concatenate(parts)
            elif "k_proj." in name or "v_proj." in name:
                continue
        old[name] = array
    return old


def write_fairseq_roberta(
    path: Path, release: str = "0.12", heads: Mapping[str, int] | None = None, tokens: int = 20, **args: Any
) -> Arrays:
    """Write a small RoBERTa as a release of fairseq does; returns its arrays under the names of 0.12.

    Args:
        heads, tokens: see :func:`fairseq_roberta`.
        args: arguments of the training that are to be others; those that are None are left out.
    """
    arrays = fairseq_roberta(tokens, heads)
    given = {name: value for name, value in {**FAIRSEQ_ARGS, **args}.items() if value is not None}
    notes: dict[str, Any] = {"args": argparse.Namespace(**given)}
    if release == "0.12":
        notes = {"args": None, "cfg": {"model": {"_name": given.get("arch"), **given}, "task": {"_name": "masked_lm"}}}
    history = [{"num_updates": 7, "lr_scheduler_state": {"best": 1.5}}]
    state = {"train_iterator": {"epoch": 2}, "val_loss": 1.5}
    write_training(path, fairseq_release(arrays, release), **notes, optimizer_history=history, extra_state=state)
    return arrays


# As many words as XLM's dictionaries begin with, and some of BPE's.
XLM_WORDS = (
    *("<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))),
    *(",", "the", "th@@", "e", "lo@@", "w", "er", "l@@", "o@@", "h@@", "t@@", "<@@", "r", "n@@"),
)
XLM_PARAMS = {
    "exp_name": "test",
    "encoder_only": True,
    "emb_dim": 8,
    "n_layers": 2,
    "n_heads": 2,
    "dropout": 0.2,
    "attention_dropout": 0.3,
    "gelu_activation": True,
    "share_inout_emb": True,
    "sinusoidal_embeddings": False,
    "use_lang_emb": True,
    "use_memory": False,
    "asm": False,
    "asm_cutoffs": "8000,20000",
    "asm_div_value": 4,
    "lgs": "de-en",
    "langs": ["de", "en"],
    "id2lang": {0: "de", 1: "en"},
    "lang2id": {"de": 0, "en": 1},
    "n_langs": 2,
    "mono_dataset": {"de": {"train": ("de.pth",)}},
    "para_dataset": {("de", "en"): {}},
    "clm_steps": [],
    "mlm_steps": [("de", None), ("en", None)],
    "n_words": len(XLM_WORDS),
    "bos_index": 0,
    "eos_index": 1,
    "pad_index": 2,
    "unk_index": 3,
    "mask_index": 5,
    "mask_scores": np.ones(len(XLM_WORDS)),
}


def xlm(languages: int = 2) -> Arrays:
    """The arrays of a small XLM, under the names that the authors' code gives them."""
    random = np.random.default_rng(0)
    words, width, layers, positions = len(XLM_WORDS), XLM_PARAMS["emb_dim"], XLM_PARAMS["n_layers"], 16
    assert isinstance(width, int)
    assert isinstance(layers, int)
    arrays: Arrays = {}
    tables = {"position_embeddings": positions, "lang_embeddings": languages, "embeddings": words}
    for name, rows in tables.items():
        if rows > 1:
            arrays[f"{name}.weight"] = random.normal(0, 0.2, (rows, width)).astype(np.float32)
    shapes: dict[str, tuple[int, ...]] = {"layer_norm_emb": (width,)}
    for i in range(layers):
        shapes |= {f"attentions.{i}.{name}": (width, width) for name in ("q_lin", "k_lin", "v_lin", "out_lin")}
        shapes |= {f"layer_norm1.{i}": (width,), f"layer_norm2.{i}": (width,)}
        shapes |= {f"ffns.{i}.lin1": (4 * width, width), f"ffns.{i}.lin2": (width, 4 * width)}
    for name, shape in shapes.items():
        arrays[f"{name}.weight"] = (random.normal(0, 0.2, shape) + (len(shape) == 1)).astype(np.float32)
        arrays[f"{name}.bias"] = random.normal(0, 0.2, shape[:1]).astype(np.float32)
    arrays["pred_layer.proj.weight"] = arrays["embeddings.weight"]
    arrays["pred_layer.proj.bias"] = random.normal(0, 0.2, words).astype(np.float32)
    return arrays


def xlm_notes(**params: Any) -> dict[str, Any]:
    """What the authors' code saves beside the arrays; params that are None are left out."""
    words = dict(enumerate(XLM_WORDS))
    return {
        "params": {name: value for name, value in {**XLM_PARAMS, **params}.items() if value is not None},
        "dico_id2word": words,
        "dico_word2id": {word: index for index, word in words.items()},
        "dico_counts": dict.fromkeys(XLM_WORDS, 7),
    }


def write_xlm(path: Path, wrapper: str = "", languages: int = 2, **params: Any) -> Arrays:
    """Write a small XLM as the authors' code does; returns its arrays.

    Args:
        wrapper: what the names begin with, ``module.`` where several processes trained it.
        languages: for how many languages it has vectors.
        params: parameters of the training that are to be others; those that are None are left out.
    """
    arrays = xlm(languages)
    write_training(path, {wrapper + name: array for name, array in arrays.items()}, **xlm_notes(**params))
    return arrays
