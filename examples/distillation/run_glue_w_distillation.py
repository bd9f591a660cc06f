#!/usr/bin/env python3
"""Fine-tunes a small model on a task of GLUE, taught by a larger one that knows the task, and measures it.

    python examples/run_glue.py --model_name_or_path MODEL --task_name sst-2 --do_train --do_eval --do_lower_case \\
        --data_dir glue_data/SST-2 --output_dir teacher
    python examples/distillation/extract.py --model_name teacher --student_type bert --layers 0,2,4 \\
        --dump_checkpoint begun
    python examples/distillation/run_glue_w_distillation.py --model_name_or_path begun --teacher_name_or_path teacher \\
        --task_name sst-2 --data_dir glue_data/SST-2 --do_train --do_eval --do_lower_case --alpha_ce 0.5 \\
        --alpha_task 0.5 --temperature 2 --output_dir student

The loss is --alpha_ce times how far the student's softened predictions are from its teacher's, --alpha_mse times the
squared distance of the logits, and --alpha_task times the cross-entropy of the labels. The same student without a
teacher: --alpha_ce 0 --alpha_task 1, and no --teacher_name_or_path. All else is as in run_glue.py.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where run_glue.py is

from run_glue import METRICS, dataset, scores

from tx_core import AutoModelForSequenceClassification, AutoTokenizer
from tx_data import glue_output_modes, glue_tasks_num_labels
from tx_training import Distillation, Evaluation, Processes, set_seed
from tx_training.arguments import (
    add_data_arguments,
    add_model_arguments,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_torch import load_model, train_and_measure


def add_teacher_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says who teaches, and what."""
    group = parser.add_argument_group("teacher")
    group.add_argument("--teacher_name_or_path", metavar="MODEL", help="a model that was fine-tuned on the same task")
    group.add_argument("--temperature", type=float, default=2.0, metavar="T", help="softens predictions (2)")
    group.add_argument("--alpha_ce", type=float, default=0.5, metavar="A", help="weight of soft predictions (0.5)")
    group.add_argument("--alpha_mse", type=float, default=0.0, metavar="A", help="weight of the logits' distance (0)")


def check_teacher_arguments(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End the program where they contradict each other; nothing is loaded before."""
    taught = options.alpha_ce > 0 or options.alpha_mse > 0
    if options.do_train and taught and options.teacher_name_or_path is None:
        parser.error("--teacher_name_or_path is needed, or without a teacher --alpha_ce 0")
    if not taught and options.teacher_name_or_path is not None:
        parser.error("--teacher_name_or_path: nothing is learnt from it where --alpha_ce and --alpha_mse are 0")
    weights = [name for name in vars(options) if name.startswith("alpha_")]
    for name in weights:
        if not getattr(options, name) >= 0:
            parser.error(f"--{name} must be at least 0, not {getattr(options, name)}")
    if not any(getattr(options, name) for name in weights):
        parser.error(f"one of --{', --'.join(weights)} must be above 0")
    if not options.temperature > 0:
        parser.error(f"--temperature must be above 0, not {options.temperature}")


def load_teacher(options: argparse.Namespace, model_class: Any, student: Any, vocabulary: Any) -> tuple[Any, Any]:
    """The teacher and its tokenizer.

    Raises:
        ValueError: it reads or answers otherwise than the student.
    """
    name = options.teacher_name_or_path
    lower = {"do_lower_case": True} if options.do_lower_case else {}
    tokenizer = AutoTokenizer.from_pretrained(name, cache_dir=options.cache_dir, **lower)
    if tokenizer.get_vocab() != vocabulary.get_vocab():
        raise ValueError(f"--teacher_name_or_path {name}: its vocabulary is another than the student's")
    teacher = model_class.from_pretrained(name, cache_dir=options.cache_dir)
    if teacher.config.num_labels != student.config.num_labels:
        count = f"{teacher.config.num_labels} labels, and the student {student.config.num_labels}"
        raise ValueError(f"--teacher_name_or_path {name} has {count}: fine-tune it on the same task first")
    return teacher, tokenizer


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = [*glue_output_modes]
    parser.add_argument(
        "--task_name", required=True, type=str.lower, choices=tasks, metavar="TASK", help=", ".join(tasks)
    )
    add_data_arguments(parser, "with train.tsv and dev.tsv")
    add_teacher_arguments(parser)
    parser.add_argument("--alpha_task", type=float, default=0.5, metavar="A", help="weight of the labels (0.5)")
    add_model_arguments(parser)
    add_training_arguments(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    check_teacher_arguments(parser, options)
    if glue_output_modes[options.task_name] == "regression" and options.alpha_ce > 0:
        parser.error(f"{options.task_name} has numbers, and no classes to predict: give --alpha_ce 0 --alpha_mse 0.5")
    return options


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    task = options.task_name
    set_seed(options.seed)  # a new head is drawn at random
    labels = {"num_labels": glue_tasks_num_labels[task], "finetuning_task": task}
    model, tokenizer = load_model(options, AutoModelForSequenceClassification, **labels)
    evaluation = None
    if options.do_eval:
        evaluation = Evaluation(
            dataset(options, task, tokenizer, "dev"),
            batch_size=options.per_gpu_eval_batch_size,
            metrics=lambda predictions, labels: scores(task, predictions, labels),
        )
    reader, hooks = tokenizer, {}
    if options.do_train and options.teacher_name_or_path is not None:
        # Its tokenizer makes what both models take: a DistilBERT has no segments, but its teacher reads them.
        teacher, reader = load_teacher(options, AutoModelForSequenceClassification, model, tokenizer)
        weights = {name: getattr(options, name) for name in ("temperature", "alpha_ce", "alpha_mse", "alpha_task")}
        distillation = Distillation(teacher, **weights)
        hooks = {"loss": distillation, "count": distillation.count}
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, task, reader, "train") if options.do_train else None,
        evaluation,
        metric=METRICS.get(task, "acc"),
        processes=processes,
        **hooks,
    )
    processes.stop()
    return found


if __name__ == "__main__":
    main()
