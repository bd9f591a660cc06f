# Written by tools/exports.
from .distillation_torch import Distillation as Distillation
from .distillation_torch import cosine_loss as cosine_loss
from .distillation_torch import logits_loss as logits_loss
from .distillation_torch import soft_target_loss as soft_target_loss
from .evaluation_tf import TFEvaluation as TFEvaluation
from .evaluation_torch import Evaluation as Evaluation
from .evaluations import Evaluations as Evaluations
from .hiding_torch import hide_tokens as hide_tokens
from .hiding_torch import hiding_weights as hiding_weights
from .loop_tf import TFTrainingLoop as TFTrainingLoop
from .loop_torch import TrainingLoop as TrainingLoop
from .optimizers_tf import AdamWeightDecay as AdamWeightDecay
from .optimizers_tf import WarmUp as WarmUp
from .optimizers_tf import create_optimizer as create_optimizer
from .optimizers_torch import AdamW as AdamW
from .optimizers_torch import decay_groups as decay_groups
from .options import TrainingOptions as TrainingOptions
from .options import TrainingResult as TrainingResult
from .processes_torch import Processes as Processes
from .schedules_torch import ConstantLRSchedule as ConstantLRSchedule
from .schedules_torch import WarmupConstantSchedule as WarmupConstantSchedule
from .schedules_torch import WarmupCosineSchedule as WarmupCosineSchedule
from .schedules_torch import WarmupCosineWithHardRestartsSchedule as WarmupCosineWithHardRestartsSchedule
from .schedules_torch import WarmupLinearSchedule as WarmupLinearSchedule
from .schedules_torch import get_constant_schedule as get_constant_schedule
from .schedules_torch import get_constant_schedule_with_warmup as get_constant_schedule_with_warmup
from .schedules_torch import get_cosine_schedule_with_warmup as get_cosine_schedule_with_warmup
from .schedules_torch import (
    get_cosine_with_hard_restarts_schedule_with_warmup as get_cosine_with_hard_restarts_schedule_with_warmup,
)
from .schedules_torch import get_linear_schedule_with_warmup as get_linear_schedule_with_warmup
from .seeds_torch import set_seed as set_seed
from .steps_tf import TrainingModel as TrainingModel
from .steps_torch import TrainingStep as TrainingStep

__version__: str
