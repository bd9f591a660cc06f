"""XNLI's files, in the layout that is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from tx_data import (
    InputExample,
    glue_convert_examples_to_features,
    xnli_compute_metrics,
    xnli_output_modes,
    xnli_processors,
    xnli_tasks_num_labels,
)
from tx_tokenizers import WordPieceTokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    train = tmp_path / "XNLI-MT-1.0" / "multinli"
    other = tmp_path / "XNLI-1.0"
    train.mkdir(parents=True)
    other.mkdir()
    (train / "multinli.train.de.tsv").write_text("premise\thypo\tlabel\nA\tB\tcontradictory\nC\tD\tneutral\n")
    head = "language\tgold_label\ta\tb\tc\td\tsentence1\tsentence2\n"
    rows = [f"{language}\tentailment\t\t\t\t\t{language} one\t{language} two\n" for language in ("en", "de", "fr")]
    for name in ("dev", "test"):
        (other / f"xnli.{name}.tsv").write_text(head + "".join(rows))
    return tmp_path


def test_each_language_is_read_by_itself(folder: Path, tokenizer: WordPieceTokenizer) -> None:
    processor = xnli_processors["xnli"](language="fr", train_language="de")
    train = processor.get_train_examples(folder)
    assert train == [
        InputExample("train-1", "A", "B", "contradiction"),
        InputExample("train-2", "C", "D", "neutral"),
    ]
    assert processor.get_test_examples(folder) == [InputExample("test-3", "fr one", "fr two", "entailment")]
    assert processor.get_dev_examples(folder) == [InputExample("dev-3", "fr one", "fr two", "entailment")]
    features = glue_convert_examples_to_features(
        train, tokenizer, 8, label_list=processor.get_labels(), output_mode=xnli_output_modes["xnli"]
    )
    assert [each.label for each in features] == [0, 2]
    assert xnli_tasks_num_labels["xnli"] == len(processor.get_labels()) == 3


def test_malformed_rows_and_unknown_languages(folder: Path) -> None:
    path = folder / "XNLI-1.0" / "xnli.test.tsv"
    path.write_text(path.read_text() + "fr\tmaybe\t\t\t\t\tx\ty\nfr\tx\n")
    with pytest.raises(ValueError, match=r"xnli.test.tsv, line 5: the label 'maybe' is none of contradiction, ent"):
        xnli_processors["xnli"]("fr").get_test_examples(folder)
    processor = xnli_processors["xnli"]("fr", on_error="skip")
    assert len(processor.get_test_examples(folder)) == 1
    assert processor.skipped[1].endswith("line 6: 2 columns, and 8 or more are wanted")
    with pytest.raises(ValueError, match=r"XNLI has no language 'ja' but ar, bg"):
        xnli_processors["xnli"]("en", "ja")
    with pytest.raises(FileNotFoundError, match=r"multinli.train.sw.tsv: there is no such file"):
        xnli_processors["xnli"]("sw").get_train_examples(folder)


def test_the_metric() -> None:
    assert xnli_compute_metrics("xnli", [0, 1, 2, 2], [0, 1, 2, 1]) == {"acc": 3 / 4}
    with pytest.raises(KeyError, match=r"there is no task 'mnli' but xnli"):
        xnli_compute_metrics("mnli", [0], [0])
