"""examples/run_ner.py on a slice of real data: trains, resumes, measures, predicts, and refuses what cannot work."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tx_testing.data import data_path
from tx_testing.examples import Example

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_ner.py"
FILES = (("wnut17train.conll", 400), ("emerging.dev.conll", 300), ("emerging.test.annotated", 200))


@pytest.fixture(scope="module")
def wnut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first sentences of WNUT-17."""
    folder = tmp_path_factory.mktemp("wnut17")
    for name, lines in FILES:
        whole = data_path(f"ner/wnut17/{name}").read_text(encoding="utf-8").splitlines(keepends=True)
        (folder / name).write_text("".join(whole[:lines]), encoding="utf-8")
    return folder


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def numbers(path: Path) -> dict[str, float]:
    """What an evaluation's file says."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: float(value) for name, value in (line.split(" = ") for line in lines)}


def test_train_resume_measure_and_predict(script: Example, wnut: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "wnut17", "--data_dir", wnut, "--do_eval"]
    common += ["--max_seq_length", 32, "--per_gpu_train_batch_size", 4, "--no_cuda", "--do_predict"]
    common += ["--learning_rate", 1e-3, "--output_dir"]
    trained = script.run(*common, tmp_path / "whole", "--do_train", "--max_steps", 4)
    assert {"loss", "precision", "recall", "f1"} <= {line.split(" = ")[0] for line in trained.splitlines()}
    # Training that was cut goes on to the same numbers, and measuring alone gives them again.
    script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--save_steps", 2)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--resume") == trained
    predicted = (tmp_path / "whole" / "test_predictions.txt").read_bytes()
    assert script.run(*common, tmp_path / "whole") == trained
    assert (tmp_path / "whole" / "test_predictions.txt").read_bytes() == predicted
    assert (tmp_path / "cut" / "test_predictions.txt").read_bytes() == predicted


def test_predictions_have_every_word_of_the_test_set(script: Example, wnut: Path, tmp_path: Path) -> None:
    """Also where sentences are longer than a row, and where no word has a label."""
    from tx_data import ner_processors

    folder = tmp_path / "bare"
    folder.mkdir()
    examples = ner_processors["wnut17"]().get_test_examples(wnut)
    sentences = ["".join(f"{word}\n" for word in each.words) for each in examples]
    (folder / "test.txt").write_text("\n".join(sentences), encoding="utf-8")
    for name, renamed in (("wnut17train.conll", "train.txt"), ("emerging.dev.conll", "dev.txt")):
        shutil.copy(wnut / name, folder / renamed)
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(ner_processors["wnut17"]().get_labels(wnut)), encoding="utf-8")
    out = tmp_path / "out"
    common = ["--model_name_or_path", "tx-tiny/roberta", "--data_dir", folder, "--labels", labels, "--no_cuda"]
    script.run(*common, "--max_seq_length", 8, "--do_train", "--max_steps", 1, "--do_predict", "--output_dir", out)
    found = [part.splitlines() for part in (out / "test_predictions.txt").read_text(encoding="utf-8").split("\n\n")]
    assert [[line.split(" ")[0] for line in part] for part in found] == [each.words for each in examples]
    assert {line.split(" ")[1] for part in found for line in part} <= {*labels.read_text().split()}
    assert not (out / "test_results.txt").exists()  # there is nothing to compare with
    # Of a test set with labels there are results, of the model that is in the folder.
    common = ["--model_name_or_path", "no/model", "--data_dir", wnut, "--task_name", "wnut17", "--output_dir", out]
    script.run(*common, "--max_seq_length", 8, "--no_cuda", "--do_predict")
    assert {"loss", "precision", "recall", "f1"} <= {*numbers(out / "test_results.txt")}


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, wnut: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out", "--data_dir"]
    assert "--task_name" in script.refusal(*common, wnut, "--task_name", "wnut71", "--do_train")
    assert "--do_train, --do_eval, --do_predict" in script.refusal(*common, wnut)
    assert "there is no folder" in script.refusal(*common, tmp_path / "no", "--do_train")
    assert "--labels: there is no file" in script.refusal(*common, wnut, "--labels", tmp_path / "no", "--do_train")
