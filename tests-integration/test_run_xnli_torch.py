"""examples/run_xnli.py on rows in XNLI's layout: trains, resumes, measures in another language, predicts, refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tx_testing.examples import Example

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_xnli.py"


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


PAIRS = [
    ("He sleeps.", "He is awake.", "contradiction"),
    ("She sings a song.", "She sings.", "entailment"),
    ("They eat.", "They eat bread.", "neutral"),
    ("It rains.", "The sky is dry.", "contradiction"),
]


@pytest.fixture(scope="module")
def xnli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Few rows in the layout of XNLI, whose own are not at hand."""
    folder = tmp_path_factory.mktemp("XNLI")
    training, other = folder / "XNLI-MT-1.0" / "multinli", folder / "XNLI-1.0"
    training.mkdir(parents=True)
    other.mkdir()
    spelling = {"contradiction": "contradictory"}
    rows = ["premise\thypo\tlabel", *(f"{one}\t{two}\t{spelling.get(label, label)}" for one, two, label in PAIRS * 4)]
    (training / "multinli.train.en.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for split in ("dev", "test"):
        rows = ["language\tgold_label\tsentence1_binary_parse\tsentence2_binary_parse\tp1\tp2\tsentence1\tsentence2"]
        for language in ("de", "en"):
            rows += [f"{language}\t{label}\t\t\t\t\t{one}\t{two}" for one, two, label in PAIRS]
        (other / f"xnli.{split}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def test_train_resume_measure_and_predict(script: Example, xnli: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "tx-tiny/bert", "--language", "de", "--train_language", "en", "--data_dir", xnli]
    common += ["--max_seq_length", 32, "--per_gpu_train_batch_size", 4, "--no_cuda", "--learning_rate", 1e-3]
    common += ["--do_eval", "--do_predict", "--output_dir"]
    trained = script.run(*common, tmp_path / "whole", "--do_train", "--max_steps", 4)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"acc", "loss"}
    # Training that was cut goes on to the same numbers, and measuring alone gives them again.
    script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--save_steps", 2)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--resume") == trained
    assert script.run(*common, tmp_path / "whole") == trained
    # The test set of this file is its development set: four rows of German.
    folder = tmp_path / "whole"
    assert (folder / "test_results.txt").read_text() == (folder / "eval_results.txt").read_text()
    predicted = [line.split(" ") for line in (folder / "test_predictions.txt").read_text().splitlines()]
    assert [name for name, _ in predicted] == [f"test-{number}" for number in range(1, 5)]
    right = sum(label == wanted for (_, label), (*_, wanted) in zip(predicted, PAIRS, strict=True))
    assert f"acc = {right / 4}\n" in (folder / "test_results.txt").read_text()


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "XNLI has no language 'xx'" in script.refusal(*common, tmp_path, "--language", "xx", "--do_train")
    assert "--language" in script.refusal(*common, tmp_path, "--do_train")
    assert "nothing is to be done" in script.refusal(*common, tmp_path, "--language", "de")
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--language", "de", "--do_train")
