"""Datasets in the form of tensorflow_datasets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tx_data import InputExample, glue_convert_examples_to_features, glue_processors
from tx_tokenizers import WordPieceTokenizer


def dataset(label: Any, **texts: list[str]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"idx": np.arange(len(label)), "label": label, **texts})


MRPC = dataset(np.array([1, 0]), sentence1=["the cat sat", "the dog"], sentence2=["it was on the mat.", "who ran?"])


def test_a_dataset_gives_a_dataset(tokenizer: WordPieceTokenizer) -> None:
    found = glue_convert_examples_to_features(MRPC, tokenizer, max_length=14, task="mrpc")
    examples = [
        InputExample("1", "the cat sat", "it was on the mat.", label="1"),
        InputExample("2", "the dog", "who ran?", label="0"),
    ]
    wanted = glue_convert_examples_to_features(examples, tokenizer, 14, "mrpc")
    row = tf.TensorSpec([14], tf.int32)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    assert found.element_spec == (dict.fromkeys(names, row), tf.TensorSpec([], tf.int64))
    rows = [*found.as_numpy_iterator()]
    assert [int(label) for _, label in rows] == [1, 0]
    assert [{name: [*map(int, row)] for name, row in inputs.items()} for inputs, _ in rows] == [
        {name: getattr(each, name) for name in names} for each in wanted
    ]
    (batch,) = found.shuffle(10).batch(2).as_numpy_iterator()
    assert batch[0]["input_ids"].shape == (2, 14)


def test_labels_are_those_that_the_dataset_means(tokenizer: WordPieceTokenizer) -> None:
    # tensorflow_datasets numbers MNLI's labels entailment, neutral, contradiction.
    mnli = dataset(np.array([0, 1, 2, -1]), premise=["a"] * 4, hypothesis=["the"] * 4)
    examples = [glue_processors["mnli"]().get_example_from_tensor_dict(each) for each in mnli]
    assert examples[0] == InputExample(0, "a", "the", label="entailment")
    assert [each.label for each in examples] == ["entailment", "neutral", "contradiction", None]
    found = glue_convert_examples_to_features(mnli, tokenizer, 8, task="mnli")
    assert [int(label) for _, label in found] == [1, 2, 0, -1]


def test_a_regression_keeps_fractions(tokenizer: WordPieceTokenizer) -> None:
    stsb = dataset(np.array([3.8, -1], np.float32), sentence1=["a", "a"], sentence2=["the", "the"])
    found = glue_convert_examples_to_features(stsb, tokenizer, 8, task="sts-b")
    labels = [label.numpy() for _, label in found]
    np.testing.assert_array_equal(labels, np.array([3.8, -1], np.float32))


class WithoutTypes(WordPieceTokenizer):
    """As XLM's: a call gives types of tokens, and no model wants them."""

    @property
    def dataset_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask"]


def test_inputs_that_the_model_does_not_take_are_left_out(tokenizer: WordPieceTokenizer) -> None:
    without = WithoutTypes(vocab=tokenizer.get_vocab())
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    for each in (tokenizer, without):
        inputs, _ = glue_convert_examples_to_features(MRPC, each, max_length=14, task="mrpc").element_spec
        assert [*inputs] == ["input_ids", "attention_mask"]


def test_single_sentences_and_errors(tokenizer: WordPieceTokenizer) -> None:
    single = dataset(np.array([1]), sentence=["Ünkind it was."])
    (example,) = (glue_processors["sst-2"]().get_example_from_tensor_dict(each) for each in single)
    assert example == InputExample(0, "Ünkind it was.", label="1")
    with pytest.raises(ValueError, match=r"needs task="):
        glue_convert_examples_to_features(MRPC, tokenizer)
    with pytest.raises(
        ValueError, match=r"MrpcProcessor needs the columns idx, label, sentence1, sentence2; .* sentence"
    ):
        glue_convert_examples_to_features(single, tokenizer, task="mrpc")
    with pytest.raises(ValueError, match=r"the label 7 of the dataset is none of Sst2Processor: 0 to 1"):
        glue_convert_examples_to_features(dataset(np.array([7]), sentence=["a"]), tokenizer, task="sst-2")
    with pytest.raises(ValueError, match=r"the dataset is batched: make features of single rows, and batch those"):
        glue_convert_examples_to_features(MRPC.batch(2), tokenizer, task="mrpc")
