"""examples/run_squad.py on a slice of real data: trains, resumes, measures, and refuses what cannot work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tx_data.squad_metrics import normalize_answer
from tx_testing.data import data_path
from tx_testing.examples import Example
from tx_testing.squad import command_line, few_questions

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_squad.py"


@pytest.fixture(scope="module")
def squad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return few_questions(tmp_path_factory.mktemp("squad"))


@pytest.fixture
def script(capsys: pytest.CaptureFixture[str]) -> Example:
    return Example(SCRIPT, capsys.readouterr)


def test_train_resume_and_measure(script: Example, squad: Path, tmp_path: Path) -> None:
    given = [*command_line("bert", squad)[:-1], "--model_type", "bert", "--do_lower_case", "--output_dir"]
    trained = script.run(*given, tmp_path / "whole", "--do_train", "--max_steps", 4)
    assert {line.split(" = ")[0] for line in trained.splitlines()} == {"exact_match", "f1"}
    for name in ("model.safetensors", "vocab.txt", "eval_results.txt", "results.json", "results.svg"):
        assert (tmp_path / "whole" / name).is_file(), name
    questions = {qa["id"] for qa in json.loads(squad.read_text())["data"][0]["paragraphs"][0]["qas"]}
    for name in ("predictions_.json", "nbest_predictions_.json"):
        assert set(json.loads((tmp_path / "whole" / name).read_text())) == questions
    # Training that was cut goes on to the same numbers, and measuring alone gives the same answers.
    script.run(*given, tmp_path / "cut", "--do_train", "--max_steps", 4, "--save_steps", 2)
    shutil.rmtree(tmp_path / "cut" / "checkpoint-4")
    (tmp_path / "cut" / "model.safetensors").unlink()
    assert script.run(*given, tmp_path / "cut", "--do_train", "--max_steps", 4, "--resume") == trained
    best = (tmp_path / "whole" / "nbest_predictions_.json").read_text()
    assert (tmp_path / "cut" / "nbest_predictions_.json").read_text() == best
    (tmp_path / "whole" / "nbest_predictions_.json").unlink()
    assert script.run(*given, tmp_path / "whole") == trained
    assert (tmp_path / "whole" / "nbest_predictions_.json").read_text() == best


@pytest.mark.parametrize("model", ["bert", "xlnet"])
def test_version_2_with_a_plain_head_and_with_a_beam(script: Example, model: str, tmp_path: Path) -> None:
    file = data_path("squad/hf-dev-v2.0-small.json")
    given = [*command_line(model, file), tmp_path / "out", "--version_2_with_negative", "--evaluate_during_training"]
    printed = script.run(*given, "--do_train", "--max_steps", 2, "--logging_steps", 1)
    names = {line.split(" = ")[0] for line in printed.splitlines()}
    assert names > {"exact", "f1", "HasAns_f1", "NoAns_f1", "best_f1", "best_f1_thresh", "total"}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    heads = {"bert": "BertForQuestionAnswering", "xlnet": "XLNetForQuestionAnswering"}
    assert config["architectures"] == [heads[model]]
    odds = json.loads((tmp_path / "out" / "null_odds_.json").read_text())
    assert len(odds) == 14
    # At a threshold that no score exceeds the best answers count, and at one that all do there is none.
    measured = [*command_line(model, file), tmp_path / "out", "--version_2_with_negative"]
    everything = script.run(*measured, "--null_score_diff_threshold", 1e9)
    answers = json.loads((tmp_path / "out" / "predictions_.json").read_text())
    read = [qa for each in json.loads(file.read_text())["data"] for part in each["paragraphs"] for qa in part["qas"]]
    without = [answers[qa["id"]] for qa in read if qa["is_impossible"]]
    empty = [not normalize_answer(text) for text in without]  # "the" counts as none
    assert f"NoAns_exact = {100 * sum(empty) / len(empty):.4f}" in everything
    nothing = script.run(*measured, "--null_score_diff_threshold=-1e9")
    assert "NoAns_exact = 100.0000" in nothing


def test_wrong_arguments_are_refused_before_anything_is_loaded(script: Example, squad: Path, tmp_path: Path) -> None:
    given = ["--model_name_or_path", "nothing/here", "--output_dir", tmp_path / "out"]
    assert "--train_file is needed" in script.refusal(*given, "--do_train")
    assert "there is no file" in script.refusal(*given, "--do_eval", "--predict_file", tmp_path / "no.json")
    assert "--doc_stride" in script.refusal(*given, "--do_eval", "--predict_file", squad, "--doc_stride", 0)
    train = [*given, "--do_train", "--train_file", squad]
    assert "goes with --do_eval" in script.refusal(*train, "--evaluate_during_training")
    both = [*train, "--do_eval", "--predict_file", squad]
    assert "--evaluate_during_training as well" in script.refusal(*both, "--patience", 1)
