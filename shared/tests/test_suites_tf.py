"""What the suites differentiate, in TensorFlow."""

from collections import namedtuple

import tensorflow as tf

from tx_testing.suites.models_tf import TFBackend


def test_a_loss_for_every_token_is_averaged() -> None:
    output = namedtuple("Output", "loss logits")(tf.constant([[1.0, 3.0]]), tf.ones(2))
    assert float(TFBackend().loss(output)) == 2


def test_without_labels_scores_count_and_places_do_not() -> None:
    output = namedtuple("Output", "scores places past")(tf.constant([1.0, 3.0]), tf.constant([7]), (tf.ones(2),))
    assert float(TFBackend().loss(output)) == 5
