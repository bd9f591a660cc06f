"""The module paths of 2019 that hold Keras models."""

from __future__ import annotations

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf


def test_sizes_of_axes_are_numbers_where_they_are_known() -> None:
    from tx_all.modeling_tf_utils import shape_list  # type: ignore[import-not-found]

    assert shape_list(tf.zeros([5, 3])) == [5, 3]
    found = tf.function(lambda x: shape_list(x)[0], input_signature=[tf.TensorSpec([None, 3])])
    assert found(tf.zeros([5, 3])).numpy() == 5


def test_initial_values() -> None:
    import tx_all
    from tx_all.modeling_tf_bert import TFBertModel, get_initializer  # type: ignore[import-not-found]

    assert TFBertModel is tx_all.TFBertModel
    values = get_initializer(0.1)((1000,)).numpy()
    assert 0.07 < values.std() < 0.1
    assert abs(values).max() <= 0.2


@pytest.mark.parametrize("path", ["modeling_tf_gpt2", "modeling_tf_openai", "modeling_tf_xlnet", "modeling_tf_bert"])
def test_gelu_is_that_of_the_module(path: str) -> None:
    """GPT's, GPT-2's and XLNet's was the approximation by tanh."""
    module = importlib.import_module(f"tx_all.{path}")
    x = tf.linspace(-3.0, 3.0, 7)
    wanted = keras.ops.gelu(x, approximate=path != "modeling_tf_bert")
    for found in (module.gelu, module.ACT2FN["gelu"]):
        np.testing.assert_allclose(found(x), wanted, rtol=1e-5, atol=1e-6)
