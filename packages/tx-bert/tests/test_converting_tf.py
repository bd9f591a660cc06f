"""TensorFlow reads the TensorFlow 1 checkpoints that conversion writes, and Keras its own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tx_bert import BertConfig, TFBertForPreTraining, TFBertForSequenceClassification
from tx_bert.weights import WEIGHTS
from tx_core.checkpoints import open_checkpoint
from tx_core.converting import convert
from tx_core.weights import WeightsError
from tx_testing import minilm
from tx_testing.data import data_path


def assert_variables(folder: Path, source: Path) -> None:
    """Assert that TensorFlow finds a file's parameters in the folder's newest checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = set(reader.get_variable_to_shape_map())
    with open_checkpoint(source) as checkpoint:
        for name in checkpoint.names():
            published = WEIGHTS.published(name)
            if WEIGHTS.is_dropped(published):
                continue
            place = WEIGHTS.to_original(published)
            found, wanted = reader.get_tensor(place.name), checkpoint.read(name)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found.T if place.layout == "transpose" else found, wanted)
            names.remove(place.name)
    assert not names


def test_tensorflow_reads_real_weights(tmp_path: Path) -> None:
    source = minilm.folder()
    convert(source, tmp_path, "tf1")
    assert_variables(tmp_path, source / "model.safetensors")


def test_googles_graph_restores(tmp_path: Path) -> None:
    """By TensorFlow 1's Saver, variable by variable, as Google's scripts do."""
    source = data_path("checkpoints/bert-tf1")
    convert(source, tmp_path / "there", "safetensors")
    convert(tmp_path / "there", tmp_path / "back", "tf1")
    assert_variables(tmp_path / "back", tmp_path / "there/model.safetensors")
    shapes = tf.train.load_checkpoint(str(source / "bert_model.ckpt")).get_variable_to_shape_map()
    wanted = {n: shape for n, shape in shapes.items() if not n.endswith(("adam_m", "adam_v")) and n != "global_step"}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = {name: tf.compat.v1.get_variable(name, shape) for name, shape in wanted.items()}
        tf.compat.v1.train.Saver(variables).restore(session, tf.train.latest_checkpoint(str(tmp_path / "back")))
        reader = tf.train.load_checkpoint(str(source / "bert_model.ckpt"))
        for name, variable in variables.items():
            np.testing.assert_array_equal(session.run(variable), reader.get_tensor(name), err_msg=name)


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16"])
def test_keras_reads_its_own_file(dtype: str | None, tmp_path: Path) -> None:
    report = convert(data_path("checkpoints/bert-tf1"), tmp_path, "keras", dtype=dtype)
    assert report.destination == tmp_path / "model.weights.h5"
    assert {*report.casts.values()} == ({("float32", dtype)} if dtype else set())
    model = TFBertForPreTraining(BertConfig.from_pretrained(tmp_path), dtype=dtype)
    model.load_weights(tmp_path / "model.weights.h5")
    wanted = TFBertForPreTraining.from_pretrained(data_path("checkpoints/bert-tf1"), dtype=dtype)
    for one, two in zip(model.weights, wanted.weights, strict=True):
        assert one.dtype == two.dtype == (dtype or "float32")
        np.testing.assert_array_equal(np.asarray(one.value, np.float32), np.asarray(two.value, np.float32))


def test_keras_wants_a_class_and_all_of_its_parameters(tmp_path: Path) -> None:
    config = BertConfig(20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    TFBertForSequenceClassification(config).save_pretrained(tmp_path / "classes")
    path = tmp_path / "classes/config.json"
    path.write_text(path.read_text().replace("TFBertForSequenceClassification", "BertForSomething"))
    path.write_text(path.read_text().replace("BertForSequenceClassification", "BertForSomething"))
    with pytest.raises(ValueError, match=r"which class the weights are of cannot be told.*\"architectures\""):
        convert(tmp_path / "classes", tmp_path / "there", "keras")
    path.write_text(path.read_text().replace("BertForSomething", "BertForSequenceClassification"))
    with open_checkpoint(tmp_path / "classes/model.safetensors") as checkpoint:
        arrays = {name: checkpoint.read(name) for name in checkpoint.names() if "pooler" not in name}
    from tx_core.checkpoints import write_safetensors

    write_safetensors(tmp_path / "classes/model.safetensors", arrays)
    with pytest.raises(WeightsError, match=r"bert\.pooler"):
        convert(tmp_path / "classes", tmp_path / "there", "keras")
    assert not (tmp_path / "there").exists()
