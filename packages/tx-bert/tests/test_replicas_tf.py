"""Training on several devices at once gives what training on one does."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np

SCRIPT = """
import contextlib, json
import keras
import numpy as np
import tensorflow as tf
from tx_bert import BertConfig, TFBertForSequenceClassification

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
config = BertConfig(
    40, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)
ids = np.random.default_rng(0).integers(1, 40, (8, 6))
inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
data = tf.data.Dataset.from_tensor_slices((inputs, ids[:, 0] % 2)).batch(4)
results = []
for strategy in (None, tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])):
    keras.utils.set_random_seed(1)
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = TFBertForSequenceClassification(config)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    logits = model.predict(data, verbose=0)[0].tolist()
    results.append((logits, model.fit(data, epochs=3, verbose=0).history["loss"]))
print(json.dumps(results))
"""


def test_two_replicas() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True, text=True)
    (one, losses), (two, replicas_losses) = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(two, one, rtol=1e-5, atol=1e-6)
    # With replicas, Keras 3.7 leaves out the first batch.
    np.testing.assert_allclose(replicas_losses, losses, rtol=5e-2)
    assert replicas_losses[-1] < 0.95 * replicas_losses[0]
