"""examples/run_tf_glue.py on a slice of real data: trains, resumes, measures, and refuses what cannot work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from tx_testing.examples import Example
from tx_testing.glue import check_mnli_is_measured_on_both_sets, first_files

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_glue.py"


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of MRPC in GLUE's layout."""
    return first_files("MRPC", tmp_path_factory.mktemp("MRPC"), train=32, dev=20)


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


@pytest.fixture
def eagerly() -> Iterator[None]:
    """Without functions, as tracing takes longer than a few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eagerly")
def test_train_resume_and_measure(script: Example, mrpc: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "MRPC", "--data_dir", mrpc, "--max_seq_length", 48]
    common += ["--do_lower_case", "--do_eval", "--no_cuda", "--fp16", "--output_dir", tmp_path / "out"]
    training = [*common, "--do_train", "--max_steps", 4, "--save_steps", 2, "--learning_rate", 1e-3]
    trained = script.run(*training)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"acc", "acc_and_f1", "f1", "loss"}
    for name in ("model.safetensors", "vocab.txt", "eval_results.txt", "results.json", "results.svg"):
        assert (tmp_path / "out" / name).is_file(), name
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["options"]["precision"] == "float16"
    kept = load_file(tmp_path / "out" / "model.safetensors")
    assert {str(each.dtype) for each in kept.values()} == {"float32"}
    # Training that was cut goes on to the same numbers, and measuring alone gives them again.
    shutil.rmtree(tmp_path / "out" / "checkpoint-4")
    (tmp_path / "out" / "model.safetensors").unlink()
    assert script.run(*training, "--resume") == trained
    shutil.rmtree(tmp_path / "out" / "checkpoint-2")
    again = script.run(*common, "--eval_all_checkpoints").splitlines()
    assert {*trained.splitlines()} < {*again}
    assert len(again) == 8  # those of checkpoint-4 too
    assert (tmp_path / "out" / "checkpoint-4" / "eval_results.txt").is_file()


@pytest.mark.usefixtures("eagerly")
def test_mnli_is_measured_on_both_of_its_sets(script: Example, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    check_mnli_is_measured_on_both_sets(script, tmp_path)


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, mrpc: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "config.json").write_text("{}")

    def refused(task: str, folder: Path, *others: object) -> str:
        given = ["--model_name_or_path", "nothing/here", "--data_dir", folder, "--task_name", task]
        return script.refusal(*given, *others)

    out = ("--output_dir", tmp_path / "out")
    assert "--task_name" in refused("mrpd", mrpc, "--do_train", *out)
    assert "nothing is to be done" in refused("mrpc", mrpc, *out)
    assert "there is no folder" in refused("mrpc", tmp_path / "no", "--do_train", *out)
    assert "is not empty" in refused("mrpc", mrpc, "--do_train", "--output_dir", tmp_path / "full")
    assert "unrecognized arguments: --fsdp" in refused("mrpc", mrpc, "--do_train", *out, "--fsdp")
