"""XLNet's parameters: published names and layouts. See :mod:`tx_core.weights`."""

from __future__ import annotations

from collections.abc import Iterator

from tx_core.weights import Row, Tied, WeightTable, embedding, linear, norm

from .config import BIASES, XLNetConfig

_LAYER = "transformer.layer.{i}"


def tied_biases(config: XLNetConfig) -> Iterator[Tied]:
    """What layers share unless ``config.untie_r``: the biases of the first are those of all."""
    for layer in range(1, 1 if config.untie_r else config.n_layer):
        for name in BIASES:
            yield Tied(f"transformer.layer.{layer}.rel_attn.{name}", f"transformer.layer.0.rel_attn.{name}")


WEIGHTS = WeightTable(
    prefix="transformer",
    rows=(
        Row("transformer.mask_emb"),
        embedding("transformer.word_embedding", shared=True),
        *(Row(f"{_LAYER}.rel_attn.{name}") for name in ("q", "k", "v", "o", "r", *BIASES, "seg_embed")),
        *norm(f"{_LAYER}.rel_attn.layer_norm"),
        *norm(f"{_LAYER}.ff.layer_norm"),
        *linear(f"{_LAYER}.ff.layer_1"),
        *linear(f"{_LAYER}.ff.layer_2"),
        linear("lm_loss")[1],
        *linear("sequence_summary.summary"),
        *linear("logits_proj"),
        *linear("classifier"),
        *linear("qa_outputs"),
        # Answers by a beam.
        *linear("start_logits.dense"),
        *linear("end_logits.dense_0"),
        *norm("end_logits.LayerNorm"),
        *linear("end_logits.dense_1"),
        *linear("answer_class.dense_0"),
        *linear("answer_class.dense_1", leaves=("/kernel",)),
    ),
    tied=(Tied("lm_loss.weight", "transformer.word_embedding.weight"),),
    tied_by=tied_biases,
)
