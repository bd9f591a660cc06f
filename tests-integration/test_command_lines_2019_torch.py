"""The command lines of the READMEs of 2019 are taken by the example scripts, with the meaning that they had."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# {} is a folder that has all files; what `python -m torch.distributed.launch` adds is written out.
LINES = [
    "run_glue.py --model_type bert --model_name_or_path bert-base-uncased --task_name MRPC --do_train --do_eval "
    "--do_lower_case --data_dir {} --max_seq_length 128 --per_gpu_eval_batch_size=8 --per_gpu_train_batch_size=8 "
    "--learning_rate 2e-5 --num_train_epochs 3.0 --output_dir {}/out",
    "run_glue.py --model_type xlnet --model_name_or_path xlnet-large-cased --do_train --do_eval --task_name=sts-b "
    "--data_dir={} --output_dir={}/out --max_seq_length=128 --per_gpu_eval_batch_size=8 --per_gpu_train_batch_size=8 "
    "--gradient_accumulation_steps=1 --max_steps=1200 --model_name=xlnet-large-cased --overwrite_output_dir "
    "--overwrite_cache --warmup_steps=120",
    "run_glue.py --local-rank=0 --model_type bert --model_name_or_path bert-large-uncased-whole-word-masking "
    "--task_name MRPC --do_train --do_eval --do_lower_case --data_dir {}/ --max_seq_length 128 "
    "--per_gpu_eval_batch_size=8 --per_gpu_train_batch_size=8 --learning_rate 2e-5 --num_train_epochs 3.0 "
    "--output_dir {}/out --overwrite_output_dir --overwrite_cache",
    "run_glue.py --model_type bert --model_name_or_path bert-base-cased --task_name mrpc --do_train --do_eval "
    "--data_dir {} --output_dir {}/out --fp16 --fp16_opt_level O1 --evaluate_during_training --logging_steps 50 "
    "--save_steps 50 --eval_all_checkpoints --no_cuda --seed 42 --local_rank -1",
    "run_squad.py --local-rank=0 --model_type bert --model_name_or_path bert-large-uncased-whole-word-masking "
    "--do_train --do_eval --do_lower_case --train_file {}/train-v1.1.json --predict_file {}/dev-v1.1.json "
    "--learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 --output_dir {}/out "
    "--per_gpu_eval_batch_size=3 --per_gpu_train_batch_size=3",
    "run_squad.py --model_type xlnet --model_name_or_path xlnet-large-cased --do_train --do_eval --do_lower_case "
    "--version_2_with_negative --train_file {}/train-v1.1.json --predict_file {}/dev-v1.1.json --learning_rate 3e-5 "
    "--num_train_epochs 4 --max_seq_length 384 --doc_stride 128 --output_dir {}/out --per_gpu_eval_batch_size=2 "
    "--per_gpu_train_batch_size=2 --save_steps 5000 --verbose_logging",
    "run_lm_finetuning.py --output_dir={}/out --model_type=gpt2 --model_name_or_path=gpt2 --do_train "
    "--train_data_file={}/wiki.train.raw --do_eval --eval_data_file={}/wiki.test.raw",
    "run_lm_finetuning.py --output_dir={}/out --model_type=roberta --model_name_or_path=roberta-base --do_train "
    "--train_data_file={}/wiki.train.raw --do_eval --eval_data_file={}/wiki.test.raw --mlm",
    "run_multiple_choice.py --model_type roberta --task_name swag --model_name_or_path roberta-base --do_train "
    "--do_eval --do_lower_case --data_dir {} --learning_rate 5e-5 --num_train_epochs 3 --max_seq_length 80 "
    "--output_dir {}/out --per_gpu_eval_batch_size=16 --per_gpu_train_batch_size=16 --gradient_accumulation_steps 2 "
    "--overwrite_output",
    "run_ner.py --data_dir {} --model_type bert --labels {}/labels.txt --model_name_or_path "
    "bert-base-multilingual-cased --output_dir {}/out --max_seq_length 128 --num_train_epochs 3 "
    "--per_gpu_train_batch_size 32 --save_steps 750 --seed 1 --do_train --do_eval --do_predict",
    "run_xnli.py --model_type bert --model_name_or_path bert-base-multilingual-cased --language de --train_language en "
    "--do_train --do_eval --data_dir {} --per_gpu_train_batch_size 32 --learning_rate 5e-5 --num_train_epochs 2.0 "
    "--max_seq_length 128 --output_dir {}/out --save_steps -1",
    "run_openai_gpt.py --model_name openai-gpt --do_train --do_eval --train_dataset {}/train.csv "
    "--eval_dataset {}/dev.csv --output_dir {}/out --train_batch_size 16 --n_valid 374",
    "run_generation.py --model_type=gpt2 --length=20 --model_name_or_path=gpt2",
    "run_generation.py --model_type=ctrl --length=20 --model_name_or_path=ctrl --temperature=0 "
    "--repetition_penalty=1.2",
]
FILES = ("train-v1.1.json", "dev-v1.1.json", "wiki.train.raw", "wiki.test.raw", "labels.txt", "train.csv", "dev.csv")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All files that the lines name, empty; and an environment whose changes are undone."""
    monkeypatch.setattr(os, "environ", {**os.environ})
    for name in FILES:
        (tmp_path / name).touch()
    return tmp_path


def parsed(line: str, folder: Path) -> argparse.Namespace:
    script, *arguments = shlex.split(line.replace("{}", str(folder)))
    spec = importlib.util.spec_from_file_location(script.removesuffix(".py"), EXAMPLES / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options: argparse.Namespace = module.parse(arguments)
    return options


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_taken(line: str, folder: Path) -> None:
    options = vars(parsed(line, folder))
    # Each flag has the value that the line gives, under its name or the whole of the name that it shortens.
    given = shlex.split(line.replace("{}", str(folder)).replace("=", " "))[1:]
    for number, flag in enumerate(given):
        if not flag.startswith("--"):
            continue
        name = flag[2:].replace("-", "_")
        whole = {"model_name": "model_name_or_path", "overwrite_output": "overwrite_output_dir"}
        whole |= {"train_batch_size": "per_gpu_train_batch_size"}
        value = options[whole.get(name, name)]
        following = given[number + 1] if number + 1 < len(given) else "--"
        if following.startswith("--"):
            assert value is True, flag
        elif isinstance(value, Path):
            assert value == Path(following)
        else:
            assert type(value)(following) == value or following.lower() == value, flag


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ("--fp16 --fp16_opt_level O2", "--fp16_opt_level O2 is apex's"),
        ("--fp16 --fp16_opt_level O0", "leave out --fp16"),
        ("--loss_scale 128", "losses are scaled by themselves"),
        ("--server_ip 127.0.0.1 --server_port 5678", "python -m debugpy"),
        ("--eval_all_checkpoints", "--eval_all_checkpoints goes with --do_eval"),
    ],
)
def test_what_is_gone_is_refused(flags: str, says: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = "run_glue.py --model_name_or_path bert-base-cased --task_name mrpc --data_dir {} --output_dir {}/out "
    with pytest.raises(SystemExit):
        parsed(f"{line}--do_train {flags}", folder)
    assert says in capsys.readouterr().err
