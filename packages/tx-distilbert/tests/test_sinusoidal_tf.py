"""Sinusoidal positions in Keras: computed for a new model, a file's where it has them, and never trained."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tx_distilbert import TFDistilBertForMaskedLM, TFDistilBertModel
from tx_testing.suites.spec import load_spec

SPEC = load_spec(__file__, "distilbert_spec").variant("sinusoidal")
IDS = np.array([[5, 7, 9, 11]])


def table(model: TFDistilBertModel) -> np.ndarray:
    return np.array(model.distilbert.embeddings.position_embeddings.embeddings)


def test_a_new_table_alternates() -> None:
    found = table(TFDistilBertModel(SPEC.make_config()))
    assert found[0].tolist() == [0.0, 1.0] * 16
    for position, column in ((1, 0), (39, 6), (17, 31)):
        angle = position / 10000 ** (column // 2 * 2 / 32)
        assert found[position, column] == pytest.approx(np.cos(angle) if column % 2 else np.sin(angle), abs=1e-7)


@pytest.mark.parametrize("thawed", [False, True])
def test_training_leaves_it(thawed: bool) -> None:
    model = TFDistilBertForMaskedLM(SPEC.make_config())
    if thawed:
        model.trainable = False
        model.trainable = True
    before, words = table(model), np.array(model.get_input_embeddings().embeddings)
    variable = model.distilbert.embeddings.position_embeddings.embeddings
    assert all(each is not variable for each in model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.AdamW(0.1, weight_decay=0.1), loss=loss)
    model.fit(IDS, IDS, epochs=3, verbose=0)
    assert np.abs(np.array(model.get_input_embeddings().embeddings) - words).max() > 0.01
    np.testing.assert_array_equal(table(model), before)


def test_the_file_s_table_counts(tmp_path: Path) -> None:
    model = TFDistilBertModel(SPEC.make_config())
    layer = model.distilbert.embeddings.position_embeddings
    layer.embeddings.assign(table(model) * 0.5)
    model.save_pretrained(tmp_path)
    model.save_weights(str(tmp_path / "own.weights.h5"))
    for cls in (TFDistilBertModel, TFDistilBertForMaskedLM):
        np.testing.assert_array_equal(table(cls.from_pretrained(tmp_path)), table(model))
    fresh = TFDistilBertModel(SPEC.make_config())
    fresh.load_weights(str(tmp_path / "own.weights.h5"))
    np.testing.assert_array_equal(np.array(fresh(IDS)[0]), np.array(model(IDS)[0]))
