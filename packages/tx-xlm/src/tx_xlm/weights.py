"""XLM's parameters: published names and layouts. See :mod:`tx_core.weights`.

The names in the authors' own files are those of published ones of the bare model.
"""

from __future__ import annotations

from tx_core.weights import Tied, WeightTable, embedding, linear, norm

from .config import XLMConfig

_ATTENTION, _FFN = "transformer.attentions.{i}", "transformer.ffns.{i}"

WEIGHTS = WeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.embeddings", shared=True),
        embedding("transformer.position_embeddings"),
        embedding("transformer.lang_embeddings"),
        *norm("transformer.layer_norm_emb"),
        *linear(f"{_ATTENTION}.q_lin"),
        *linear(f"{_ATTENTION}.k_lin"),
        *linear(f"{_ATTENTION}.v_lin"),
        *linear(f"{_ATTENTION}.out_lin"),
        *norm("transformer.layer_norm1.{i}"),
        *linear(f"{_FFN}.lin1"),
        *linear(f"{_FFN}.lin2"),
        *norm("transformer.layer_norm2.{i}"),
        linear("pred_layer.proj")[1],
        # An adaptive softmax: the most frequent words and the clusters of the others, then each cluster.
        *linear("pred_layer.proj.head"),
        *linear("pred_layer.proj.tail.{i}.0", leaves=("/kernel",)),
        *linear("pred_layer.proj.tail.{i}.1", leaves=("/kernel",)),
        *linear("sequence_summary.summary"),
        *linear("logits_proj"),
        *linear("classifier"),
        *linear("qa_outputs"),
        # Answers by a beam.
        *linear("qa_outputs.start_logits.dense"),
        *linear("qa_outputs.end_logits.dense_0"),
        *norm("qa_outputs.end_logits.LayerNorm"),
        *linear("qa_outputs.end_logits.dense_1"),
        *linear("qa_outputs.answer_class.dense_0"),
        *linear("qa_outputs.answer_class.dense_1", leaves=("/kernel",)),
    ),
    tied=(Tied("pred_layer.proj.weight", "transformer.embeddings.weight"),),
    # A buffer that releases of 2020-2022 saved.
    dropped=("transformer.position_ids",),
    # Probabilities of the training.
    dropped_originals=("params.*",),
    strangers=(
        ("*encoder_attn.*", "a translation model of XLM's (an encoder and a decoder); only language models are read"),
        ("*memories.*", "an XLM with product-key memories, which is another architecture"),
    ),
    original_files=XLMConfig.checkpoint_names,
    optional=("transformer.lang_embeddings.weight",),
    heads={
        "Model": (),
        "WithLMHeadModel": ("pred_layer",),
        "ForSequenceClassification": ("sequence_summary",),
        "ForMultipleChoice": ("sequence_summary", "logits_proj"),
        "ForTokenClassification": ("classifier",),
        "ForQuestionAnsweringSimple": ("qa_outputs.weight", "qa_outputs.bias"),
        "ForQuestionAnswering": ("qa_outputs.start_logits", "qa_outputs.end_logits", "qa_outputs.answer_class"),
    },
    keras_layers={"pred_layer.proj": "pred_layer_._proj"},
    keras_repeated={"pred_layer_._proj": "transformer.embeddings"},
)
