"""Layers in Keras: products in the form that suits XLA."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tx_core.models.layers_tf import Embedding, Linear, OutputEmbedding
from tx_core.models.switches_tf import products_for_xla

RNG = np.random.default_rng(0)


def both_ways(layer: Any, x: Any) -> tuple[Any, Any, bool]:
    """A layer's results: as it is, and compiled by XLA in the form that suits it; and whether that adds up parts."""

    def call(x: Any) -> Any:
        with products_for_xla.on():
            return layer(x)

    compiled = tf.function(call, jit_compile=True)
    graph = compiled.get_concrete_function(x).graph
    return layer(x).numpy(), compiled(x).numpy(), any(op.type == "Sum" for op in graph.get_operations())


def numbers(*shape: int) -> Any:
    return tf.constant(RNG.standard_normal(shape), tf.float32)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 128), (1, 128), (3, 1, 128), (1, 2, 128), (1, 1, 100)])
def test_linear(shape: tuple[int, ...], bias: bool) -> None:
    layer = Linear(shape[-1], 7, 1.0, use_bias=bias, bias_initializer="ones")
    layer.build()
    plain, for_xla, parts = both_ways(layer, numbers(*shape))
    assert parts == (shape in ((1, 1, 128), (1, 128)))
    assert for_xla.shape == (*shape[:-1], 7)
    np.testing.assert_allclose(for_xla, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 5])
def test_output_embedding(rows: int, bias: bool, tied: bool) -> None:
    layer, embedding = OutputEmbedding(16, 9, 1.0, use_bias=bias), Embedding(9, 16, 1.0)
    embedding.build()
    if tied:
        layer.tie(embedding)
    layer.build()
    if bias:
        layer.bias.assign(np.arange(9))
    plain, for_xla, _ = both_ways(layer, numbers(rows, 16))
    assert for_xla.shape == (rows, 9)
    np.testing.assert_allclose(for_xla, plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    assert not np.allclose(plain, plain[:, ::-1])


def test_linear_that_learned_low_rank_changes() -> None:
    """Keras's low-rank adaptation changes what the kernel is."""
    layer = Linear(64, 5, 1.0)
    layer.build()
    layer.enable_lora(rank=2)
    layer.lora_kernel_b.assign(np.ones((2, 5)))
    plain, for_xla, _ = both_ways(layer, numbers(1, 64))
    np.testing.assert_allclose(for_xla, plain, rtol=0, atol=1e-5 * np.abs(plain).max())
    assert not np.allclose(plain, plain[:, :1])
