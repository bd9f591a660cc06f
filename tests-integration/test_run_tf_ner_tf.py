"""examples/run_tf_ner.py on a slice of real data: learns, measures again what it trained, predicts, and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tx_data import ner_processors
from tx_testing.data import data_path
from tx_testing.examples import Example

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_ner.py"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def test_train_measure_and_predict(script: Example, tmp_path: Path) -> None:
    folder, out = tmp_path / "wnut17", tmp_path / "out"
    folder.mkdir()
    whole = data_path("ner/wnut17/wnut17train.conll").read_text(encoding="utf-8").splitlines(keepends=True)
    for name in ("wnut17train.conll", "emerging.dev.conll"):  # it can learn by heart what it is measured on
        (folder / name).write_text("".join(whole[:150]), encoding="utf-8")
    (folder / "emerging.test.annotated").write_text("".join(whole[:60]), encoding="utf-8")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "wnut17", "--data_dir", folder]
    common += ["--max_seq_length", 32, "--do_eval", "--output_dir", out]
    training = ["--num_train_epochs", 6, "--learning_rate", 1e-2, "--logging_steps", 1, "--do_predict"]
    trained = script.run(*common, "--do_train", *training)
    assert {"accuracy", "precision", "recall", "f1", "loss"} <= {line.split(" = ")[0] for line in trained.splitlines()}
    assert script.run(*common) == trained
    losses = [row["loss"] for row in json.loads((out / "results.json").read_text())["history"] if "loss" in row]
    assert losses[-1] < losses[0] / 2
    # A line for each word, and the sentences as they were.
    predicted = (out / "test_predictions.txt").read_text(encoding="utf-8").split("\n\n")
    sentences = ner_processors["wnut17"]().get_test_examples(folder)
    assert [[line.split(" ")[0] for line in each.splitlines()] for each in predicted] == [
        each.words for each in sentences
    ]
    assert "f1 = " in (out / "test_results.txt").read_text(encoding="utf-8")


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "nothing is to be done" in script.refusal(*common, tmp_path)
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--do_train")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text("{}")
    assert "is not empty" in script.refusal(*common, tmp_path, "--do_train")
