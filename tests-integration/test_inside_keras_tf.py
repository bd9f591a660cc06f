"""Keras's callbacks on a model that is fine-tuned on MRPC's sentences, and as docs/working-with.md has them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tx_bert import BertTokenizer, TFBertForSequenceClassification
from tx_testing import documented, glue


def model() -> Any:
    """A classifier of tx-tiny's BERT without dropout, whose new head has the same weights each time."""
    keras.utils.set_random_seed(0)
    made = TFBertForSequenceClassification.from_pretrained(
        "tx-tiny/bert", num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    made.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    return made


def data(start: int, count: int) -> Any:
    pairs = glue.mrpc(start + count)[start:]
    encoded = BertTokenizer.from_pretrained("tx-tiny/bert")(
        [pair[:2] for pair in pairs], padding="max_length", truncation=True, max_length=32, return_tensors="tf"
    )
    labels = tf.constant([pair[2] for pair in pairs])
    return tf.data.Dataset.from_tensor_slices((dict(encoded), labels)).batch(4)


def test_callbacks(tmp_path: Path) -> None:
    """The best weights are written and restored, the rate falls, training stops, every epoch is logged."""
    train, other = data(0, 8), data(8, 8)
    best = tmp_path / "best.weights.h5"
    watched: dict[str, Any] = {"monitor": "val_loss", "mode": "min"}
    callbacks = [
        keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True, **watched),
        keras.callbacks.ModelCheckpoint(best, save_best_only=True, save_weights_only=True, **watched),
        keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=1, **watched),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    tuned = model()
    history = tuned.fit(train, validation_data=other, epochs=12, verbose=0, callbacks=callbacks).history
    losses = history["val_loss"]
    # Eight sentences are soon known by heart, which helps with no others.
    assert len(losses) < 12
    assert int(np.argmin(losses)) == len(losses) - 3
    assert history["learning_rate"][0] > tuned.optimizer.learning_rate
    assert history["loss"][-1] < history["loss"][0]
    with (tmp_path / "log.csv").open(newline="") as file:
        assert [float(row["val_loss"]) for row in csv.DictReader(file)] == losses

    assert abs(tuned.evaluate(other, verbose=0, return_dict=True)["loss"] - min(losses)) < 1e-5
    fresh = model()
    fresh.load_weights(best)
    for one, two in zip(fresh.variables, tuned.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    # What a callback left is a model like any other.
    tuned.save_pretrained(tmp_path / "model")
    again = TFBertForSequenceClassification.from_pretrained(tmp_path / "model")
    inputs = next(iter(other))[0]
    np.testing.assert_array_equal(again(inputs).logits, tuned(inputs).logits)


def test_the_page_s_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Path(__file__).resolve().parent.parent / "docs" / "working-with.md"
    (block,) = documented.sections(page)["Keras callbacks"]
    exec(compile(block, "docs/working-with.md: Keras callbacks", "exec"), {"__name__": "documented"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.weights.h5", "model"]
