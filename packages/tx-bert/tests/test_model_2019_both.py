"""The TensorFlow quick tour of the 2019 README, which ends in PyTorch."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tx_bert import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
    TFBertForSequenceClassification,
    TFBertModel,
)
from tx_testing.data import data_path
from tx_testing.suites.spec import assert_close


@pytest.fixture(scope="module")
def pretrained_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What stands for 'bert-base-cased': the real vocabulary and a small random model."""
    folder = tmp_path_factory.mktemp("bert-tiny-cased")
    vocabulary = (data_path("vocab/bert-base-cased") / "vocab.txt").read_bytes()
    (folder / "vocab.txt").write_bytes(vocabulary)
    config = BertConfig(28996, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=37)
    BertModel(config).save_pretrained(str(folder))
    return str(folder)


def examples(tokenizer: BertTokenizer, split: str, number: int, max_length: int = 64) -> tf.data.Dataset:
    """Rows of MRPC as features, padded to one length."""
    lines = (data_path("glue/MRPC") / f"{split}.tsv").read_text(encoding="utf-8-sig").splitlines()[1 : number + 1]
    features: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "token_type_ids": []}
    labels = []
    for line in lines:
        label, _, _, sentence_0, sentence_1 = line.split("\t")
        inputs = tokenizer.encode_plus(sentence_0, sentence_1, add_special_tokens=True, max_length=max_length)
        length = len(inputs["input_ids"])
        padding = [0] * (max_length - length)
        features["input_ids"].append(inputs["input_ids"] + padding)
        features["attention_mask"].append([1] * length + padding)
        features["token_type_ids"].append(inputs["token_type_ids"] + padding)
        labels.append(int(label))
    arrays = {name: np.array(rows, np.int32) for name, rows in features.items()}
    return tf.data.Dataset.from_tensor_slices((arrays, np.array(labels, np.int64)))


def test_quick_tour(pretrained_weights: str, tmp_path: Path) -> None:
    tokenizer = BertTokenizer.from_pretrained(pretrained_weights, do_lower_case=False)
    model = TFBertForSequenceClassification.from_pretrained(pretrained_weights)

    train_dataset = examples(tokenizer, "train", 64).shuffle(100).batch(16).repeat(2)
    valid_dataset = examples(tokenizer, "dev", 32).batch(16)
    optimizer = tf.keras.optimizers.Adam(learning_rate=3e-5, epsilon=1e-08, clipnorm=1.0)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    metric = tf.keras.metrics.SparseCategoricalAccuracy("accuracy")
    model.compile(optimizer=optimizer, loss=loss, metrics=[metric])
    history = model.fit(
        train_dataset, epochs=2, steps_per_epoch=4, validation_data=valid_dataset, validation_steps=2, verbose=0
    )
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert np.isfinite(history.history["loss"]).all()

    model.save_pretrained(str(tmp_path / "save"))
    pytorch_model = BertForSequenceClassification.from_pretrained(str(tmp_path / "save"), from_tf=True)

    sentence_0 = "This research was consistent with his findings."
    sentence_1 = "His findings were compatible with this research."
    sentence_2 = "His findings were not compatible with this research."
    for second in (sentence_1, sentence_2):
        inputs = tokenizer.encode_plus(sentence_0, second, add_special_tokens=True, return_tensors="pt")
        logits = pytorch_model(inputs["input_ids"], token_type_ids=inputs["token_type_ids"])[0]
        assert logits.argmax().item() in (0, 1)
        inputs = tokenizer.encode_plus(sentence_0, second, add_special_tokens=True, return_tensors="tf")
        wanted = model(inputs["input_ids"], token_type_ids=inputs["token_type_ids"])[0]
        assert_close(logits.detach().numpy(), np.asarray(wanted), 1e-5)


def test_tokenizer_output_goes_into_the_models(pretrained_weights: str) -> None:
    """``model(**inputs)`` in PyTorch, ``model(inputs)`` in TensorFlow."""
    tokenizer = BertTokenizer.from_pretrained(pretrained_weights, do_lower_case=False)
    text = "Hello, my dog is cute"
    one = BertModel.from_pretrained(pretrained_weights)(**tokenizer.encode_plus(text, return_tensors="pt"))
    tf_model = TFBertModel.from_pretrained(pretrained_weights)
    two = tf_model(tokenizer.encode_plus(text, return_tensors="tf"))
    assert_close(np.asarray(two[0]), one[0].detach().numpy(), 1e-5)
    three = tf_model(tf.constant(tokenizer.encode(text))[None, :])
    assert_close(np.asarray(three[0]), np.asarray(two[0]), 1e-5)


def test_models_of_2019_load_across_frameworks(tmp_path: Path) -> None:
    """``from_pt=True`` with a ``pytorch_model.bin``; ``from_tf=True`` with a ``tf_model.h5``."""
    config = BertConfig(50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    BertModel(config).save_pretrained(str(tmp_path / "pt"), format="bin")
    tf_model = TFBertModel.from_pretrained(str(tmp_path / "pt"), from_pt=True)
    tf_model.save_pretrained(str(tmp_path / "tf"), format="h5")
    assert {path.name for path in (tmp_path / "tf").iterdir()} == {"config.json", "tf_model.h5"}
    again = BertModel.from_pretrained(str(tmp_path / "tf"), from_tf=True)
    first = BertModel.from_pretrained(str(tmp_path / "pt"))
    for (name, one), two in zip(first.named_parameters(), again.parameters(), strict=True):
        assert one.equal(two), name
