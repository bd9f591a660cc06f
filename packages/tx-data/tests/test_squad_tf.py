"""SQuAD from and to datasets of TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from tx_data import SquadExample, SquadV2Processor, squad_convert_examples_to_features
from tx_tokenizers import WordPieceTokenizer

CONTEXT = "The cat sat on the mat. A dog ran."


def test_windows_as_a_dataset(tokenizer: WordPieceTokenizer) -> None:
    example = SquadExample("q1", "Who ran?", CONTEXT, "dog", 26, "Pets")
    features = squad_convert_examples_to_features([example], tokenizer, 14, 5, 4, True)
    found = squad_convert_examples_to_features([example], tokenizer, 14, 5, 4, True, return_dataset="tf")
    rows = [*found.as_numpy_iterator()]
    assert len(rows) == len(features) == 2
    for number, (feature, (inputs, positions)) in enumerate(zip(features, rows, strict=True)):
        for name in ("input_ids", "attention_mask", "token_type_ids"):
            assert inputs[name].tolist() == getattr(feature, name)
        assert (inputs["feature_index"], inputs["qas_id"]) == (number, b"q1")
        assert positions["start_positions"] == feature.start_position
        assert positions["end_positions"] == feature.end_position
        assert positions["cls_index"] == 0
        assert positions["p_mask"].tolist() == feature.p_mask
        assert positions["is_impossible"] == feature.is_impossible


def test_inputs_that_the_model_does_not_take_are_left_out(tokenizer: WordPieceTokenizer) -> None:
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    example = SquadExample("q1", "Who ran?", CONTEXT, "dog", 26, "Pets")
    found = squad_convert_examples_to_features([example], tokenizer, 14, 5, 4, True, return_dataset="tf")
    assert "token_type_ids" not in found.element_spec[0]


def test_examples_of_tensorflow_datasets() -> None:
    def row(name: str, texts: list[str], starts: list[int]) -> dict[str, object]:
        answers = {"text": tf.constant(texts, tf.string), "answer_start": tf.constant(starts, tf.int32)}
        given = {"id": name, "question": "Who ran?", "context": CONTEXT, "title": "Pets"}
        return {**{key: tf.constant(value) for key, value in given.items()}, "answers": answers}

    rows = [row("q1", ["dog", "A dog"], [26, 24]), row("q2", [], [])]
    train = SquadV2Processor().get_examples_from_dataset({"train": rows})
    assert [(each.qas_id, each.answer_text, each.is_impossible) for each in train] == [
        ("q1", "dog", False),
        ("q2", None, True),
    ]
    assert train[0].doc_tokens[train[0].start_position] == "dog"
    dev = SquadV2Processor().get_examples_from_dataset({"validation": rows}, evaluate=True)
    assert dev[0].answers == [{"answer_start": 26, "text": "dog"}, {"answer_start": 24, "text": "A dog"}]
    assert dev[1].answers == []
