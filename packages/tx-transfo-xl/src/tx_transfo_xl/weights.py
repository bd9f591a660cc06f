"""Transformer-XL's parameters: published name, name in the authors' checkpoints, layout. See :mod:`tx_core.weights`.

The authors' code is https://github.com/kimiyoung/transformer-xl. Its names in PyTorch are published ones, but for the
biases, which all layers share. Those in TensorFlow are of ``tf/model.py``: the vectors of words in one table have no
cluster in their names (``div_val`` 1), those that score words are always the embeddings', and a projection that would
be square may be left out (``proj_same_dim``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from tx_core.weights import TF1, Array, Row, Tied, WeightTable, embedding, linear, norm

from .common import clusters
from .config import TransfoXLConfig

Reader = Callable[[], Array]

_LAYER, _LAYER_TF1 = "transformer.layers.{i}", "transformer/layer_{i}"
_ATTENTION, _FEED = f"{_LAYER}.dec_attn", f"{_LAYER}.pos_ff"
_WORDS_TF1, _SOFTMAX_TF1 = "transformer/adaptive_embed", "transformer/adaptive_softmax"


def ties(config: Any) -> Iterator[Tied]:
    """What is one parameter in a model: vectors and projections of embeddings and softmax, biases of all layers."""
    parts = len(config.cutoffs) + 1
    for i in range(parts if config.div_val > 1 else 1) if config.tie_word_embeddings else ():
        yield Tied(f"crit.out_layers.{i}.weight", f"transformer.word_emb.emb_layers.{i}.weight")
    for i, tied in enumerate(config.tied_projections):
        if tied and (config.div_val > 1 or config.d_embed != config.d_model):
            yield Tied(f"crit.out_projs.{i}", f"transformer.word_emb.emb_projs.{i if config.div_val > 1 else 0}")
    for i in range(0 if config.untie_r else config.n_layer):
        for name in ("r_r_bias", "r_w_bias"):
            yield Tied(f"transformer.layers.{i}.dec_attn.{name}", f"transformer.{name}")


def given(config: Any) -> dict[str, tuple[int, ...]]:
    """The shapes of what the authors leave out (projections), or have in pieces (the biases of one table)."""
    parts = clusters(config.vocab_size, config.d_embed, config.cutoffs, config.div_val)
    tables = parts if config.div_val > 1 else parts[:1]
    shapes: dict[str, tuple[int, ...]] = {}
    if config.div_val > 1 or config.d_model != config.d_embed:
        for i, part in enumerate(tables):
            shapes[f"transformer.word_emb.emb_projs.{i}"] = config.d_model, part.width
        for i, part in enumerate(parts):
            shapes[f"crit.out_projs.{i}"] = config.d_model, part.width
    if config.div_val == 1:
        shapes["crit.out_layers.0.bias"] = (config.vocab_size,)
    return shapes


def _kernel(name: str, original: str) -> tuple[Row, ...]:
    return linear(name, original, ("/kernel",))


class TransfoXLWeightTable(WeightTable):
    """A table that knows the names of vectors in one table, which have no cluster in them."""

    def for_program(self, arrays: Mapping[str, Reader], config: Any) -> Mapping[str, Reader]:
        """See :meth:`WeightTable.for_program`."""
        if config.div_val > 1:
            return arrays
        bias = f"{_SOFTMAX_TF1}/cutoff_0/b"
        found: dict[str, Reader] = {}
        for name, array in arrays.items():
            if name != bias:
                found[name.replace(f"{_WORDS_TF1}/cutoff_0/", f"{_WORDS_TF1}/", 1)] = array
            elif not config.cutoffs:
                found[f"{_SOFTMAX_TF1}/bias"] = array
            else:
                for i, each in enumerate(clusters(config.vocab_size, config.d_embed, config.cutoffs, 1)):
                    found[f"{_SOFTMAX_TF1}/cutoff_{i}/b"] = partial(_rows, array, each.start, each.end)
        return found


def _rows(array: Reader, start: int, end: int) -> Array:
    return array()[start:end]


WEIGHTS = TransfoXLWeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.word_emb.emb_layers.{j}", f"{_WORDS_TF1}/cutoff_{{j}}/lookup_table"),
        Row(
            "transformer.word_emb.emb_projs.{j}",
            f"{_WORDS_TF1}/cutoff_{{j}}/proj_W",
            "transpose",
            "projection",
            absent="identity",
        ),
        *(Row(f"transformer.{name}", f"transformer/{name}") for name in ("r_w_bias", "r_r_bias")),
        *_kernel(f"{_ATTENTION}.qkv_net", f"{_LAYER_TF1}/rel_attn/qkv"),
        *_kernel(f"{_ATTENTION}.r_net", f"{_LAYER_TF1}/rel_attn/r"),
        *_kernel(f"{_ATTENTION}.o_net", f"{_LAYER_TF1}/rel_attn/o"),
        *norm(f"{_ATTENTION}.layer_norm", f"{_LAYER_TF1}/rel_attn/LayerNorm"),
        *(Row(f"{_ATTENTION}.{name}", f"transformer/{name}", part="{i}") for name in ("r_w_bias", "r_r_bias")),
        *linear(f"{_FEED}.CoreNet.0", f"{_LAYER_TF1}/ff/layer_1"),
        *linear(f"{_FEED}.CoreNet.3", f"{_LAYER_TF1}/ff/layer_2"),
        *norm(f"{_FEED}.layer_norm", f"{_LAYER_TF1}/ff/LayerNorm"),
        Row("crit.cluster_weight", f"{_SOFTMAX_TF1}/cutoff_0/cluster_W"),
        Row("crit.cluster_bias", f"{_SOFTMAX_TF1}/cutoff_0/cluster_b"),
        # Keras files have them as parameters of the softmax itself.
        Row("crit.out_layers.{j}.weight", kind="shared_embedding"),
        Row("crit.out_layers.{j}.bias", f"{_SOFTMAX_TF1}/cutoff_{{j}}/b", kind="shared_embedding"),
        Row("crit.out_projs.{j}", f"{_SOFTMAX_TF1}/cutoff_{{j}}/proj", "transpose", "projection", absent="identity"),
    ),
    other_originals=(
        embedding("transformer.word_emb.emb_layers.0", f"{_WORDS_TF1}/lookup_table"),
        Row("transformer.word_emb.emb_projs.0", f"{_WORDS_TF1}/proj_W", "transpose", "projection"),
        Row("crit.out_layers.0.bias", f"{_SOFTMAX_TF1}/bias"),
    ),
    pieces={"crit.out_layers.0.bias": "crit.out_layers.{j}.bias"},
    original_files=("model.ckpt.index", *TransfoXLConfig.checkpoint_names),
    tied_by=ties,
    tf1=TF1(),
    given=given,
    heads={"Model": (), "LMHeadModel": ("crit",)},
    # A buffer of the published class.
    dropped=("transformer.pos_emb.inv_freq",),
    keras_layers={
        **{f"{_FEED}.CoreNet.{i}": f"{_FEED}.CoreNet_._{i}" for i in (0, 3)},
        **{f"crit.out_layers.{{j}}.{leaf}": f"crit.out_layers_._{{j}}_._{leaf}" for leaf in ("weight", "bias")},
    },
)
