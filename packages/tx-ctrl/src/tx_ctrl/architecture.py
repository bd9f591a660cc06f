"""What this package offers, for `tx_core.architecture.find("ctrl")` and the Auto classes."""

from __future__ import annotations

from tx_core.architecture import Architecture

_TASKS = {
    "base": "CTRLModel",
    "lm": "CTRLLMHeadModel",
    "pretraining": "CTRLLMHeadModel",
}

ARCHITECTURE = Architecture(
    model_type="ctrl",
    config="tx_ctrl.config:CTRLConfig",
    tokenizer="tx_ctrl.tokenizer:CTRLTokenizer",
    torch={task: f"tx_ctrl.model_torch:{name}" for task, name in _TASKS.items()},
    tf={task: f"tx_ctrl.model_tf:TF{name}" for task, name in _TASKS.items()},
    weights="tx_ctrl.weights:WEIGHTS",
)
