"""RoBERTa's parameters: published name, name in fairseq's checkpoints, layout. See :mod:`tx_core.weights`.

fairseq called the encoder ``decoder`` before 0.10, and its normalised embeddings ``emb_layer_norm`` before 0.11. Before
0.9 one matrix held queries, keys and values.
"""

from __future__ import annotations

import re

from tx_core.weights import Row, Tied, WeightTable, embedding, linear, norm

from .config import RobertaConfig

LEAVES = (".weight", ".bias")


def _linear(name: str, original: str) -> tuple[Row, ...]:
    return linear(name, original, LEAVES, "same")


def _norm(name: str, original: str) -> tuple[Row, ...]:
    return norm(name, original, LEAVES)


def _attention(name: str, original: str) -> tuple[Row, ...]:
    return (
        *_linear(f"{name}.self.query", f"{original}.q_proj"),
        *_linear(f"{name}.self.key", f"{original}.k_proj"),
        *_linear(f"{name}.self.value", f"{original}.v_proj"),
        *_linear(f"{name}.output.dense", f"{original}.out_proj"),
        *_norm(f"{name}.output.LayerNorm", f"{original}_layer_norm"),
    )


def _cross_attention(name: str) -> tuple[Row, ...]:
    return (
        *linear(f"{name}.self.query"),
        *linear(f"{name}.self.key"),
        *linear(f"{name}.self.value"),
        *linear(f"{name}.output.dense"),
        *norm(f"{name}.output.LayerNorm"),
    )


FAIRSEQ = "encoder.sentence_encoder"
LAYER, LAYER_FAIRSEQ = "roberta.encoder.layer.{i}", f"{FAIRSEQ}.layers.{{i}}"
# A head is called as whoever trained it chose; this is fairseq's own choice.
HEAD = "classification_heads.sentence_classification_head."
_ANY_HEAD = re.compile(r"classification_heads\.(.+)\.(?=(?:dense|out_proj)\.(?:weight|bias)$)", re.DOTALL)


class RobertaWeightTable(WeightTable):
    """A table that knows the names of each release of fairseq, and its heads, whose names are free."""

    def from_file(self, name: str) -> str:
        """See :meth:`WeightTable.from_file`."""
        if name.startswith("decoder."):
            name = f"en{name[2:]}"
        name = name.replace(f"{FAIRSEQ}.emb_layer_norm.", f"{FAIRSEQ}.layernorm_embedding.", 1)
        return _ANY_HEAD.sub(lambda found: HEAD, name, count=1) if _ANY_HEAD.match(name) else name

    def choice(self, name: str) -> str | None:
        """See :meth:`WeightTable.choice`."""
        found = _ANY_HEAD.match(name)
        return None if found is None else found[1]


WEIGHTS = RobertaWeightTable(
    prefix="roberta",
    rows=(
        embedding("roberta.embeddings.word_embeddings", f"{FAIRSEQ}.embed_tokens.weight", shared=True),
        embedding("roberta.embeddings.position_embeddings", f"{FAIRSEQ}.embed_positions.weight"),
        # fairseq's RoBERTa has no segments.
        embedding("roberta.embeddings.token_type_embeddings", absent=0),
        *_norm("roberta.embeddings.LayerNorm", f"{FAIRSEQ}.layernorm_embedding"),
        *_attention(f"{LAYER}.attention", f"{LAYER_FAIRSEQ}.self_attn"),
        *_cross_attention(f"{LAYER}.crossattention"),
        *_linear(f"{LAYER}.intermediate.dense", f"{LAYER_FAIRSEQ}.fc1"),
        *_linear(f"{LAYER}.output.dense", f"{LAYER_FAIRSEQ}.fc2"),
        *_norm(f"{LAYER}.output.LayerNorm", f"{LAYER_FAIRSEQ}.final_layer_norm"),
        *linear("roberta.pooler.dense"),
        Row("lm_head.bias", "encoder.lm_head.bias"),
        *_linear("lm_head.dense", "encoder.lm_head.dense"),
        *_norm("lm_head.layer_norm", "encoder.lm_head.layer_norm"),
        # Of sequences; of tokens and choices.
        *_linear("classifier.dense", f"{HEAD}dense"),
        *_linear("classifier.out_proj", f"{HEAD}out_proj"),
        *linear("classifier"),
        *linear("qa_outputs"),
    ),
    other_originals=(
        *(
            row
            for k, name in enumerate(("query", "key", "value"))
            for row in linear(
                f"{LAYER}.attention.self.{name}",
                f"{LAYER_FAIRSEQ}.self_attn.in_proj_",
                ("weight", "bias"),
                "same",
                part=(k, 3),
            )
        ),
        Row("lm_head.decoder.weight", "encoder.lm_head.weight", kind="linear"),
    ),
    tied=(
        Tied("lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"),
        Tied("lm_head.decoder.bias", "lm_head.bias"),
    ),
    # A buffer that releases of 2020-2022 saved.
    dropped=("roberta.embeddings.position_ids",),
    # Buffers that tell the release.
    dropped_originals=(f"{FAIRSEQ}.version", "encoder.version"),
    strangers=(
        ("*encoder_attn.*", "a model of fairseq's with an encoder and a decoder (for translation, say), not RoBERTa"),
        ("*decoder.layers.*", "a decoder of fairseq's (a language model), not RoBERTa"),
        ("*sentence_encoder.layer_norm.*", "a RoBERTa whose layers normalise what they read, which is not supported"),
        ("*sentence_encoder.segment_embeddings.*", "a BERT of fairseq's, not RoBERTa"),
    ),
    original_files=RobertaConfig.checkpoint_names,
    given=lambda config: {
        "roberta.embeddings.token_type_embeddings.weight": (config.type_vocab_size, config.hidden_size)
    },
    heads={
        "Model": (),
        "ForMaskedLM": ("lm_head",),
        "ForSequenceClassification": ("classifier.dense", "classifier.out_proj"),
        "ForTokenClassification": ("classifier.weight", "classifier.bias"),
        "ForMultipleChoice": ("classifier.weight", "classifier.bias"),
        "ForQuestionAnswering": ("qa_outputs",),
    },
    keras_repeated={"lm_head": "roberta.embeddings"},
)
