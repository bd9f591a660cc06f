"""TensorFlow and Keras treat outputs as the tuples they are."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tx_core.outputs import output


class Layer(keras.layers.Layer):
    def call(self, x: Any, labels: Any = None) -> Any:
        loss = None if labels is None else keras.ops.mean(keras.ops.square(x * 3 - labels))
        return output("ToyOutput", loss=loss, logits=x * 3, hidden_states=(x, x + 1))


def test_function() -> None:
    layer = Layer()
    x = tf.ones((2, 3))
    for options in ({}, {"autograph": False}, {"jit_compile": True}):
        compiled = tf.function(lambda x: layer(x), **options)
        result = compiled(x)
        assert type(result) is type(layer(x))
        assert result._fields == ("logits", "hidden_states")
        np.testing.assert_array_equal(result.logits, np.full((2, 3), 3.0))


def test_function_traces_an_output_made_nowhere_before() -> None:
    result = tf.function(lambda x: output("NewOutput", logits=x + 1, attentions=None))(tf.zeros(2))
    assert result._fields == ("logits",)
    np.testing.assert_array_equal(result.logits, [1.0, 1.0])


def test_nest_and_tree() -> None:
    result = Layer()(tf.zeros((1, 1)))
    for map_structure in (tf.nest.map_structure, keras.tree.map_structure):
        mapped = map_structure(lambda each: each + 1, result)
        assert type(mapped) is type(result)
        assert float(mapped.hidden_states[1][0, 0]) == 2
    assert len(tf.nest.flatten(result)) == len(keras.tree.flatten(result)) == 3


def test_functional_model() -> None:
    inputs = keras.Input((3,))
    result = Layer()(inputs)
    assert result._fields == ("logits", "hidden_states")
    model = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="ones")(result.logits))
    np.testing.assert_array_equal(model(tf.ones((1, 3))), [[9.0, 9.0]])
    whole = keras.Model(inputs, result)
    assert len(whole(tf.ones((1, 3)))) == 2


def test_gradient() -> None:
    x = tf.ones((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = Layer()(x, labels=tf.zeros((2, 3))).loss
    gradient: Any = tape.gradient(loss, x)
    np.testing.assert_allclose(gradient, np.full((2, 3), 3.0), rtol=1e-6)


def test_predict_keeps_every_item() -> None:
    inputs = keras.Input((3,))
    logits, hidden_states = keras.Model(inputs, Layer()(inputs)).predict(np.ones((4, 3), "float32"), verbose=0)
    assert logits.shape == (4, 3)
    assert len(hidden_states) == 2
