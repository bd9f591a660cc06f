"""GPT-2's parameters: published name, name in OpenAI's checkpoints, layout. See :mod:`tx_core.weights`.

OpenAI's conv1d kernels are (1, in, out); the published ones keep (in, out) and are never transposed.
"""

from __future__ import annotations

from tx_core.weights import TF1, Row, Tied, WeightTable, conv1d, embedding, linear, norm


def _norm(name: str, original: str) -> tuple[Row, ...]:
    return norm(name, original, leaves=("/g", "/b"))


LAYER, LAYER_TF1 = "transformer.h.{i}", "model/h{i}"

WEIGHTS = WeightTable(
    prefix="transformer",
    rows=(
        embedding("transformer.wte", "model/wte", shared=True),
        embedding("transformer.wpe", "model/wpe"),
        *_norm(f"{LAYER}.ln_1", f"{LAYER_TF1}/ln_1"),
        *conv1d(f"{LAYER}.attn.c_attn", f"{LAYER_TF1}/attn/c_attn"),
        *conv1d(f"{LAYER}.attn.c_proj", f"{LAYER_TF1}/attn/c_proj"),
        *_norm(f"{LAYER}.ln_2", f"{LAYER_TF1}/ln_2"),
        *conv1d(f"{LAYER}.mlp.c_fc", f"{LAYER_TF1}/mlp/c_fc"),
        *conv1d(f"{LAYER}.mlp.c_proj", f"{LAYER_TF1}/mlp/c_proj"),
        *_norm("transformer.ln_f", "model/ln_f"),
        # The original has no head over whole sequences.
        *linear("multiple_choice_head.summary"),
    ),
    tied=(Tied("lm_head.weight", "transformer.wte.weight"),),
    tf1=TF1(
        "hparams.json",
        {"n_vocab": "vocab_size", "n_ctx": "n_positions", "n_embd": "n_embd", "n_head": "n_head", "n_layer": "n_layer"},
    ),
    heads={
        "Model": (),
        "LMHeadModel": ("lm_head",),
        "DoubleHeadsModel": ("lm_head", "multiple_choice_head"),
    },
    # The causal mask and what it filled in, which releases up to 2023 saved.
    dropped=(f"{LAYER}.attn.bias", f"{LAYER}.attn.masked_bias"),
)
