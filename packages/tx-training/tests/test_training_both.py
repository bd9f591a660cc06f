"""The two frameworks' optimizers and schedules take the same steps."""

from __future__ import annotations

import keras
import numpy as np
import torch

from tx_training import AdamW, create_optimizer, get_linear_schedule_with_warmup


def test_both_take_the_same_steps() -> None:
    generator = np.random.default_rng(0)
    start, grads = generator.normal(size=7).astype("float32"), generator.normal(size=(20, 7)).astype("float32")
    parameter = torch.nn.Parameter(torch.tensor(start))
    ours = AdamW([parameter], lr=1e-3, eps=1e-3, weight_decay=0.01)
    schedule = get_linear_schedule_with_warmup(ours, 4, 20)
    variable = keras.Variable(start, name="kernel")
    theirs, rates = create_optimizer(1e-3, 20, 4, adam_epsilon=1e-3, weight_decay_rate=0.01)
    for step, grad in enumerate(grads):
        np.testing.assert_allclose(float(rates(step)), schedule.get_lr()[0], rtol=1e-6)
        parameter.grad = torch.tensor(grad)
        ours.step()
        schedule.step()
        theirs.apply([keras.ops.convert_to_tensor(grad)], [variable])
    np.testing.assert_allclose(variable.numpy(), parameter.detach().numpy(), rtol=1e-6, atol=1e-7)
    assert np.abs(variable.numpy() - start).min() > 1e-4
