"""The schedules of 2019 for learning rates, under the names of both its generations, in PyTorch.

A rate is the optimizer's own times a factor: it rises from 0 to 1 over the first steps (the warm-up), and then stays,
falls along a line, or along half waves of a cosine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from tx_core.messages import quoted


class _Schedule(LambdaLR):
    """A schedule whose factor is an object that holds numbers alone: LambdaLR saves those with its state."""

    def __init__(self, optimizer: Optimizer, factor: Callable[[int], float], last_epoch: int) -> None:
        super().__init__(optimizer, factor, last_epoch)

    def get_lr(self) -> list[float]:  # type: ignore[override]
        """The rates of the current step, one for each group of the optimizer."""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [float(rate) * factor(self.last_epoch) for rate, factor in pairs]


@dataclass(frozen=True)
class _Warmup:
    warmup_steps: float

    def __call__(self, step: int) -> float:
        return step / max(1, self.warmup_steps) if step < self.warmup_steps else self.after(step)

    def after(self, step: int) -> float:
        return 1.0


@dataclass(frozen=True)
class _Linear(_Warmup):
    t_total: float

    @property
    def span(self) -> float:
        """Steps from the end of the warm-up to the end."""
        return max(1, self.t_total - self.warmup_steps)

    def after(self, step: int) -> float:
        return max(0.0, (self.t_total - step) / self.span)


@dataclass(frozen=True)
class _Cosine(_Linear):
    cycles: float

    def after(self, step: int) -> float:
        progress = (step - self.warmup_steps) / self.span
        return 0.5 * (1.0 + math.cos(2 * math.pi * self.cycles * progress))


@dataclass(frozen=True)
class _Restarts(_Linear):
    cycles: float

    def after(self, step: int) -> float:
        progress = (step - self.warmup_steps) / self.span
        return 0.5 * (1.0 + math.cos(math.pi * (self.cycles * progress % 1.0))) if progress < 1.0 else 0.0


@dataclass(frozen=True)
class _Constant:
    def __call__(self, step: int) -> float:
        return 1.0


class ConstantLRSchedule(_Schedule):
    """The optimizer's own rate at every step.

    Args:
        optimizer: whose groups' rates are set.
        last_epoch: the last step that was done, -1 before the first. Others need the optimizer's saved state.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        super().__init__(optimizer, _Constant(), last_epoch)


class WarmupConstantSchedule(_Schedule):
    """A rate that rises from 0 to the optimizer's own over `warmup_steps` steps, and stays.

    Args:
        optimizer: whose groups' rates are set.
        warmup_steps: steps; 0 for none.
        last_epoch: the last step that was done, -1 before the first. Others need the optimizer's saved state.

    Raises:
        ValueError: if the number of steps is negative.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, _Warmup(_steps("warmup_steps", warmup_steps)), last_epoch)


class WarmupLinearSchedule(_Schedule):
    """A rate that rises from 0 to the optimizer's own over `warmup_steps` steps, and falls to 0 at step `t_total`.

    Args:
        optimizer: whose groups' rates are set.
        warmup_steps: steps; 0 for none.
        t_total: steps of the whole training. The rate is 0 from there on.
        last_epoch: the last step that was done, -1 before the first. Others need the optimizer's saved state.

    Raises:
        ValueError: if a number of steps is negative, or the warm-up longer than the training.
    """

    def __init__(self, optimizer: Optimizer, warmup_steps: float, t_total: float, last_epoch: int = -1) -> None:
        super().__init__(optimizer, _Linear(*_two(warmup_steps, t_total)), last_epoch)


class WarmupCosineSchedule(_Schedule):
    """A rate that rises from 0 to the optimizer's own over `warmup_steps` steps, and then follows a cosine.

    Args:
        optimizer: whose groups' rates are set.
        warmup_steps: steps; 0 for none.
        t_total: steps of the whole training. The wave goes on from there.
        cycles: waves between the warm-up and the end. Half a wave falls to 0.
        last_epoch: the last step that was done, -1 before the first. Others need the optimizer's saved state.

    Raises:
        ValueError: if a number is negative, or the warm-up longer than the training.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: float, t_total: float, cycles: float = 0.5, last_epoch: int = -1
    ) -> None:
        factor = _Cosine(*_two(warmup_steps, t_total), _steps("cycles", cycles))
        super().__init__(optimizer, factor, last_epoch)


class WarmupCosineWithHardRestartsSchedule(_Schedule):
    """A rate that rises from 0 to the optimizer's own over `warmup_steps` steps, and then falls to 0 along half a wave
    of a cosine, several times, each from the optimizer's own rate.

    Args:
        optimizer: whose groups' rates are set.
        warmup_steps: steps; 0 for none.
        t_total: steps of the whole training. The rate is 0 from there on.
        cycles: falls between the warm-up and the end.
        last_epoch: the last step that was done, -1 before the first. Others need the optimizer's saved state.

    Raises:
        ValueError: if a number is negative, or the warm-up longer than the training.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: float, t_total: float, cycles: float = 1.0, last_epoch: int = -1
    ) -> None:
        factor = _Restarts(*_two(warmup_steps, t_total), _steps("cycles", cycles))
        super().__init__(optimizer, factor, last_epoch)


def get_constant_schedule(optimizer: Optimizer, last_epoch: int = -1) -> LambdaLR:
    """:class:`ConstantLRSchedule` by its later name."""
    return ConstantLRSchedule(optimizer, last_epoch)


def get_constant_schedule_with_warmup(optimizer: Optimizer, num_warmup_steps: float, last_epoch: int = -1) -> LambdaLR:
    """:class:`WarmupConstantSchedule` by its later name."""
    return WarmupConstantSchedule(optimizer, num_warmup_steps, last_epoch)


def get_linear_schedule_with_warmup(
    optimizer: Optimizer, num_warmup_steps: float, num_training_steps: float, last_epoch: int = -1
) -> LambdaLR:
    """:class:`WarmupLinearSchedule` by its later name."""
    return WarmupLinearSchedule(optimizer, num_warmup_steps, num_training_steps, last_epoch)


def get_cosine_schedule_with_warmup(
    optimizer: Optimizer,
    num_warmup_steps: float,
    num_training_steps: float,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
) -> LambdaLR:
    """:class:`WarmupCosineSchedule` by its later name."""
    return WarmupCosineSchedule(optimizer, num_warmup_steps, num_training_steps, num_cycles, last_epoch)


def get_cosine_with_hard_restarts_schedule_with_warmup(
    optimizer: Optimizer,
    num_warmup_steps: float,
    num_training_steps: float,
    num_cycles: float = 1.0,
    last_epoch: int = -1,
) -> LambdaLR:
    """:class:`WarmupCosineWithHardRestartsSchedule` by its later name."""
    return WarmupCosineWithHardRestartsSchedule(optimizer, num_warmup_steps, num_training_steps, num_cycles, last_epoch)


def _steps(name: str, value: float) -> float:
    """The number as Python's own: a state that holds one of NumPy's cannot be loaded as weights alone."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a number from 0 on, not {quoted(value)}")
    return int(value) if value == int(value) else float(value)


def _two(warmup_steps: float, t_total: float) -> tuple[float, float]:
    warmup, total = _steps("warmup_steps", warmup_steps), _steps("t_total", t_total)
    if warmup > total:
        raise ValueError(
            f"a warm-up of {warmup} steps does not fit into a training of {total}: warmup_steps (num_warmup_steps) "
            "must be at most t_total (num_training_steps)"
        )
    return warmup, total
