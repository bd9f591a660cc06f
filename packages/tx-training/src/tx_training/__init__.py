"""Training: AdamW and the schedules of 2019 in PyTorch and Keras, and the loop of the example scripts; see README.md.

Importing this package imports no framework; names are loaded when they are first used.
"""

from tx_core.lazy import attach

EXPORTS = {
    "distillation_torch": ("Distillation", "cosine_loss", "logits_loss", "soft_target_loss"),
    "evaluation_tf": ("TFEvaluation",),
    "evaluation_torch": ("Evaluation",),
    "evaluations": ("Evaluations",),
    "hiding_torch": ("hide_tokens", "hiding_weights"),
    "loop_tf": ("TFTrainingLoop",),
    "loop_torch": ("TrainingLoop",),
    "optimizers_tf": ("AdamWeightDecay", "WarmUp", "create_optimizer"),
    "optimizers_torch": ("AdamW", "decay_groups"),
    "options": ("TrainingOptions", "TrainingResult"),
    "processes_torch": ("Processes",),
    "schedules_torch": (
        "ConstantLRSchedule",
        "WarmupConstantSchedule",
        "WarmupCosineSchedule",
        "WarmupCosineWithHardRestartsSchedule",
        "WarmupLinearSchedule",
        "get_constant_schedule",
        "get_constant_schedule_with_warmup",
        "get_cosine_schedule_with_warmup",
        "get_cosine_with_hard_restarts_schedule_with_warmup",
        "get_linear_schedule_with_warmup",
    ),
    "seeds_torch": ("set_seed",),
    "steps_tf": ("TrainingModel",),
    "steps_torch": ("TrainingStep",),
}

__getattr__, __dir__ = attach(__name__, EXPORTS)
