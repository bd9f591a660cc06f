"""Adam with decoupled weight decay and a warmed-up learning rate, in Keras. Its twins in PyTorch: ``optimizers_torch``
and ``schedules_torch``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tx_core.messages import quoted

# Biases, Transformer-XL's and XLNet's r_w_bias among them, and what Keras's normalisation layers call their variables.
NO_DECAY = ("bias[^/]*$", "gamma$", "beta$")


@keras.saving.register_keras_serializable("tx_training")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises from 0 to `initial_learning_rate`, and follows another schedule from there on.

    Args:
        initial_learning_rate: the rate at the end of the warm-up.
        decay_schedule_fn: the schedule after it, whose step 0 is the end of the warm-up.
        warmup_steps: steps; 0 for none.
        power: of the rise: 1 for a line.
        name: of the schedule.

    Raises:
        ValueError: if a number is negative.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_schedule_fn: keras.optimizers.schedules.LearningRateSchedule,
        warmup_steps: int,
        power: float = 1.0,
        name: str = "WarmUp",
    ) -> None:
        super().__init__()
        self.initial_learning_rate = _from_zero("initial_learning_rate", initial_learning_rate)
        self.decay_schedule_fn = decay_schedule_fn
        self.warmup_steps = _from_zero("warmup_steps", warmup_steps)
        self.power = _from_zero("power", power)
        self.name = name

    def __call__(self, step: Any) -> Any:
        done = ops.cast(step, "float32")
        share = ops.divide(done, max(1, self.warmup_steps))
        rising = ops.multiply(self.initial_learning_rate, ops.power(share, self.power))
        after = self.decay_schedule_fn(ops.maximum(done - self.warmup_steps, 0.0))
        return ops.where(done < self.warmup_steps, rising, ops.cast(after, "float32"))

    def get_config(self) -> dict[str, Any]:
        """The arguments, as text and numbers."""
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_schedule_fn": keras.optimizers.schedules.serialize(self.decay_schedule_fn),
            "warmup_steps": self.warmup_steps,
            "power": self.power,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WarmUp:
        """The schedule that :meth:`get_config` described."""
        after = config["decay_schedule_fn"]
        if isinstance(after, dict):
            after = keras.optimizers.schedules.deserialize(after)
        return cls(**{**config, "decay_schedule_fn": after})


@keras.saving.register_keras_serializable("tx_training")
class AdamWeightDecay(keras.optimizers.AdamW):
    """Keras's AdamW, whose decay leaves biases and normalisation layers alone.

    Its epsilon is added to the root of the uncorrected second moment, as in BERT's original code and in the twin
    ``AdamW`` of PyTorch. That one decays after a step, and Keras before it: a difference of `learning_rate` ·
    `weight_decay_rate` of the step, far below a float's precision with the usual numbers.

    Args:
        learning_rate: a number or a schedule.
        beta_1, beta_2: how much of the two averages stays at each step.
        epsilon: added to the root of the second average.
        weight_decay_rate: share of a variable that a step of rate 1 takes away.
        exclude_from_weight_decay: regular expressions. What one of them is found in the path of (``variable.path``,
            such as ``bert/encoder/layer/0/output/LayerNorm/gamma``) does not decay. By default biases, and what Keras's
            normalisation layers hold, whatever an architecture calls them.
        name: of the optimizer.
        kwargs: other options of every Keras optimizer: ``global_clipnorm``, ``use_ema``, …

    Raises:
        ValueError: if a number is out of its range, or an expression is none.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        weight_decay_rate: float = 0.0,
        exclude_from_weight_decay: Sequence[str] = NO_DECAY,
        name: str = "AdamWeightDecay",
        **kwargs: Any,
    ) -> None:
        # What Keras writes into its own configuration has its own name for the rate.
        rate = _from_zero("weight_decay_rate", kwargs.pop("weight_decay", weight_decay_rate))
        for label, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"{label} must be a number from 0 to below 1, not {quoted(beta)}")
        if isinstance(exclude_from_weight_decay, str):
            raise ValueError(
                f"exclude_from_weight_decay must be a list of expressions, not {quoted(exclude_from_weight_decay)}"
            )
        for expression in exclude_from_weight_decay:
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError(f"exclude_from_weight_decay: {quoted(expression)} is no expression: {error}") from None
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=_from_zero("epsilon", epsilon),
            weight_decay=rate,
            name=name,
            **kwargs,
        )
        self._excluded = tuple(exclude_from_weight_decay)

    def build(self, variables: list[Any]) -> None:
        """Make the averages of variables, and find those that do not decay."""
        if not self.built:
            excluded = [each for each in variables if any(re.search(x, each.path) for x in self._excluded)]
            self.exclude_from_weight_decay(var_list=excluded)
        super().build(variables)

    def apply(self, grads: list[Any], trainable_variables: list[Any] | None = None) -> None:
        """Take a step. A clipped gradient is as long as that of the same numbers in PyTorch, embeddings' too."""
        if self.clipnorm is not None or self.global_clipnorm is not None:
            # Those of embeddings have a row for each token, and Keras would measure them so: rows of the same word have
            # to be added up before.
            grads = [tf.convert_to_tensor(each) if isinstance(each, tf.IndexedSlices) else each for each in grads]
        super().apply(grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as text and numbers."""
        return {**super().get_config(), "exclude_from_weight_decay": [*self._excluded]}


def create_optimizer(
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: int,
    min_lr_ratio: float = 0.0,
    adam_beta1: float = 0.9,
    adam_beta2: float = 0.999,
    adam_epsilon: float = 1e-8,
    adam_clipnorm: float | None = None,
    adam_global_clipnorm: float | None = None,
    weight_decay_rate: float = 0.0,
    power: float = 1.0,
) -> tuple[keras.optimizers.Optimizer, keras.optimizers.schedules.LearningRateSchedule]:
    """The optimizer that BERT is fine-tuned with, and its schedule: a rate that rises along a line, and falls again.

        optimizer, schedule = create_optimizer(5e-5, num_train_steps=1000, num_warmup_steps=100, weight_decay_rate=0.01)
        model.compile(optimizer=optimizer, loss=…)

    Args:
        init_lr: the rate at the end of the warm-up.
        num_train_steps: steps of the whole training, the warm-up among them.
        num_warmup_steps: steps; 0 for none.
        min_lr_ratio: the rate at the end, as a share of `init_lr`.
        adam_beta1, adam_beta2, adam_epsilon: as ``beta_1``, ``beta_2`` and ``epsilon`` of :class:`AdamWeightDecay`.
        adam_clipnorm: length to which each variable's gradient is shortened.
        adam_global_clipnorm: length to which all gradients together are shortened.
        weight_decay_rate: that of :class:`AdamWeightDecay`. Where it is 0, and nothing is clipped, the optimizer is
            Keras's Adam.
        power: of the fall: 1 for a line.

    Returns:
        The optimizer and its schedule.

    Raises:
        ValueError: if a number is out of its range, or the warm-up is longer than the training.
    """
    total, warmup = _from_zero("num_train_steps", num_train_steps), _from_zero("num_warmup_steps", num_warmup_steps)
    if warmup > total:
        raise ValueError(
            f"a warm-up of {warmup} steps does not fit into a training of {total}: num_warmup_steps must be at most "
            "num_train_steps"
        )
    schedule: Any = keras.optimizers.schedules.PolynomialDecay(
        initial_learning_rate=_from_zero("init_lr", init_lr),
        decay_steps=max(1, total - warmup),
        end_learning_rate=init_lr * _from_zero("min_lr_ratio", min_lr_ratio),
        power=_from_zero("power", power),
    )
    if warmup:
        schedule = WarmUp(init_lr, schedule, num_warmup_steps)
    options: dict[str, Any] = {
        "learning_rate": schedule,
        "beta_1": adam_beta1,
        "beta_2": adam_beta2,
        "epsilon": adam_epsilon,
        "clipnorm": adam_clipnorm,
        "global_clipnorm": adam_global_clipnorm,
    }
    clips = adam_clipnorm is not None or adam_global_clipnorm is not None
    if _from_zero("weight_decay_rate", weight_decay_rate) or clips:
        return AdamWeightDecay(**options, weight_decay_rate=weight_decay_rate), schedule
    return keras.optimizers.Adam(**options), schedule


def _from_zero(name: str, value: Any) -> Any:
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must be a number from 0 on, not {quoted(value)}")
    return value
