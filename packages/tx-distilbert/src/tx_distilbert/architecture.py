"""What this package offers, for the Auto classes, ``import tx_distilbert`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

_PUBLISHED = (
    "distilbert-base-uncased",
    "distilbert-base-uncased-distilled-squad",
    "distilbert-base-cased",
    "distilbert-base-cased-distilled-squad",
    "distilbert-base-german-cased",
    "distilbert-base-multilingual-cased",
    "distilbert-base-uncased-finetuned-sst-2-english",
)

ARCHITECTURE = Architecture(
    package="tx_distilbert",
    model_type="distilbert",
    name="DistilBert",
    prefix="distilbert",
    tasks={
        Task.BASE: "Model",
        Task.MASKED_LM: "ForMaskedLM",
        Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
        Task.QUESTION_ANSWERING: "ForQuestionAnswering",
        Task.MULTIPLE_CHOICE: "ForMultipleChoice",
    },
    published={name: name for name in _PUBLISHED},
)
