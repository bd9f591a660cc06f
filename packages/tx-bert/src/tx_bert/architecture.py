"""What this package offers, for `tx_core.architecture.find("bert")` and the Auto classes."""

from __future__ import annotations

from tx_core.architecture import Architecture

_TASKS = {
    "base": "BertModel",
    "pretraining": "BertForPreTraining",
    "lm": "BertForMaskedLM",
    "sequence-classification": "BertForSequenceClassification",
    "token-classification": "BertForTokenClassification",
    "question-answering": "BertForQuestionAnswering",
    "multiple-choice": "BertForMultipleChoice",
    "next-sentence": "BertForNextSentencePrediction",
}

ARCHITECTURE = Architecture(
    model_type="bert",
    config="tx_bert.config:BertConfig",
    tokenizer="tx_bert.tokenizer:BertTokenizer",
    torch={task: f"tx_bert.model_torch:{name}" for task, name in _TASKS.items()},
    tf={task: f"tx_bert.model_tf:TF{name}" for task, name in _TASKS.items()},
    weights="tx_bert.weights:WEIGHTS",
)
