"""examples/run_multiple_choice.py on a slice of real data: trains, resumes, measures, predicts, refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from tx_testing.data import data_path
from tx_testing.examples import Example, check_choices_that_cannot_be_predicted_are_refused

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_multiple_choice.py"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


@pytest.fixture(scope="module")
def swag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of SWAG, and among them a test set without labels, as published."""
    folder = tmp_path_factory.mktemp("swag")
    with open(data_path("multiple-choice/allennlp-swag.csv"), encoding="utf-8", newline="") as file:
        rows = [*csv.reader(file)]
    parts = {"train.csv": rows[:9], "val.csv": [rows[0], *rows[5:]], "test.csv": [row[:-1] for row in rows[:7]]}
    for name, part in parts.items():
        with open(folder / name, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(part)
    return folder


@pytest.fixture(scope="module")
def arc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions of ARC in the layout that they were published in."""
    folder = tmp_path_factory.mktemp("arc")
    with open(data_path("multiple-choice/arc/arc_easy_dev.csv"), encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if len(row) == 6]
    for name, part in (("train.jsonl", rows[:16]), ("dev.jsonl", rows[16:24]), ("test.jsonl", rows[24:32])):
        lines = []
        for number, (stem, *answers, key) in enumerate(part):
            choices = [{"label": label, "text": text} for label, text in zip("ABCD", answers, strict=True)]
            question = {"id": f"q{number}", "question": {"stem": stem, "choices": choices}, "answerKey": key}
            lines.append(json.dumps(question) + "\n")
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return folder


def test_train_resume_measure_and_predict_swag(script: Example, swag: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "SWAG", "--data_dir", swag, "--do_eval"]
    common += ["--max_seq_length", 32, "--per_gpu_train_batch_size", 4, "--no_cuda", "--learning_rate", 1e-3]
    common += ["--do_test", "--output_dir"]
    trained = script.run(*common, tmp_path / "whole", "--do_train", "--max_steps", 4)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"acc", "loss"}
    # Training that was cut goes on to the same numbers, and measuring alone gives them again.
    script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--save_steps", 2)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--resume") == trained
    predicted = (tmp_path / "whole" / "test_predictions.txt").read_text()
    assert script.run(*common, tmp_path / "whole") == trained
    assert (tmp_path / "whole" / "test_predictions.txt").read_text() == predicted
    assert len(predicted.splitlines()) == 6
    assert {line.split(" ")[-1] for line in predicted.splitlines()} <= {"0", "1", "2", "3"}
    assert not (tmp_path / "whole" / "test_results.txt").exists()  # there is nothing to compare with


@pytest.mark.parametrize("model", ["tx-tiny/xlnet", "tx-tiny/roberta"])
def test_arc(script: Example, arc: Path, tmp_path: Path, model: str) -> None:
    common = ["--model_name_or_path", model, "--task_name", "arc", "--data_dir", arc, "--max_seq_length", 32]
    common += ["--no_cuda", "--output_dir", tmp_path / "out"]
    script.run(*common, "--do_train", "--max_steps", 1, "--do_predict")
    results = (tmp_path / "out" / "test_results.txt").read_text()
    assert [line.split(" = ")[0] for line in results.splitlines()] == ["acc", "loss"]
    names = [line.split(" ")[0] for line in (tmp_path / "out" / "test_predictions.txt").read_text().splitlines()]
    assert names == [f"q{number}" for number in range(8)]


def test_a_training_set_needs_labels(script: Example, swag: Path, tmp_path: Path) -> None:
    for name in ("train.csv", "val.csv"):
        shutil.copy(swag / "test.csv", tmp_path / name)
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "swag", "--data_dir", tmp_path]
    with pytest.raises(ValueError, match="the train set has no questions with a label"):
        script.run(*common, "--output_dir", tmp_path / "out", "--do_train")
    with pytest.raises(ValueError, match="the dev set has no questions with a label"):
        script.run(*common, "--output_dir", tmp_path / "out", "--do_eval")


def test_an_empty_test_set_and_rows_that_are_too_long_are_refused(script: Example, tmp_path: Path) -> None:
    check_choices_that_cannot_be_predicted_are_refused(script, tmp_path)


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "--task_name" in script.refusal(*common, tmp_path, "--task_name", "swig", "--do_train")
    assert "nothing is to be done" in script.refusal(*common, tmp_path, "--task_name", "swag")
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--task_name", "swag", "--do_train")
