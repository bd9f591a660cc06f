"""Named entities: reading, features, and scores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tx_data import (
    TokenExample,
    TokenSentences,
    ner_compute_metrics,
    ner_convert_examples_to_features,
    ner_labels_of_words,
    ner_processors,
    ner_read_labels,
)
from tx_data.ner_metrics import entities
from tx_testing.data import data_path
from tx_tokenizers import WordPieceTokenizer

CONLL = """-DOCSTART- -X- -X- O

The DT B-NP O
cat NN I-NP B-PET
sat VB B-VP O

Who WP B-NP O
"""


def test_columns_of_conll(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(CONLL)
    processor = ner_processors["conll"]()
    assert processor.get_train_examples(tmp_path) == [
        TokenExample("train-1", ["The", "cat", "sat"], ["O", "B-PET", "O"]),
        TokenExample("train-2", ["Who"], ["O"]),
    ]
    assert processor.get_labels(tmp_path) == ["O", "B-PET"]
    chunks = ner_processors["conll"](label_column=2)
    assert chunks.get_train_examples(tmp_path)[0].labels == ["B-NP", "I-NP", "B-VP"]
    assert chunks.get_labels(tmp_path) == ["O", "B-NP", "I-NP", "B-VP"]
    (tmp_path / "test.txt").write_text("The\ncat\n\nsat")
    assert processor.get_test_examples(tmp_path) == [
        TokenExample("test-1", ["The", "cat"]),
        TokenExample("test-2", ["sat"]),
    ]


def test_the_published_files_are_read_whole() -> None:
    processor = ner_processors["wnut17"]()
    data = data_path("ner/wnut17")
    train, dev, test = (
        processor.get_train_examples(data), processor.get_dev_examples(data), processor.get_test_examples(data)
    )  # fmt: skip
    assert [len(train), len(dev), len(test)] == [3394, 1009, 1287]
    assert [sum(len(each.words) for each in part) for part in (train, dev, test)] == [62730, 15733, 23394]
    labels = processor.get_labels(data)
    assert len(labels) == 13
    assert labels[:3] == ["O", "B-corporation", "I-corporation"]
    found = [label for part in (train, dev, test) for each in part for label in each.labels]
    assert {*found} == {*labels}
    assert sum(label.startswith("B-") for label in found[-23394:]) == 1079


@pytest.mark.parametrize(
    "line, problem",
    [
        ("\tO", "there is no word in '\\tO'"),
        ("cat\t", "the word 'cat' has no label but ''"),
        ("cat", "the word 'cat' has no label, unlike those before it"),
        ("cat\tB PET", "the word 'cat' has no label but 'B PET'"),
    ],
)
def test_a_malformed_line_is_an_error_with_its_place_or_its_sentence_left_out(
    tmp_path: Path, line: str, problem: str
) -> None:
    (tmp_path / "dev.txt").write_text(f"The\tO\n{line}\nsat\tO\n\nWho\tO\n")
    with pytest.raises(ValueError, match=re.escape(f"dev.txt, line 2: {problem}; correct it")):
        ner_processors["conll"]().get_dev_examples(tmp_path)
    processor = ner_processors["conll"](on_error="skip")
    assert processor.get_dev_examples(tmp_path) == [TokenExample("dev-2", ["Who"], ["O"])]
    assert len(processor.skipped) == 1


def test_columns_and_labels_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "dev.txt").write_text("The\tO\n\ncat\n")
    with pytest.raises(ValueError, match=r"dev.txt: 1 of 2 sentences have no labels, and others do"):
        ner_processors["conll"]().get_dev_examples(tmp_path)
    with pytest.raises(ValueError, match=r"line 1: 2 columns, and the label is in column 5"):
        ner_processors["conll"](label_column=5).get_dev_examples(tmp_path)


# Features -------------------------------------------------------------------------------------------------------------

EXAMPLE = TokenExample("e1", ["unkindly", "the", "\u200b", "cats", "sat"], ["O", "O", "O", "B-PET", "O"])
LABELS = ["O", "B-PET", "I-PET"]


def test_the_first_token_of_a_word_has_its_label(tokenizer: WordPieceTokenizer) -> None:
    (found,) = ner_convert_examples_to_features([EXAMPLE], tokenizer, 12, LABELS)
    tokens = ["[CLS]", "un", "##kind", "##ly", "the", "[UNK]", "cat", "##s", "sat", "[SEP]", "[PAD]", "[PAD]"]
    assert tokenizer.convert_ids_to_tokens(found.input_ids) == tokens
    assert found.label_ids == [-100, 0, -100, -100, 0, 0, 1, -100, 0, -100, -100, -100]
    assert found.attention_mask == [1] * 10 + [0] * 2
    assert found.words == {1: 0, 4: 1, 5: 2, 6: 3, 8: 4}


def test_a_long_sentence_is_divided_between_words(tokenizer: WordPieceTokenizer) -> None:
    other = TokenExample("e2", ["who"], ["I-PET"])
    found = ner_convert_examples_to_features([EXAMPLE, other, TokenExample("e3", [], [])], tokenizer, 6, LABELS)
    assert [tokenizer.decode(row.input_ids, skip_special_tokens=True) for row in found] == [
        "unkindly the", "cats sat", "who"
    ]  # fmt: skip
    assert [row.example_index for row in found] == [0, 0, 1]
    assert [len(row.input_ids) for row in found] == [6, 6, 6]
    # Every word is in one of the rows.
    assert sorted(word for row in found[:2] for word in row.words.values()) == [0, 1, 2, 3, 4]
    # A word that is longer than a row is cut.
    (first, *_) = ner_convert_examples_to_features([EXAMPLE], tokenizer, 4, LABELS)
    assert tokenizer.decode(first.input_ids) == "[CLS] unkind [SEP]"


def test_padding_may_come_first_and_labels_be_unknown(tokenizer: WordPieceTokenizer) -> None:
    tokenizer.padding_side = "left"
    (found,) = ner_convert_examples_to_features([EXAMPLE], tokenizer, 12)
    assert found.input_ids[:3] == [0, 0, tokenizer.cls_token_id]
    assert found.words == {3: 0, 6: 1, 7: 2, 8: 3, 10: 4}
    assert found.label_ids is None


def test_predictions_go_back_to_words(tokenizer: WordPieceTokenizer) -> None:
    examples = [EXAMPLE, TokenExample("e2", ["who"], ["I-PET"])]
    for length in (6, 12):
        found = ner_convert_examples_to_features(examples, tokenizer, length, LABELS, workers=2)
        preds = np.where(np.array([row.label_ids for row in found]) < 0, 2, [row.label_ids for row in found])
        assert ner_labels_of_words(preds, found, examples, LABELS) == [each.labels for each in examples]
    with pytest.raises(ValueError, match=r"predictions of the shape \(2, tokens\) are wanted, not \(3, 2\)"):
        ner_labels_of_words([[0, 0]] * 3, found, examples, LABELS)


def test_impossible_arguments_are_refused(tokenizer: WordPieceTokenizer) -> None:
    with pytest.raises(ValueError, match=r"sentence e1: the label 'B-PET' is none of O"):
        ner_convert_examples_to_features([EXAMPLE], tokenizer, 12, ["O"])
    with pytest.raises(ValueError, match=r"sentence e9 has 1 words and no labels"):
        ner_convert_examples_to_features([TokenExample("e9", ["a"])], tokenizer, 12, ["O"])
    with pytest.raises(ValueError, match=r"max_length=2 leaves no room for words beside 2 special tokens"):
        ner_convert_examples_to_features([EXAMPLE], tokenizer, 2, LABELS)


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels, wanted",
    [
        ("B-X I-X O B-Y", [("X", 0, 1), ("Y", 3, 3)]),
        ("B-X B-X I-X", [("X", 0, 0), ("X", 1, 2)]),
        ("I-X I-Y O I-Y", [("X", 0, 0), ("Y", 1, 1), ("Y", 3, 3)]),
        ("B-X E-X S-X I-X E-Y", [("X", 0, 1), ("X", 2, 2), ("X", 3, 3), ("Y", 4, 4)]),
        ("B-creative-work I-creative-work", [("creative-work", 0, 1)]),
        ("O O", []),
        ("", []),
    ],
)
def test_entities(labels: str, wanted: list[tuple[str, int, int]]) -> None:
    assert entities(labels.split()) == wanted


def test_scores_of_entities() -> None:
    labels = [["B-X", "I-X", "O", "B-Y"], ["O", "B-X"]]
    preds = [["B-X", "I-X", "O", "B-X"], ["B-Y", "B-X"]]  # of four two are right, of three two are found
    assert ner_compute_metrics(preds, labels) == pytest.approx({
        "precision": 1 / 2, "recall": 2 / 3, "f1": 4 / 7, "accuracy": 4 / 6,
        "X_precision": 2 / 3, "X_recall": 1, "X_f1": 4 / 5, "Y_precision": 0, "Y_recall": 0, "Y_f1": 0,
    })  # fmt: skip
    assert ner_compute_metrics([["O"]], [["O"]]) == {"precision": 0, "recall": 0, "f1": 0, "accuracy": 1}
    with pytest.raises(ValueError, match=r"sentence 1 has 1 predicted labels, and 2 words"):
        ner_compute_metrics([preds[0], ["O"]], labels)
    with pytest.raises(ValueError, match=r"1 sentences are predicted, and 2 have labels"):
        ner_compute_metrics(preds[:1], labels)
    with pytest.raises(ValueError, match=r"a label is O or B-…, .*, not 'PER'"):
        ner_compute_metrics([["PER"]], [["O"]])


def test_labels_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("B-PET\nO\nI-PET\n")
    assert ner_read_labels(path) == ["B-PET", "O", "I-PET"]
    path.write_text("B-PET\nI-PET")
    assert ner_read_labels(str(path)) == ["O", "B-PET", "I-PET"]
    for wrong in ("", "O\nB-PET\nO\n"):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=r"labels\.txt: a label a line is wanted, each once"):
            ner_read_labels(path)


def test_sentences_have_the_labels_scores_and_text_of_logits(tokenizer: WordPieceTokenizer) -> None:
    names = ["O", "B-PET"]
    examples = [TokenExample("1", ["the", "cat", "sat"], ["O", "B-PET", "O"]), TokenExample("2", ["dogs"], ["B-PET"])]
    sentences = TokenSentences(examples, tokenizer, 4, names)  # two words a row: the first sentence has two
    assert sentences.labelled
    assert sentences.features == ner_convert_examples_to_features(examples, tokenizer, 4, names)
    assert len(sentences.features) == 3
    # What is right, but for the last sentence.
    logits = [np.eye(2)[np.maximum(row.label_ids or 0, 0)] for row in sentences.features]
    logits[-1] = np.eye(2)[[0] * 4]
    assert sentences.found(logits) == [["O", "B-PET", "O"], ["O"]]
    assert sentences.text(logits) == "the O\ncat B-PET\nsat O\n\ndogs O\n"
    right = [example.labels or [] for example in examples]
    assert (
        sentences.scores(logits)
        == sentences.scores(logits, [])
        == ner_compute_metrics([["O", "B-PET", "O"], ["O"]], right)
    )


def test_sentences_without_labels_have_no_scores(tokenizer: WordPieceTokenizer) -> None:
    sentences = TokenSentences([TokenExample("1", ["the", "cat"])], tokenizer, 4, ["O", "B-PET"])
    assert not sentences.labelled
    assert [row.label_ids for row in sentences.features] == [None]
    logits = [np.eye(2)[[0, 0, 1, 0]]]
    assert sentences.text(logits) == "the O\ncat B-PET\n"
    with pytest.raises(ValueError, match="the sentences have no labels to compare with"):
        sentences.scores(logits)
