"""examples/run_tf_squad.py on a slice of real data: trains, resumes, measures, and refuses what cannot work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from tx_testing.data import data_path
from tx_testing.examples import Example
from tx_testing.squad import command_line, few_questions

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_tf_squad.py"


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_questions(tmp_path_factory.mktemp("squad"))


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
def test_train_resume_and_measure(script: Example, squad: Path, tmp_path: Path) -> None:
    given = [*command_line("bert", squad), tmp_path / "out", "--model_type", "bert", "--do_lower_case"]
    training = [*given, "--do_train", "--max_steps", 4, "--save_steps", 2]
    trained = script.run(*training)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"exact_match", "f1"}
    for name in ("model.safetensors", "vocab.txt", "eval_results.txt", "results.json", "results.svg"):
        assert (tmp_path / "out" / name).is_file(), name
    questions = {qa["id"] for qa in json.loads(squad.read_text())["data"][0]["paragraphs"][0]["qas"]}
    assert set(json.loads((tmp_path / "out" / "predictions_.json").read_text())) == questions
    best = (tmp_path / "out" / "nbest_predictions_.json").read_text()
    assert set(json.loads(best)) == questions
    # Training that was cut goes on to the same numbers, and measuring alone gives the same answers.
    for again in ([*training, "--resume"], given):
        (tmp_path / "out" / "nbest_predictions_.json").unlink()
        if "--resume" in again:
            shutil.rmtree(tmp_path / "out" / "checkpoint-4")
            (tmp_path / "out" / "model.safetensors").unlink()
        assert script.run(*again) == trained
        assert (tmp_path / "out" / "nbest_predictions_.json").read_text() == best


@pytest.mark.usefixtures("eagerly")
def test_version_2_with_a_beam(script: Example, tmp_path: Path) -> None:
    file = data_path("squad/hf-dev-v2.0-small.json")
    given = [
        *command_line("xlnet", file),
        tmp_path / "out",
        "--version_2_with_negative",
        "--per_gpu_eval_batch_size",
        32,
    ]
    printed = script.run(*given, "--evaluate_during_training", "--do_train", "--max_steps", 1, "--logging_steps", 1)
    names = {line.split(" = ")[0] for line in printed.splitlines()}
    assert names > {"exact", "f1", "HasAns_f1", "NoAns_f1", "best_f1", "best_f1_thresh", "total"}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["XLNetForQuestionAnswering"]
    assert len(json.loads((tmp_path / "out" / "null_odds_.json").read_text())) == 14
    # A threshold that all scores exceed: there is no answer.
    assert "NoAns_exact = 100.0000" in script.run(*given, "--null_score_diff_threshold=-1e9")


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, squad: Path, tmp_path: Path) -> None:
    given = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out"]
    assert "--train_file is needed" in script.refusal(*given, "--do_train")
    assert "there is no file" in script.refusal(*given, "--do_eval", "--predict_file", tmp_path / "no.json")
    both = [*given, "--do_train", "--train_file", squad, "--do_eval", "--predict_file", squad]
    assert "--evaluate_during_training as well" in script.refusal(*both, "--patience", 1)
    assert "give one of them" in script.refusal(*both, "--fp16", "--bf16")
