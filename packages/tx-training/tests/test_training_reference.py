"""The schedules beside those of transformers, and AdamW inside accelerate."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

import tx_training
from tx_testing import reference

SCHEDULES: dict[str, dict[str, float]] = {
    "get_constant_schedule": {},
    "get_constant_schedule_with_warmup": {"num_warmup_steps": 4},
    "get_linear_schedule_with_warmup": {"num_warmup_steps": 3, "num_training_steps": 11},
    "get_cosine_schedule_with_warmup": {"num_warmup_steps": 3, "num_training_steps": 11, "num_cycles": 0.7},
    "get_cosine_with_hard_restarts_schedule_with_warmup": {
        "num_warmup_steps": 3,
        "num_training_steps": 11,
        "num_cycles": 3,
    },
}
THEIRS = r"""
import torch
import transformers.optimization
import numpy as np

def main(arguments, inputs, folder):
    found = {}
    for name, options in arguments.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
        schedule = getattr(transformers.optimization, name)(optimizer, **options)
        rates = []
        for _ in range(16):  # beyond the end
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        found[name] = np.array(rates)
    return found
"""
ACCELERATED = r"""
import sys

def main(arguments, inputs, folder):
    sys.path.extend(arguments["paths"])
    import numpy as np
    import torch
    from accelerate import Accelerator
    from tx_training import AdamW, get_linear_schedule_with_warmup

    def train(prepare, steps, resume=False):
        torch.manual_seed(0)
        model = torch.nn.Linear(3, 2)
        optimizer = AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
        schedule = get_linear_schedule_with_warmup(optimizer, 2, 6)
        accelerator = Accelerator(cpu=True) if prepare else None
        if prepare:
            model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
        if resume:
            accelerator.load_state(folder / "state")
        for step in steps:
            loss = model(torch.full((4, 3), step + 1.0)).square().mean()
            accelerator.backward(loss) if prepare else loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        if prepare:
            accelerator.save_state(folder / "state")
        return next(model.parameters()).detach().numpy().copy()

    plain = train(False, range(5))
    train(True, range(2))
    return {"plain": plain, "accelerated": train(True, range(2, 5), resume=True)}
"""


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_are_the_references(name: str) -> None:
    wanted = reference.run(THEIRS, SCHEDULES).arrays[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = getattr(tx_training, name)(optimizer, **SCHEDULES[name])
    for rate in wanted:
        assert schedule.get_lr() == pytest.approx([rate], rel=1e-12, abs=1e-12)
        optimizer.step()
        schedule.step()


def test_accelerate_prepares_saves_and_resumes() -> None:
    paths = sorted(
        {
            str(Path(spec.origin).parents[1])
            for name in ("tx_core", "tx_training")
            if (spec := importlib.util.find_spec(name)) is not None and spec.origin is not None
        }
    )
    found = reference.run(ACCELERATED, {"paths": paths}, variable=reference.REFERENCE_5).arrays
    np.testing.assert_array_equal(found["accelerated"], found["plain"])
