"""The arguments that the example scripts share: what they refuse before anything is loaded."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_predicting_argument,
    add_squad_arguments,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
    measured_checkpoints,
    measured_model,
    model_classes,
    squad_answer_options,
    squad_window_options,
)


def parse(*given: str, folder: Path = Path("nowhere")) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    arguments = parser.parse_args(["--model_name_or_path", "a-model", "--output_dir", str(folder), *given])
    check_training_arguments(parser, arguments)
    return arguments


def test_the_defaults_are_those_of_2019() -> None:
    arguments = parse("--do_train")
    assert (arguments.learning_rate, arguments.num_train_epochs, arguments.per_gpu_train_batch_size) == (5e-5, 3, 8)
    assert (arguments.max_grad_norm, arguments.adam_epsilon, arguments.warmup_steps, arguments.seed) == (1, 1e-8, 0, 42)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((), "nothing is to be done: give one or more of --do_train, --do_eval"),
        (("--do_train", "--fp16", "--bf16"), "--fp16 and --bf16: give one of them"),
        (("--do_train", "--fsdp", "--fp16"), "--fsdp goes with --bf16"),
        (
            ("--do_train", "--gradient_accumulation_steps", "0"),
            "--gradient_accumulation_steps must be at least 1, not 0",
        ),
        (("--do_train", "--max_steps", "0"), "--max_steps must be at least 1, or -1 for none, not 0"),
        (("--do_train", "--patience", "2"), "--patience counts measurements: give --do_eval as well"),
        (("--do_eval", "--evaluate_during_training"), "--evaluate_during_training goes with --do_train"),
        (("--do_eval", "--resume"), "--resume goes with --do_train"),
        (("--do_train", "--fp16", "--fp16_opt_level", "o2"), "--fp16_opt_level O2 is apex's"),
        (("--do_train", "--fp16", "--fp16_opt_level", "O0"), "for O0 leave out --fp16"),
        (("--do_train", "--loss_scale", "128"), "losses are scaled by themselves with --fp16"),
        (("--do_train", "--server_port", "80"), "python -m debugpy"),
        (("--do_train", "--save_steps", "9", "--eval_all_checkpoints"), "--eval_all_checkpoints goes with --do_eval"),
        (("--do_train", "--do_eval", "--eval_all_checkpoints"), "none is written: give --save_steps too"),
        (("--do_eval", "--eval_all_checkpoints"), "none is written: give --save_steps too"),
    ],
)
def test_contradictions_are_refused(given: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        parse(*given)
    assert error.value.code == 2
    assert says in capsys.readouterr().err


def test_flags_of_2019_are_taken_as_they_were_left(tmp_path: Path) -> None:
    kept = parse("--do_train", "--fp16", "--fp16_opt_level", "o1", "--loss_scale", "0", "--overwrite_cache")
    assert (kept.fp16, kept.eval_all_checkpoints) == (True, False)
    assert parse("--do_train", "--do_eval", "--save_steps", "9", "--eval_all_checkpoints").eval_all_checkpoints
    (tmp_path / "checkpoint-9").mkdir()
    assert parse("--do_eval", "--eval_all_checkpoints", folder=tmp_path).eval_all_checkpoints


def test_data_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_data_arguments(parser, "the files")
    add_predicting_argument(parser)
    given = ["--model_name_or_path", "a-model", "--output_dir", str(tmp_path / "out"), "--do_predict", "--data_dir"]
    check_training_arguments(parser, parser.parse_args([*given, str(tmp_path)]))  # there is something to be done
    with pytest.raises(SystemExit):
        check_training_arguments(parser, parser.parse_args([*given, str(tmp_path / "no")]))
    assert "--data_dir: there is no folder" in capsys.readouterr().err


def test_a_folder_that_has_a_model_is_not_trained_into_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SystemExit):
        parse("--do_train", folder=tmp_path)
    assert "is not empty: give --resume, --overwrite_output_dir" in capsys.readouterr().err
    assert parse("--do_train", "--resume", folder=tmp_path).resume
    assert parse("--do_train", "--overwrite_output_dir", folder=tmp_path).overwrite_output_dir
    with pytest.raises(SystemExit):
        parse("--do_train", "--overwrite_output_dir", "--resume", folder=tmp_path)
    assert "--resume and --overwrite_output_dir: give one of them" in capsys.readouterr().err


def test_what_is_measured_is_the_trained_model_where_there_is_one(tmp_path: Path) -> None:
    assert measured_model(parse("--do_eval", folder=tmp_path)) == "a-model"
    (tmp_path / "config.json").write_text("{}")
    assert measured_model(parse("--do_eval", folder=tmp_path)) == str(tmp_path)


def test_checkpoints_are_measured_where_they_are_asked_for(tmp_path: Path) -> None:
    found = [tmp_path / "checkpoint-9"]
    found[0].mkdir()
    assert measured_checkpoints(parse("--do_eval", "--eval_all_checkpoints", folder=tmp_path), found) == found
    assert measured_checkpoints(parse("--do_eval", folder=tmp_path), found) == []
    # A program's own parser need not have the flags of 2019.
    parser = argparse.ArgumentParser()
    add_training_arguments(parser)
    assert measured_checkpoints(parser.parse_args(["--output_dir", str(tmp_path)]), found) == []


def test_the_type_names_the_classes() -> None:
    assert [each.__name__ for each in model_classes(parse("--do_eval"))] == ["AutoConfig", "AutoTokenizer"]
    with pytest.raises(ValueError, match="tx has no architecture 'bort'"):
        model_classes(parse("--do_eval", "--model_type", "bort"))


def test_the_number_that_launch_gives_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    parse("--do_train", "--local_rank=1")
    import os

    assert os.environ.pop("LOCAL_RANK") == "1"


def test_a_task_is_known_in_capitals_too(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_task_argument(parser, {"mrpc": 1, "sst-2": 2})
    assert parser.parse_args(["--task_name", "SST-2"]).task_name == "sst-2"
    for wrong in (["--task_name", "xnli"], []):
        with pytest.raises(SystemExit):
            parser.parse_args(wrong)
        assert "--task_name" in capsys.readouterr().err


def test_what_squad_is_read_and_scored_with() -> None:
    parser = argparse.ArgumentParser()
    add_squad_arguments(parser)
    options = parser.parse_args(["--doc_stride", "64", "--version_2_with_negative", "--n_best_size", "5"])
    assert squad_window_options(options) == {
        "max_seq_length": 384, "doc_stride": 64, "max_query_length": 64, "threads": 1
    }  # fmt: skip
    assert squad_answer_options(options) == {
        "n_best_size": 5, "max_answer_length": 30, "version_2_with_negative": True, "null_score_diff_threshold": 0.0,
        "verbose_logging": False,
    }  # fmt: skip
