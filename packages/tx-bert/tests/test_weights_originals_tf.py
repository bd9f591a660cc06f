"""Google's own checkpoint, with the optimizer's slots that it carries, in TensorFlow."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tx_bert import BertConfig, TFBertForPreTraining, TFBertModel
from tx_core.checkpoints import open_checkpoint
from tx_core.weights import WeightsError
from tx_testing.data import data_path
from tx_testing.originals import write_googles_bert


def test_every_name_is_used_or_known_and_dropped() -> None:
    folder = data_path("checkpoints/bert-tf1")
    config = BertConfig.from_json_file(str(folder / "bert_config.json"))
    path = folder / "bert_model.ckpt.index"
    model, report = TFBertForPreTraining.from_pretrained(str(path), config=config, output_loading_info=True)
    assert not any(report.values())
    assert all(name.endswith(("/adam_m", "/adam_v")) or name == "global_step" for name in report.dropped)
    values = {name: np.asarray(variable.value) for name, variable in model.named_weights()}
    with open_checkpoint(path) as checkpoint:
        assert len(report.loaded) + len(report.dropped) == len(checkpoint.names())
        for published, original in (
            ("bert.embeddings.word_embeddings.weight", "bert/embeddings/word_embeddings"),
            ("bert.encoder.layer.1.output.dense.weight", "bert/encoder/layer_1/output/dense/kernel"),
            ("bert.pooler.dense.bias", "bert/pooler/dense/bias"),
            ("cls.predictions.transform.LayerNorm.weight", "cls/predictions/transform/LayerNorm/gamma"),
        ):
            np.testing.assert_array_equal(values[published], checkpoint.read(original), err_msg=published)


def test_tensorflow_reads_the_same_values() -> None:
    """TensorFlow's own reader agrees with ours, name by name."""
    folder = data_path("checkpoints/bert-tf1")
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    with open_checkpoint(folder / "bert_model.ckpt.index") as checkpoint:
        assert set(checkpoint.names()) == set(reader.get_variable_to_shape_map())
        for name in checkpoint.names():
            np.testing.assert_array_equal(checkpoint.read(name), reader.get_tensor(name), err_msg=name)


def test_bare_model() -> None:
    folder = data_path("checkpoints/bert-tf1")
    config = BertConfig.from_json_file(str(folder / "bert_config.json"))
    model = TFBertModel.from_pretrained(str(folder / "bert_model.ckpt.index"), config=config)
    output = model([[1, 5, 7, 9, 2]])
    assert output[0].shape == (1, 5, 4)
    assert np.isfinite(output[0]).all()
    with pytest.raises(ValueError, match=r"17\b.*\b16\b"):
        model([[1] * 17])


def test_googles_folder_as_it_is_downloaded() -> None:
    for cls in (TFBertModel, TFBertForPreTraining):
        _, report = cls.from_pretrained(str(data_path("checkpoints/bert-tf1")), output_loading_info=True)
        assert not any(report.values())
        assert not report.newly_initialized


@pytest.mark.parametrize("slots", [("BERTAdam", "BERTAdam_1"), ("lamb_m", "lamb_v"), ("vr", "vc"), ("Momentum",)])
def test_slots_of_other_optimizers(slots: tuple[str, ...], tmp_path: Path) -> None:
    state = write_googles_bert(tmp_path, slots)
    _, report = TFBertForPreTraining.from_pretrained(str(tmp_path), output_loading_info=True)
    assert set(report.dropped) == state
    write_googles_bert(tmp_path, slots, "bert/other/dense/kernel/Adam")
    with pytest.raises(WeightsError, match="bert/other/dense/kernel/Adam"):
        TFBertForPreTraining.from_pretrained(str(tmp_path))
