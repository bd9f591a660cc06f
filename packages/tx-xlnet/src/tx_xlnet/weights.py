"""XLNet's parameters: published name, name in the authors' checkpoints, layout. See :mod:`tx_core.weights`.

The authors' code is https://github.com/zihangdai/xlnet: ``modeling.py`` names what all models have, and
``function_builder.py`` the heads, which most fine-tuned models keep beside ``model``. What queries get added lies there
in one array for all layers, a stack with ``untie_r``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tx_core.weights import TF1, Row, Tied, WeightTable, embedding, linear, norm

from .config import BIASES, XLNetConfig

_TF1 = "model/transformer"
_LAYER, _LAYER_TF1 = "transformer.layer.{i}", f"{_TF1}/layer_{{i}}"
# A classifier is called as its task; the name here is the one that is written.
_HEAD = "model/classification_task/logit"
_ANY_HEAD = re.compile(r"model/((?:classification|regression)_.+)/logit/(kernel|bias)", re.DOTALL)


def tied_biases(config: XLNetConfig) -> Iterator[Tied]:
    """What layers share unless ``config.untie_r``: the biases of the first are those of all."""
    for layer in range(1, 1 if config.untie_r else config.n_layer):
        for name in BIASES:
            yield Tied(f"transformer.layer.{layer}.rel_attn.{name}", f"transformer.layer.0.rel_attn.{name}")


class XLNetWeightTable(WeightTable):
    """A table that knows the authors' classifiers, whose names are free."""

    def from_file(self, name: str) -> str:
        """See :meth:`WeightTable.from_file`."""
        found = _ANY_HEAD.fullmatch(name)
        return name if found is None else f"{_HEAD}/{found[2]}"

    def choice(self, name: str) -> str | None:
        """See :meth:`WeightTable.choice`."""
        found = _ANY_HEAD.fullmatch(name)
        return None if found is None else found[1]


WEIGHTS = XLNetWeightTable(
    prefix="transformer",
    rows=(
        # Fine-tuned models of the authors' have none: nothing is predicted that they do not see.
        Row("transformer.mask_emb", f"{_TF1}/mask_emb/mask_emb", absent=0),
        embedding("transformer.word_embedding", f"{_TF1}/word_embedding/lookup_table", shared=True),
        *(
            Row(f"{_LAYER}.rel_attn.{name}", f"{_LAYER_TF1}/rel_attn/{name}/kernel")
            for name in ("q", "k", "v", "o", "r")
        ),
        *(Row(f"{_LAYER}.rel_attn.{name}", f"{_TF1}/{name}", part="{i}", axes=2) for name in BIASES),
        Row(f"{_LAYER}.rel_attn.seg_embed", f"{_TF1}/seg_embed", part="{i}"),
        *norm(f"{_LAYER}.rel_attn.layer_norm", f"{_LAYER_TF1}/rel_attn/LayerNorm"),
        *norm(f"{_LAYER}.ff.layer_norm", f"{_LAYER_TF1}/ff/LayerNorm"),
        *linear(f"{_LAYER}.ff.layer_1", f"{_LAYER_TF1}/ff/layer_1"),
        *linear(f"{_LAYER}.ff.layer_2", f"{_LAYER_TF1}/ff/layer_2"),
        Row("lm_loss.bias", "model/lm_loss/bias", kind="linear"),
        *linear("sequence_summary.summary", "model/sequnece_summary/summary"),
        *linear("logits_proj", _HEAD),
        *linear("classifier"),
        *linear("qa_outputs"),
        # Answers by a beam.
        *linear("start_logits.dense", "start_logits/dense"),
        *linear("end_logits.dense_0", "end_logits/dense_0"),
        *norm("end_logits.LayerNorm", "end_logits/LayerNorm"),
        *linear("end_logits.dense_1", "end_logits/dense_1"),
        *linear("answer_class.dense_0", "answer_class/dense_0"),
        *linear("answer_class.dense_1", "answer_class/dense_1", leaves=("/kernel",)),
    ),
    other_originals=(
        Row("lm_loss.weight", "model/lm_loss/weight", kind="linear"),
        # Of choices (RACE).
        *linear("logits_proj", "logits/dense"),
    ),
    tied=(Tied("lm_loss.weight", "transformer.word_embedding.weight"),),
    tied_by=tied_biases,
    original_files=("xlnet_model.ckpt.index",),
    tf1=TF1(
        "xlnet_config.json",
        {
            **{name: name for name in ("d_inner", "d_model", "n_head", "n_layer", "untie_r")},
            "d_head": "head_width",
            "ff_activation": "authors_activation",
            "n_token": "vocab_size",
        },
    ),
    given=lambda config: {"transformer.mask_emb": (1, 1, config.d_model)},
    heads={
        "Model": (),
        "LMHeadModel": ("lm_loss",),
        "ForSequenceClassification": ("sequence_summary", "logits_proj"),
        "ForMultipleChoice": ("sequence_summary", "logits_proj"),
        "ForTokenClassification": ("classifier",),
        "ForQuestionAnsweringSimple": ("qa_outputs",),
        "ForQuestionAnswering": ("start_logits", "end_logits", "answer_class"),
    },
    keras_repeated={"lm_loss": "transformer.word_embedding"},
)
