"""What this package offers, for `tx_core.architecture.find("openai-gpt")` and the Auto classes."""

from __future__ import annotations

from tx_core.architecture import Architecture

_TASKS = {
    "base": "OpenAIGPTModel",
    "lm": "OpenAIGPTLMHeadModel",
    "pretraining": "OpenAIGPTLMHeadModel",
    "double-heads": "OpenAIGPTDoubleHeadsModel",
}

ARCHITECTURE = Architecture(
    model_type="openai-gpt",
    config="tx_openai_gpt.config:OpenAIGPTConfig",
    tokenizer="tx_openai_gpt.tokenizer:OpenAIGPTTokenizer",
    torch={task: f"tx_openai_gpt.model_torch:{name}" for task, name in _TASKS.items()},
    tf={task: f"tx_openai_gpt.model_tf:TF{name}" for task, name in _TASKS.items()},
    weights="tx_openai_gpt.weights:WEIGHTS",
)
