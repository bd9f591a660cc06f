"""Datasets: reading them, turning them into features, and their metrics; see README.md.

Importing this package imports neither a framework nor NumPy; names are loaded when they are first used.
"""

from tx_core.lazy import attach

EXPORTS = {
    "examples": ("InputExample", "InputFeatures"),
    "features": ("glue_convert_examples_to_features",),
    "glue": ("glue_output_modes", "glue_processors", "glue_tasks_num_labels"),
    "metrics": (
        "acc_and_f1",
        "glue_compute_metrics",
        "is_sklearn_available",
        "pearson_and_spearman",
        "simple_accuracy",
    ),
    "processors": ("DataProcessor",),
    "squad": ("SquadExample", "SquadV1Processor", "SquadV2Processor"),
    "squad_features": ("SquadFeatures", "squad_convert_examples_to_features"),
    "squad_metrics": ("squad_evaluate", "squad_v1_evaluate"),
    "squad_predictions": ("SquadResult", "compute_predictions_log_probs", "compute_predictions_logits"),
}

__getattr__, __dir__ = attach(__name__, EXPORTS)
