"""examples/run_glue.py on a slice of real data: trains, resumes, measures, and refuses what cannot work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tx_testing.examples import Example
from tx_testing.glue import check_mnli_is_measured_on_both_sets, first_files

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_glue.py"


@pytest.fixture(scope="module")
def mrpc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of MRPC in GLUE's layout."""
    return first_files("MRPC", tmp_path_factory.mktemp("MRPC"), train=48, dev=24)


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def test_train_resume_and_measure(script: Example, mrpc: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "MRPC", "--data_dir", mrpc, "--max_seq_length", 48]
    common += ["--do_lower_case", "--do_eval", "--no_cuda", "--per_gpu_train_batch_size", 8, "--output_dir"]
    trained = script.run(*common, tmp_path / "whole", "--do_train", "--max_steps", 4)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"acc", "acc_and_f1", "f1", "loss"}
    for name in ("model.safetensors", "vocab.txt", "eval_results.txt", "results.json", "results.svg"):
        assert (tmp_path / "whole" / name).is_file(), name
    # Training that was cut goes on to the same numbers, and measuring alone gives them again.
    script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--save_steps", 2)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "model.safetensors").unlink()
    resumed = script.run(*common, tmp_path / "cut", "--do_train", "--max_steps", 4, "--resume")
    assert resumed == trained
    assert script.run(*common, tmp_path / "whole") == trained
    every = script.run(*common, tmp_path / "cut", "--eval_all_checkpoints").splitlines()
    found = dict(line.split(" = ") for line in every)
    assert {name for name in found if name.startswith("loss")} == {"loss", "loss_2"}
    assert (tmp_path / "cut" / "checkpoint-2" / "eval_results.txt").is_file()
    assert json.loads((tmp_path / "whole" / "results.json").read_text())


def test_mnli_is_measured_on_both_of_its_sets(script: Example, tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="sklearn: the metrics of GLUE (pip install 'tx-data[metrics]')")
    check_mnli_is_measured_on_both_sets(script, tmp_path)


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, mrpc: Path, tmp_path: Path) -> None:
    common = ["--model_name_or_path", "nothing/here", "--data_dir", mrpc, "--output_dir", tmp_path / "out"]
    assert "--task_name" in script.refusal(*common, "--task_name", "mrpd", "--do_train")
    assert "nothing is to be done" in script.refusal(*common, "--task_name", "mrpc")
    assert "there is no folder" in script.refusal(
        *common[:3], tmp_path / "no", *common[4:], "--task_name", "mrpc", "--do_train"
    )
