"""What this package offers, for the Auto classes, ``import tx_xlnet`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_xlnet",
    model_type="xlnet",
    name="XLNet",
    prefix="transformer",
    tasks={
        Task.BASE: "Model",
        Task.CAUSAL_LM: "LMHeadModel",
        Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
        Task.MULTIPLE_CHOICE: "ForMultipleChoice",
        Task.QUESTION_ANSWERING: "ForQuestionAnsweringSimple",
        Task.BEAM_QUESTION_ANSWERING: "ForQuestionAnswering",
    },
    published={name: f"xlnet/{name}" for name in ("xlnet-base-cased", "xlnet-large-cased")},
    also={"tokenizer": ("SPIECE_UNDERLINE",), "model_torch": ("load_tf_weights_in_xlnet",)},
)
