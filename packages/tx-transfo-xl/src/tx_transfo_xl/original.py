"""The configurations of Transformer-XL's authors (https://github.com/kimiyoung/transformer-xl).

In PyTorch the model that they save, ``model.pt``, is the module as it was (``pytorch/mem_transformer.py``), whose
attributes say what it is. In TensorFlow (``tf/``) it is the flags of a program, which a ``config.json`` beside a
checkpoint may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tx_core.checkpoints import Arguments, Checkpoint, CheckpointError, Shapes
from tx_core.messages import quoted

# Flags that no other configuration has.
MARKS = ("proj_same_dim", "share_proj")
# What the programs take where a flag is not given, and a TransfoXLConfig something else. The normalisation is that of
# `tf.contrib.layers.layer_norm`.
_DEFAULTS = {
    "clamp_len": -1,
    "cutoffs": [],
    "div_val": 1,
    "layer_norm_epsilon": 1e-12,
    "same_length": False,
    "untie_r": False,
}
_WORDS = "word_emb.emb_layers.0.weight"


def flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a TransfoXLConfig that the flags of the TensorFlow program are.

    Those for testing (``test_mem_len``, ``test_clamp_len``) go before those of the training. Projections may be left
    out of the checkpoint (``proj_same_dim`` false), which makes no difference to the model.

    Raises:
        ValueError: a flag is impossible; names it and the value.
    """
    found = {**_DEFAULTS, **values}
    for name in ("mem_len", "clamp_len"):
        found[name] = found.pop(f"test_{name}", found.get(name))
    if found["mem_len"] is None:
        del found["mem_len"]
    found.pop("proj_same_dim", None)
    cutoffs = found["cutoffs"]
    if isinstance(cutoffs, list):
        # All bounds of the clusters, the first and the last one too.
        cutoffs = cutoffs[1:] if cutoffs[:1] == [0] else cutoffs
        cutoffs = cutoffs[:-1] if cutoffs and cutoffs[-1] in (-1, found.get("vocab_size", -1)) else cutoffs
        found["cutoffs"] = cutoffs
    shared = found.pop("share_proj", None)
    if cutoffs == []:
        # A softmax without clusters projects as the embeddings do.
        shared = [True]
    elif isinstance(shared, bool) and isinstance(cutoffs, list):
        shared = [shared] * (len(cutoffs) + 1)
    if shared is not None:
        if not isinstance(shared, list) or not all(isinstance(each, bool) for each in shared):
            raise ValueError(f"share_proj is {quoted(shared)}, expected true, false or a list of these")
        found["tie_projs"] = shared
    return found


def fields(checkpoint: Checkpoint) -> dict[str, Any]:
    """The fields of a TransfoXLConfig that ``model.pt`` tells.

    Raises:
        CheckpointError: it holds no module of the authors', or one that is not supported.
    """
    prefix = next((name[: -len(_WORDS)] for name in checkpoint.names() if name.endswith(_WORDS)), None)
    note = {} if prefix is None else {name: checkpoint.note(prefix + path) for name, path in _ATTRIBUTES.items()}
    arguments = Arguments(
        checkpoint.path, {name: value for name, value in note.items() if value is not None}, "its attributes"
    )
    if prefix is None or arguments.value("n_token") is None:
        raise CheckpointError(
            checkpoint.path,
            "is no model.pt of Transformer-XL's authors, which is a whole pickled module, so it holds no "
            "configuration: pass config=, or put a config.json beside it",
        )
    if arguments.value("attn_type") != 0:
        raise arguments.error(
            "attn_type", ", but only 0 is supported, relative attention with encodings that nobody learns"
        )
    if arguments.value("sample_softmax") not in (None, -1, 0):
        raise arguments.error("sample_softmax", ", but a softmax over a sample of the words is not supported")
    shapes = Shapes(checkpoint, _WORDS.replace(".", r"\."))
    cutoffs, div_val = arguments.value("cutoffs"), arguments.count("div_val")
    if not isinstance(cutoffs, list) or cutoffs[-1:] != [arguments.count("n_token")]:
        raise arguments.error("cutoffs", ", expected the ends of the clusters, n_token the last one")
    tables = range(len(cutoffs) if div_val > 1 else 1)
    projected = f"{prefix}word_emb.emb_projs.0" in checkpoint.names()

    def same(own: str, other: str) -> bool:
        names = [f"{prefix}{own}", f"{prefix}{other}"]
        return all(name in checkpoint.names() for name in names) and checkpoint.same(*names)

    return {
        "vocab_size": arguments.count("n_token"),
        "cutoffs": cutoffs[:-1],
        **{name: arguments.count(name) for name in ("d_model", "d_embed", "n_head", "d_head", "div_val")},
        "d_inner": shapes.matrix("layers.0.pos_ff.CoreNet.0.weight")[0],
        "n_layer": shapes.count(r"layers\.\d+\.pos_ff\.CoreNet\.0\.weight"),
        **{name: arguments.index(name, 0) for name in ("tgt_len", "ext_len", "mem_len")},
        "clamp_len": -1 if (clamp_len := arguments.value("clamp_len")) is None else clamp_len,
        "same_length": arguments.flag("same_length", False),
        "pre_lnorm": arguments.flag("pre_lnorm", False),
        "untie_r": "layers.0.dec_attn.r_w_bias" in shapes,
        "dropout": arguments.probability("dropout", 0.0),
        "dropatt": arguments.probability("dropatt", 0.0),
        "layer_norm_epsilon": arguments.value("layer_norm_epsilon") or 1e-5,
        # What is one parameter is one in the file.
        "tie_word_embeddings": all(
            same(f"crit.out_layers.{i}.weight", f"word_emb.emb_layers.{i}.weight") for i in tables
        ),
        "tie_projs": [
            projected and same(f"crit.out_projs.{i}", f"word_emb.emb_projs.{i if div_val > 1 else 0}")
            for i in range(len(cutoffs))
        ],
    }


# Where the module has what a configuration says.
_ATTRIBUTES = {
    **{name: name for name in ("n_token", "d_model", "d_embed", "n_head", "d_head", "tgt_len", "ext_len", "mem_len")},
    **{name: name for name in ("clamp_len", "same_length", "attn_type", "sample_softmax")},
    "cutoffs": "word_emb.cutoffs",
    "div_val": "word_emb.div_val",
    "dropout": "drop.p",
    "dropatt": "layers.0.dec_attn.dropatt.p",
    "pre_lnorm": "layers.0.dec_attn.pre_lnorm",
    "layer_norm_epsilon": "layers.0.dec_attn.layer_norm.eps",
}
