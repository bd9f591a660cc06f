"""Activation functions: the same numbers in both frameworks."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models import activations_tf, activations_torch

PLACES = np.concatenate((np.linspace(-12, 12, 4801), [-1e3, -1e-9, 1e-9, 1e3]))


def test_same_names() -> None:
    assert list(activations_tf.ACTIVATIONS) == list(activations_torch.ACTIVATIONS)


@pytest.mark.parametrize("name", activations_torch.ACTIVATIONS)
def test_float64_has_all_its_digits(name: str) -> None:
    x = torch.tensor(PLACES, requires_grad=True)
    y = activations_torch.ACTIVATIONS[name](x)
    y.sum().backward()
    assert x.grad is not None
    other = tf.Variable(PLACES)
    with tf.GradientTape() as tape:
        found = activations_tf.ACTIVATIONS[name](other)
    assert found.dtype == tf.float64
    np.testing.assert_allclose(found, y.detach(), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(tape.gradient(found, other), x.grad, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", activations_torch.ACTIVATIONS)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_stays_finite(name: str, dtype: str) -> None:
    """Whatever a square or a cube within does: numbers of 1000 have none in float16."""
    x = torch.tensor(PLACES).to(getattr(torch, dtype))
    found = activations_tf.ACTIVATIONS[name](tf.constant(x.float().numpy(), dtype))
    wanted = activations_torch.ACTIVATIONS[name](x)
    assert found.dtype == dtype
    np.testing.assert_allclose(tf.cast(found, "float32"), wanted.float(), rtol=0.02, atol=0.02)
