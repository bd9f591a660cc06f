"""The schedules' values, saved states, and what is refused."""

from __future__ import annotations

import io
import math
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

import tx_training as tx
from tx_training import AdamW

Make = Callable[..., LambdaLR]
# Class, its later name, arguments, and the factors of steps 0, 1, … by hand.
CASES: dict[str, tuple[Make, Make, tuple[Any, ...], list[float]]] = {
    "constant": (tx.ConstantLRSchedule, tx.get_constant_schedule, (), [1.0] * 11),
    "warmup": (
        tx.WarmupConstantSchedule,
        tx.get_constant_schedule_with_warmup,
        (4,),
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    ),
    "linear": (
        tx.WarmupLinearSchedule,
        tx.get_linear_schedule_with_warmup,
        (2, 10),
        [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0],
    ),
    "cosine": (
        tx.WarmupCosineSchedule,
        tx.get_cosine_schedule_with_warmup,
        (2, 10),
        [0.0, 0.5, *((1 + math.cos(math.pi * step / 8)) / 2 for step in range(9))],
    ),
    "restarts": (
        tx.WarmupCosineWithHardRestartsSchedule,
        tx.get_cosine_with_hard_restarts_schedule_with_warmup,
        (2, 10, 2),
        [0.0, 0.5, *((1 + math.cos(math.pi * (step % 4) / 4)) / 2 for step in range(8)), 0.0],
    ),
}
PAIRS = pytest.mark.parametrize(
    ("make", "arguments", "factors"),
    [(make, arguments, factors) for first, later, arguments, factors in CASES.values() for make in (first, later)],
    ids=[f"{name}-{kind}" for name in CASES for kind in ("class", "function")],
)


def optimizer(*rates: float) -> AdamW:
    return AdamW([{"params": [nn.Parameter(torch.zeros(2))], "lr": rate} for rate in rates])


def rates_of(schedule: LambdaLR, steps: int = 10) -> list[list[float]]:
    found = [schedule.get_lr()]
    for _ in range(steps):
        schedule.optimizer.step()
        schedule.step()
        found.append(schedule.get_lr())
        assert [group["lr"] for group in schedule.optimizer.param_groups] == found[-1] == schedule.get_last_lr()
    return found  # type: ignore[return-value]


@PAIRS
def test_rates_follow_the_schedule(make: Make, arguments: tuple[Any, ...], factors: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rates_of(make(optimizer(10.0, 3.0), *arguments))
    np.testing.assert_allclose(found, [[10.0 * factor, 3.0 * factor] for factor in factors], rtol=1e-12, atol=1e-12)


@PAIRS
def test_a_saved_schedule_goes_on(make: Make, arguments: tuple[Any, ...], factors: list[float]) -> None:
    first = make(optimizer(10.0), *arguments)
    rates_of(first, 4)
    file = io.BytesIO()
    torch.save([first.state_dict(), first.optimizer.state_dict()], file)
    file.seek(0)
    second = make(optimizer(1.0), *(1 for _ in arguments))  # what is saved replaces all of its numbers
    for each, state in zip((second, second.optimizer), torch.load(file, weights_only=True), strict=True):
        each.load_state_dict(state)
    found = rates_of(second, 6)
    np.testing.assert_allclose(found, [[10.0 * factor] for factor in factors[4:]], rtol=1e-12, atol=1e-12)


@PAIRS
def test_last_epoch_goes_on_where_a_training_stopped(
    make: Make, arguments: tuple[Any, ...], factors: list[float]
) -> None:
    first = make(optimizer(10.0), *arguments)
    rates_of(first, 4)
    second = make(first.optimizer, *arguments, last_epoch=first.last_epoch)
    assert second.get_lr() == pytest.approx([10.0 * factors[5]], abs=1e-12)


@PAIRS
def test_a_schedule_can_be_pickled(make: Make, arguments: tuple[Any, ...], factors: list[float]) -> None:
    assert pickle.loads(pickle.dumps(make(optimizer(10.0), *arguments).lr_lambdas))[0](3) == factors[3]  # noqa: S301


@pytest.mark.parametrize("make", [tx.WarmupLinearSchedule, tx.WarmupCosineWithHardRestartsSchedule])
def test_the_rate_is_zero_after_the_end(make: Make) -> None:
    assert rates_of(make(optimizer(10.0), 1, 3), 6)[3:] == [[0.0]] * 4


def test_a_training_may_be_all_warm_up() -> None:
    found = rates_of(tx.WarmupLinearSchedule(optimizer(10.0), 4, 4), 5)
    assert found == [[0.0], [2.5], [5.0], [7.5], [0.0], [0.0]]


def test_numbers_of_numpy_are_saved_as_pythons() -> None:
    schedule = tx.WarmupLinearSchedule(optimizer(10.0), np.int64(2), np.float32(10.5))
    (numbers,) = schedule.state_dict()["lr_lambdas"]
    assert [(value, type(value)) for value in numbers.values()] == [(2, int), (10.5, float)]


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (tx.WarmupConstantSchedule, (-1,), "warmup_steps must be a number from 0 on, not -1"),
        (tx.WarmupLinearSchedule, (0, -5), "t_total must be a number from 0 on, not -5"),
        (tx.WarmupLinearSchedule, (0, math.nan), "not nan"),
        (tx.WarmupCosineSchedule, (100, 10), "a warm-up of 100 steps does not fit into a training of 10"),
        (tx.get_cosine_schedule_with_warmup, (1, 10, -0.5), "cycles must be a number from 0 on, not -0.5"),
        (tx.WarmupCosineWithHardRestartsSchedule, (1, 10, math.inf), "cycles must be .* not inf"),
    ],
)
def test_numbers_that_make_no_schedule_are_refused(make: Make, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optimizer(1.0), *arguments)
