"""examples/run_tf_ner.py on a slice of real data: learns, measures again what it trained, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tx_testing.data import data_path
from tx_testing.examples import Example

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_ner.py"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def test_train_and_measure(script: Example, tmp_path: Path) -> None:
    folder, out = tmp_path / "wnut17", tmp_path / "out"
    folder.mkdir()
    whole = data_path("ner/wnut17/wnut17train.conll").read_text(encoding="utf-8").splitlines(keepends=True)
    for name in ("wnut17train.conll", "emerging.dev.conll"):  # it can learn by heart what it is measured on
        (folder / name).write_text("".join(whole[:150]), encoding="utf-8")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "wnut17", "--data_dir", folder]
    common += ["--max_seq_length", 32, "--do_eval", "--output_dir", out]
    trained = script.run(*common, "--do_train", "--num_train_epochs", 6, "--learning_rate", 1e-2)
    measured = [line for line in trained.splitlines() if " = " in line]
    assert {"accuracy", "precision", "recall", "f1"} <= {line.split(" = ")[0] for line in measured}
    assert [line for line in script.run(*common).splitlines() if " = " in line] == measured
    assert "f1 = " in (out / "eval_results.txt").read_text(encoding="utf-8")
    losses = [float(line.split("loss: ")[1]) for line in trained.splitlines() if "loss: " in line]
    assert len(losses) == 6
    assert losses[-1] < losses[0] / 2


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "nothing is to be done" in script.refusal(*common, tmp_path)
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--do_train")
    assert "--resume" in script.refusal(*common, tmp_path, "--do_train", "--resume")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text("{}")
    assert "give --overwrite_output_dir, or" in script.refusal(*common, tmp_path, "--do_train")
