"""How a model is trained, and what that led to, whatever the framework."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from tx_core.messages import quoted

Precision = Literal["float32", "float16", "bfloat16"]
PRECISIONS = ("float32", "float16", "bfloat16")
Schedule = Literal["linear", "cosine", "constant"]
SCHEDULES = ("linear", "cosine", "constant")
# What models call their labels.
LABELS = ("labels", "masked_lm_labels", "lm_labels")


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained.

    Attributes:
        epochs: how often all examples are gone through.
        max_steps: steps after which the training ends; takes the place of `epochs`.
        batch_size: rows of a batch, of each process.
        accumulation_steps: batches of a step, of each process.
        learning_rate, weight_decay, adam_betas, adam_epsilon: of AdamW, whose decay leaves biases and norms alone.
        warmup_steps: steps in which the rate rises. schedule: what it does then.
        max_grad_norm: length to which the gradient is shortened; None to leave it.
        precision: ``bfloat16`` or ``float16`` for mixed precision.
        seed: of the order of examples, of dropout, and of all else that is drawn.
        log_every: steps between two rows of the history.
        evaluate_every: steps between two evaluations; by default an epoch's. There is one at the end in any case.
        metric: what evaluations are compared by. The best model so far is the one that is kept.
        greater_is_better: by default so, unless the metric is a loss or a perplexity.
        patience: evaluations in a row without a better one, after which the training ends; None for no such end.
        save_every: steps between two checkpoints; None for none.
        keep_checkpoints: how many stay; None for all.
        fsdp: spread the model over the processes, rather than have a copy in each.
        workers: processes that load examples ahead.
    """

    epochs: float = 3.0
    max_steps: int | None = None
    batch_size: int = 8
    accumulation_steps: int = 1
    learning_rate: float = 5e-5
    weight_decay: float = 0.0
    adam_betas: tuple[float, float] = (0.9, 0.999)
    adam_epsilon: float = 1e-8
    warmup_steps: int = 0
    schedule: Schedule = "linear"
    max_grad_norm: float | None = 1.0
    precision: Precision = "float32"
    seed: int = 42
    log_every: int = 50
    evaluate_every: int | None = None
    metric: str = "loss"
    greater_is_better: bool | None = None
    patience: int | None = None
    save_every: int | None = None
    keep_checkpoints: int | None = None
    fsdp: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        """Check the numbers; those of the optimizer are checked by it.

        Raises:
            ValueError: if one is out of its range.
        """
        for name in ("batch_size", "accumulation_steps", "log_every", "max_steps", "evaluate_every", "patience",
                     "save_every", "keep_checkpoints"):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {quoted(value)}")
        if not 0 < self.epochs < math.inf:
            raise ValueError(f"epochs must be above 0, not {quoted(self.epochs)}")
        for name, choices in (("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {quoted(getattr(self, name))}")
        if self.fsdp and self.precision == "float16":
            raise ValueError(
                "fsdp=True goes with precision 'bfloat16' or 'float32': losses are not scaled across shards"
            )

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value of the metric is better than another one, or the first that is a number."""
        if than is None or math.isnan(value):
            return not math.isnan(value)
        greater = self.greater_is_better
        if greater is None:
            greater = not self.metric.endswith(("loss", "perplexity"))
        return value > than if greater else value < than


@dataclass
class TrainingResult:
    """What a training led to.

    Attributes:
        steps: how many were taken, those before the checkpoint among them.
        metrics: the best evaluation, or the only one; empty where nothing was evaluated.
        history: a row for every `log_every` steps, with ``step``, ``epoch``, ``loss`` (the mean since the last one) and
            ``learning_rate``; and one for every evaluation, with ``step``, ``epoch`` and ``eval_…``.
        stopped_early: whether evaluations had become no better.
    """

    steps: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    stopped_early: bool = False
