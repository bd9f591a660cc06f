"""Weights from PyTorch to Keras and back, tried on BERT, in the same process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch

from tx_core.models.conversion import (
    convert_tf_weight_name_to_pt_weight_name,
    load_pytorch_checkpoint_in_tf2_model,
    load_pytorch_model_in_tf2_model,
    load_pytorch_weights_in_tf2_model,
    load_tf2_checkpoint_in_pytorch_model,
    load_tf2_model_in_pytorch_model,
    load_tf2_weights_in_pytorch_model,
)
from tx_core.weights import WeightsError

bert = pytest.importorskip("tx_bert", reason="the functions are tried on BERT: install tx-bert")

IDS = np.array([[7, 6, 0, 0, 1], [1, 2, 3, 0, 0]])


def config(**changes: Any) -> Any:
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
    }
    return bert.BertConfig(50, max_position_embeddings=20, initializer_range=0.5, **{**sizes, **changes})


def pair(name: str) -> tuple[Any, Any]:
    torch_model = getattr(bert, name)(config()).eval()
    return torch_model, getattr(bert, f"TF{name}")(config())


def assert_same(torch_model: Any, tf_model: Any) -> None:
    with torch.no_grad():
        wanted = torch_model(torch.tensor(IDS))[0].numpy()
    np.testing.assert_allclose(tf_model(IDS)[0].numpy(), wanted, atol=1e-5 * np.abs(wanted).max())


CLASSES = ["BertModel", "BertForPreTraining", "BertForMaskedLM", "BertForSequenceClassification"]


@pytest.mark.parametrize("name", CLASSES)
def test_models(name: str) -> None:
    torch_model, tf_model = pair(name)
    assert load_pytorch_model_in_tf2_model(tf_model, torch_model, tf_inputs=tf_model.dummy_inputs) is tf_model
    assert_same(torch_model, tf_model)
    other = getattr(bert, name)(config()).eval()
    assert load_tf2_model_in_pytorch_model(other, tf_model) is other
    for (key, one), two in zip(torch_model.named_parameters(), other.parameters(), strict=True):
        assert one.equal(two), key


@pytest.mark.parametrize("name", CLASSES)
def test_weights(name: str) -> None:
    torch_model, tf_model = pair(name)
    load_pytorch_weights_in_tf2_model(tf_model, torch_model.state_dict())
    assert_same(torch_model, tf_model)
    other = getattr(bert, name)(config()).eval()
    load_tf2_weights_in_pytorch_model(other, tf_model.weights)
    for (key, one), two in zip(torch_model.named_parameters(), other.parameters(), strict=True):
        assert one.equal(two), key


@pytest.mark.parametrize("name", CLASSES)
def test_checkpoints(name: str, tmp_path: Path) -> None:
    torch_model, tf_model = pair(name)
    torch_model.save_pretrained(tmp_path, format="bin")
    load_pytorch_checkpoint_in_tf2_model(tf_model, tmp_path / "pytorch_model.bin")
    assert_same(torch_model, tf_model)
    tf_model.save_pretrained(tmp_path, format="h5")
    other = getattr(bert, name)(config()).eval()
    load_tf2_checkpoint_in_pytorch_model(other, str(tmp_path / "tf_model.h5"))
    assert_same(other, tf_model)
    with pytest.raises(ValueError, match="tf_inputs"):
        load_tf2_checkpoint_in_pytorch_model(other, str(tmp_path / "tf_model.h5"), tf_inputs=IDS)


def test_missing_parameters() -> None:
    torch_model, tf_model = pair("BertForSequenceClassification")
    state = torch_model.state_dict()
    del state["bert.encoder.layer.1.output.dense.bias"]
    with pytest.raises(WeightsError, match=r"layer\.1\.output\.dense\.bias"):
        load_pytorch_weights_in_tf2_model(tf_model, state)
    before = dict(tf_model.named_weights())["bert.encoder.layer.1.output.dense.bias"].numpy()
    load_pytorch_weights_in_tf2_model(tf_model, state, allow_missing_keys=True)
    after = {name: variable.numpy() for name, variable in tf_model.named_weights()}
    np.testing.assert_array_equal(after["bert.encoder.layer.1.output.dense.bias"], before)
    np.testing.assert_array_equal(after["classifier.weight"].T, state["classifier.weight"].numpy())

    del state["classifier.weight"], state["classifier.bias"]
    load_pytorch_weights_in_tf2_model(tf_model, state, allow_missing_keys=True)
    np.testing.assert_array_equal(
        dict(tf_model.named_weights())["classifier.weight"].numpy(), after["classifier.weight"]
    )


def test_a_head_that_the_weights_lack_keeps_its_values() -> None:
    torch_model, tf_model = pair("BertForSequenceClassification")
    before = dict(tf_model.named_weights())["classifier.weight"].numpy()
    base = bert.BertModel(config())
    load_pytorch_model_in_tf2_model(tf_model, base)
    weights = dict(tf_model.named_weights())
    np.testing.assert_array_equal(weights["classifier.weight"].numpy(), before)
    words = base.embeddings.word_embeddings.weight.detach().numpy()
    np.testing.assert_array_equal(weights["bert.embeddings.word_embeddings.weight"].numpy(), words)
    kept = torch_model.classifier.weight.detach().clone()
    load_tf2_model_in_pytorch_model(torch_model, bert.TFBertModel(config()))
    assert torch_model.classifier.weight.equal(kept)


def test_wrong_sizes() -> None:
    torch_model, _ = pair("BertModel")
    wide = bert.TFBertModel(config(intermediate_size=32))
    with pytest.raises(WeightsError, match=r"\(24, 16\), the model wants \(32, 16\)"):
        load_pytorch_model_in_tf2_model(wide, torch_model)
    with pytest.raises(WeightsError, match=r"\(32, 16\), the model wants \(24, 16\)"):
        load_tf2_model_in_pytorch_model(torch_model, wide)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtypes(dtype: str) -> None:
    tf_model = bert.TFBertModel(config(), dtype=dtype)
    torch_model = bert.BertModel(config()).to(getattr(torch, dtype))
    load_tf2_model_in_pytorch_model(torch_model, tf_model)
    again = bert.TFBertModel(config(), dtype=dtype)
    load_pytorch_model_in_tf2_model(again, torch_model)
    for one, two in zip(tf_model.weights, again.weights, strict=True):
        assert bool(tf.reduce_all(tf.equal(one.value, two.value))), one.path


@pytest.mark.parametrize(
    ("tf_name", "name", "transposed"),
    [
        (
            "tf_bert_model/bert/encoder/layer_._0/attention/self/query/kernel:0",
            "bert.encoder.layer.0.attention.self.query.weight",
            True,
        ),
        ("tf_bert_model_1/bert/embeddings/LayerNorm/gamma:0", "bert.embeddings.LayerNorm.weight", False),
        ("tf_bert_model/bert/embeddings/LayerNorm/beta:0", "bert.embeddings.LayerNorm.bias", False),
        (
            "tf_bert_model/bert/embeddings/position_embeddings/embeddings:0",
            "bert.embeddings.position_embeddings.weight",
            False,
        ),
        ("tf_bert_for_masked_lm/mlm___cls/predictions/bias:0", "cls.predictions.bias", False),
        ("tf_transfo_xl_model/transformer/crit/out_projs_._1:0", "transformer.crit.out_projs.1", True),
    ],
)
def test_names(tf_name: str, name: str, transposed: bool) -> None:
    assert convert_tf_weight_name_to_pt_weight_name(tf_name) == (name, transposed)


def test_name_without_prefix() -> None:
    found = convert_tf_weight_name_to_pt_weight_name("m/bert/pooler/dense/kernel:0", start_prefix_to_remove="bert.")
    assert found == ("pooler.dense.weight", True)
