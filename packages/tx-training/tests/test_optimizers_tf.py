"""The optimizer and the schedule in Keras: rates, what decays, fit, saved and resumed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tx_bert import BertConfig, TFBertForSequenceClassification
from tx_training import AdamWeightDecay, WarmUp, create_optimizer
from tx_transfo_xl import TFTransfoXLLMHeadModel, TransfoXLConfig


def toy() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.LayerNormalization(name="ln_1")])


def optimizer(**options: Any) -> Any:
    return create_optimizer(0.1, 10, 4, weight_decay_rate=0.1, **options)[0]


def test_the_rate_rises_and_falls_along_lines() -> None:
    _, schedule = create_optimizer(10.0, 10, 2)
    wanted = [0.0, 5.0, 10.0, 8.75, 7.5, 6.25, 5.0, 3.75, 2.5, 1.25, 0.0, 0.0]
    np.testing.assert_allclose([float(schedule(step)) for step in range(12)], wanted, rtol=1e-6, atol=1e-6)


def test_the_fall_has_a_power_and_an_end() -> None:
    _, schedule = create_optimizer(8.0, 4, 0, min_lr_ratio=0.5, power=2.0)
    wanted = [4 + 4 * (1 - step / 4) ** 2 for step in range(5)] + [4.0]
    np.testing.assert_allclose([float(schedule(step)) for step in range(6)], wanted, rtol=1e-6)


def test_a_training_may_be_all_warm_up() -> None:
    _, schedule = create_optimizer(8.0, 4, 4)
    np.testing.assert_allclose([float(schedule(step)) for step in range(6)], [0, 2, 4, 6, 8, 0], rtol=1e-6)


def test_the_rise_has_a_power() -> None:
    schedule = WarmUp(8.0, keras.optimizers.schedules.ExponentialDecay(8.0, 1, 0.5), 2, power=2.0)
    np.testing.assert_allclose([float(schedule(step)) for step in range(5)], [0, 2, 8, 4, 2], rtol=1e-6)


def test_schedule_and_optimizer_come_back_from_their_configurations() -> None:
    first = optimizer(adam_global_clipnorm=1.0, adam_epsilon=1e-5)
    second = keras.optimizers.deserialize(keras.optimizers.serialize(first))
    assert isinstance(second, AdamWeightDecay)
    assert second.get_config() == first.get_config()
    assert (second.weight_decay, second.epsilon, second.global_clipnorm) == (0.1, 1e-5, 1.0)
    assert isinstance(second._learning_rate, WarmUp)


def decayed(model: Any, **options: Any) -> set[str]:
    """The variables that a step without gradients changes."""
    for each in model.trainable_variables:
        each.assign(np.ones(each.shape, "float32"))
    optimizer = AdamWeightDecay(0.5, weight_decay_rate=0.5, **options)
    optimizer.apply([keras.ops.zeros_like(each) for each in model.trainable_variables], model.trainable_variables)
    for each in model.trainable_variables:
        assert set(np.unique(each.numpy())) <= {np.float32(0.75), np.float32(1.0)}
    return {each.path for each in model.trainable_variables if np.all(each.numpy() == 0.75)}


def test_biases_and_normalisations_do_not_decay() -> None:
    model = toy()
    kernel = model.layers[0].kernel.path
    assert decayed(model) == {kernel}
    assert decayed(model, exclude_from_weight_decay=["ln_1"]) == {kernel, model.layers[0].bias.path}
    assert decayed(model, exclude_from_weight_decay=[]) == {each.path for each in model.trainable_variables}


def test_they_do_not_in_the_models_of_tx() -> None:
    bert = TFBertForSequenceClassification(
        BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    )
    leaves = {path.rpartition("/")[2] for path in decayed(bert)}
    assert leaves == {"kernel", "embeddings"}
    transfo_xl = TFTransfoXLLMHeadModel(
        TransfoXLConfig(vocab_size=9, cutoffs=[4], d_model=8, d_embed=8, n_head=2, d_head=4, d_inner=8, n_layer=1)
    )
    paths = {each.path for each in transfo_xl.trainable_variables} - decayed(transfo_xl)
    assert {path.rpartition("/")[2] for path in paths} == {
        "bias",
        "gamma",
        "beta",
        "r_w_bias",
        "r_r_bias",
        "cluster_bias",
    }


@pytest.mark.parametrize("rate", [0.0, 0.1])
@pytest.mark.parametrize("clip", ["adam_clipnorm", "adam_global_clipnorm"])
def test_gradients_of_embeddings_are_clipped_by_word(clip: str, rate: float) -> None:
    """A word that stands three times has three rows in its gradient, which are one."""
    found = []
    for by_word in (False, True):
        clipped: dict[str, Any] = {clip: 0.5}
        optimizer, _ = create_optimizer(0.1, 10, 0, adam_epsilon=1.0, weight_decay_rate=rate, **clipped)
        table, bias = keras.Variable(np.ones((4, 2), "float32")), keras.Variable(np.ones(2, "float32"), name="bias")
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(table.value, [1, 1, 1, 2])) + tf.reduce_sum(bias.value)
        gradients = tape.gradient(loss, [table.value, bias.value])
        assert isinstance(gradients[0], tf.IndexedSlices)
        optimizer.apply([tf.convert_to_tensor(gradients[0]) if by_word else gradients[0], gradients[1]], [table, bias])
        found.append([table.numpy(), bias.numpy()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_steps_follow_the_formula() -> None:
    generator = np.random.default_rng(0)
    start, grads = generator.normal(size=(5,)).astype("float32"), generator.normal(size=(8, 5)).astype("float32")
    variable = keras.Variable(start, name="kernel")
    optimizer = AdamWeightDecay(0.1, 0.8, 0.9, 0.01, weight_decay_rate=0.2)
    p, m, v = start.astype(float), np.zeros(5), np.zeros(5)
    for t, grad in enumerate(grads, start=1):
        optimizer.apply([keras.ops.convert_to_tensor(grad)], [variable])
        m, v = 0.8 * m + 0.2 * grad, 0.9 * v + 0.1 * grad**2
        p -= 0.1 * 0.2 * p
        p -= 0.1 * math.sqrt(1 - 0.9**t) / (1 - 0.8**t) * m / (np.sqrt(v) + 0.01)
    np.testing.assert_allclose(variable.numpy(), p, rtol=1e-5)


def fit(model: Any, steps: range) -> None:
    x = np.random.default_rng(1).normal(size=(10, 4, 3)).astype("float32")
    for step in steps:
        model.train_on_batch(x[step], np.ones((4, 4), "float32"))


def test_a_resumed_training_is_the_uninterrupted_one_bit_by_bit(tmp_path: Path) -> None:
    whole = toy()
    whole.compile(optimizer=optimizer(), loss="mse", jit_compile=False)
    fit(whole, range(5))
    whole.save(tmp_path / "model.keras")
    fit(whole, range(5, 8))
    resumed: Any = keras.models.load_model(tmp_path / "model.keras")
    assert int(resumed.optimizer.iterations) == 5
    fit(resumed, range(5, 8))
    for found, wanted in zip(resumed.variables, whole.variables, strict=True):
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_without_decay_it_is_kerass_adam() -> None:
    found, _ = create_optimizer(0.1, 10, 2)
    assert type(found) is keras.optimizers.Adam


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: create_optimizer(0.1, 10, 20), "a warm-up of 20 steps does not fit into a training of 10"),
        (lambda: create_optimizer(-0.1, 10, 2), "init_lr must be a number from 0 on, not -0.1"),
        (lambda: create_optimizer(0.1, 10, -2), "num_warmup_steps must be a number from 0 on, not -2"),
        (lambda: create_optimizer(0.1, 10, 2, weight_decay_rate=math.nan), "weight_decay_rate must .* not nan"),
        (lambda: AdamWeightDecay(beta_1=1.0), "beta_1 must be a number from 0 to below 1, not 1.0"),
        (lambda: AdamWeightDecay(exclude_from_weight_decay="bias"), "must be a list of expressions, not 'bias'"),
        (lambda: AdamWeightDecay(exclude_from_weight_decay=["("]), r"'\(' is no expression"),
    ],
)
def test_bad_arguments_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
