"""What this package offers: read by the Auto classes, by ``import tx_roberta`` and by the classes themselves."""

from tx_core.architecture import Architecture, Task

_PUBLISHED = (
    "roberta-base",
    "roberta-large",
    "roberta-large-mnli",
    "distilroberta-base",
    "roberta-base-openai-detector",
    "roberta-large-openai-detector",
)

ARCHITECTURE = Architecture(
    package="tx_roberta",
    model_type="roberta",
    name="Roberta",
    prefix="roberta",
    tasks={
        Task.BASE: "Model",
        Task.MASKED_LM: "ForMaskedLM",
        Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
        Task.QUESTION_ANSWERING: "ForQuestionAnswering",
        Task.MULTIPLE_CHOICE: "ForMultipleChoice",
    },
    published={name: name for name in _PUBLISHED},
    decodes=True,
)
