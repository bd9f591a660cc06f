"""examples/run_tf_multiple_choice.py on a slice of real data: learns, measures again, predicts, and refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tx_testing.data import data_path
from tx_testing.examples import Example, check_choices_that_cannot_be_predicted_are_refused

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_multiple_choice.py"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def test_train_measure_and_predict(script: Example, tmp_path: Path) -> None:
    folder, out = tmp_path / "swag", tmp_path / "out"
    folder.mkdir()
    for name in ("train.csv", "val.csv", "test.csv"):  # it can learn by heart what it is measured on
        shutil.copy(data_path("multiple-choice/allennlp-swag.csv"), folder / name)
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "swag", "--data_dir", folder]
    common += ["--max_seq_length", 32, "--per_gpu_train_batch_size", 4, "--do_eval", "--output_dir", out]
    training = ["--do_train", "--num_train_epochs", 12, "--learning_rate", 1e-3, "--do_test"]
    trained = script.run(*common, *training)
    assert [line.split(" = ")[0] for line in trained.splitlines()] == ["acc", "loss"]
    assert script.run(*common) == trained
    assert "acc = " in (out / "eval_results.txt").read_text(encoding="utf-8")
    losses = [
        row["eval_loss"] for row in json.loads((out / "results.json").read_text())["history"] if "eval_loss" in row
    ]
    assert len(losses) == 12
    assert losses[-1] < losses[0] / 2
    predicted = [line.split(" ") for line in (out / "test_predictions.txt").read_text(encoding="utf-8").splitlines()]
    assert {answer for _, answer in predicted} <= {"0", "1", "2", "3"}


def test_a_training_set_needs_labels(script: Example, tmp_path: Path) -> None:
    with open(data_path("multiple-choice/allennlp-swag.csv"), encoding="utf-8", newline="") as file:
        rows = [row[:-1] for row in csv.reader(file)]
    with open(tmp_path / "train.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "swag", "--data_dir", tmp_path]
    with pytest.raises(ValueError, match="the train set has no questions with a label"):
        script.run(*common, "--output_dir", tmp_path / "out", "--do_train")


def test_an_empty_test_set_and_rows_that_are_too_long_are_refused(script: Example, tmp_path: Path) -> None:
    check_choices_that_cannot_be_predicted_are_refused(script, tmp_path)


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "--task_name" in script.refusal(*common, tmp_path, "--task_name", "swig", "--do_train")
    assert "nothing is to be done" in script.refusal(*common, tmp_path, "--task_name", "swag")
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--task_name", "swag", "--do_train")
