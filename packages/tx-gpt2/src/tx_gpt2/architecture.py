"""What this package offers, for `tx_core.architecture.find("gpt2")` and the Auto classes."""

from __future__ import annotations

from tx_core.architecture import Architecture

_TASKS = {
    "base": "GPT2Model",
    "lm": "GPT2LMHeadModel",
    "pretraining": "GPT2LMHeadModel",
    "double-heads": "GPT2DoubleHeadsModel",
}

ARCHITECTURE = Architecture(
    model_type="gpt2",
    config="tx_gpt2.config:GPT2Config",
    tokenizer="tx_gpt2.tokenizer:GPT2Tokenizer",
    torch={task: f"tx_gpt2.model_torch:{name}" for task, name in _TASKS.items()},
    tf={task: f"tx_gpt2.model_tf:TF{name}" for task, name in _TASKS.items()},
    weights="tx_gpt2.weights:WEIGHTS",
)
