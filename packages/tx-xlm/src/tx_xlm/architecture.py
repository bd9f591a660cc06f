"""What this package offers, for the Auto classes, ``import tx_xlm`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

_PUBLISHED = (
    "xlm-mlm-en-2048",
    "xlm-mlm-ende-1024",
    "xlm-mlm-enfr-1024",
    "xlm-mlm-enro-1024",
    "xlm-mlm-tlm-xnli15-1024",
    "xlm-mlm-xnli15-1024",
    "xlm-clm-enfr-1024",
    "xlm-clm-ende-1024",
    "xlm-mlm-17-1280",
    "xlm-mlm-100-1280",
)

ARCHITECTURE = Architecture(
    package="tx_xlm",
    model_type="xlm",
    name="XLM",
    prefix="transformer",
    tasks={
        Task.BASE: "Model",
        Task.MASKED_LM: "WithLMHeadModel",
        Task.CAUSAL_LM: "WithLMHeadModel",
        Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification",
        Task.QUESTION_ANSWERING: "ForQuestionAnsweringSimple",
        Task.BEAM_QUESTION_ANSWERING: "ForQuestionAnswering",
        Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
        Task.MULTIPLE_CHOICE: "ForMultipleChoice",
    },
    published={name: f"FacebookAI/{name}" for name in _PUBLISHED},
)
