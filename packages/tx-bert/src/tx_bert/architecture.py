"""What this package offers: read by the Auto classes, by ``import tx_bert`` and by the classes themselves."""

from tx_core.architecture import Architecture, Task

_PUBLISHED = (
    "bert-base-uncased",
    "bert-large-uncased",
    "bert-base-cased",
    "bert-large-cased",
    "bert-base-multilingual-uncased",
    "bert-base-multilingual-cased",
    "bert-base-chinese",
    "bert-base-german-cased",
    "bert-large-uncased-whole-word-masking",
    "bert-large-cased-whole-word-masking",
    "bert-large-uncased-whole-word-masking-finetuned-squad",
    "bert-large-cased-whole-word-masking-finetuned-squad",
    "bert-base-cased-finetuned-mrpc",
    "bert-base-german-dbmdz-cased",
    "bert-base-german-dbmdz-uncased",
)

ARCHITECTURE = Architecture(
    package="tx_bert",
    model_type="bert",
    name="Bert",
    prefix="bert",
    tasks={
        Task.BASE: "Model",
        Task.PRETRAINING: "ForPreTraining",
        Task.MASKED_LM: "ForMaskedLM",
        Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification",
        Task.TOKEN_CLASSIFICATION: "ForTokenClassification",
        Task.QUESTION_ANSWERING: "ForQuestionAnswering",
        Task.MULTIPLE_CHOICE: "ForMultipleChoice",
        Task.NEXT_SENTENCE: "ForNextSentencePrediction",
    },
    published={name: name for name in _PUBLISHED},
    also={
        "tokenizer": ("BasicTokenizer", "WordpieceTokenizer"),
        "model_torch": ("load_tf_weights_in_bert",),
        "model_tf": ("TFBertEmbeddings",),
    },
    decodes=True,
)
