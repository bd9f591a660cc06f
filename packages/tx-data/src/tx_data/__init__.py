"""Datasets: reading them, turning them into features, and their metrics; see README.md.

Importing this package imports neither a framework nor NumPy; names are loaded when they are first used.
"""

from tx_core.lazy import attach

EXPORTS = {
    "examples": ("InputExample", "InputFeatures"),
    "features": ("glue_convert_examples_to_features", "padding_options"),
    "glue": (
        "glue_main_metrics",
        "glue_measured_tasks",
        "glue_output_modes",
        "glue_processors",
        "glue_tasks_num_labels",
    ),
    "language_modeling": ("file_blocks", "mask_tokens", "text_blocks"),
    "lm_corpus": (
        "LMMultiFileIterator",
        "LMShuffledIterator",
        "LM1BCorpus",
        "get_lm_corpus",
        "variable_length_batches",
    ),
    "metrics": (
        "acc_and_f1",
        "accuracy_scores",
        "glue_compute_metrics",
        "glue_scores",
        "is_sklearn_available",
        "pearson_and_spearman",
        "simple_accuracy",
    ),
    "multiple_choice": (
        "MultipleChoiceExample",
        "MultipleChoiceFeatures",
        "multiple_choice_convert_examples_to_features",
        "multiple_choice_processors",
    ),
    "ner": ("TokenExample", "ner_processors", "ner_read_labels"),
    "ner_features": ("TokenFeatures", "ner_convert_examples_to_features", "ner_labels_of_words"),
    "ner_metrics": ("ner_compute_metrics",),
    "ner_sentences": ("TokenSentences",),
    "processors": ("DataProcessor",),
    "squad": ("SquadExample", "SquadV1Processor", "SquadV2Processor"),
    "squad_features": ("SquadFeatures", "squad_convert_examples_to_features"),
    "squad_files": ("squad_scores",),
    "squad_metrics": ("squad_evaluate", "squad_v1_evaluate"),
    "squad_predictions": ("SquadResult", "compute_predictions_log_probs", "compute_predictions_logits"),
    "xnli": ("xnli_compute_metrics", "xnli_output_modes", "xnli_processors", "xnli_tasks_num_labels"),
}

__getattr__, __dir__ = attach(__name__, EXPORTS)
