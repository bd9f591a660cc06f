#!/usr/bin/env python3
"""Fine-tunes a model on a task of GLUE, and measures it.

    python examples/run_glue.py --model_name_or_path bert-base-uncased --task_name mrpc --do_train --do_eval \\
        --do_lower_case --data_dir glue_data/MRPC --max_seq_length 128 --per_gpu_train_batch_size 32 \\
        --learning_rate 2e-5 --num_train_epochs 3 --output_dir mrpc

Tasks: cola, mnli, mnli-mm, mrpc, sst-2, sts-b, qqp, qnli, rte, wnli. The folder of --output_dir gets the model,
eval_results.txt, results.json and a plot, results.svg. Without --do_train the model that is there is measured.
In several processes: torchrun --nproc_per_node 2 examples/run_glue.py …
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import numpy as np
import torch

from tx_core import AutoModelForSequenceClassification
from tx_data import (
    glue_compute_metrics,
    glue_convert_examples_to_features,
    glue_output_modes,
    glue_processors,
    glue_tasks_num_labels,
)
from tx_training import Evaluation, Processes, set_seed
from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_torch import load_model, rows, train_and_measure

# What the best model is told by: the metric that GLUE counts.
METRICS = {"cola": "mcc", "sts-b": "corr", "mrpc": "acc_and_f1", "qqp": "acc_and_f1"}
METRICS |= {"mnli": "mnli/acc", "mnli-mm": "mnli-mm/acc"}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = [*glue_output_modes]
    parser.add_argument(
        "--task_name", required=True, type=str.lower, choices=tasks, metavar="TASK", help=", ".join(tasks)
    )
    add_data_arguments(parser, "with train.tsv and dev.tsv")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def dataset(options: argparse.Namespace, task: str, tokenizer: Any, split: str) -> list[dict[str, torch.Tensor]]:
    """The rows of a split as a model takes them, padded to --max_seq_length: each a dictionary of arrays (tokens,)."""
    processor = glue_processors[task]()
    examples = getattr(processor, f"get_{split}_examples")(options.data_dir)
    features = glue_convert_examples_to_features(
        examples,
        tokenizer,
        max_length=options.max_seq_length,
        task=task,
        pad_on_left=tokenizer.padding_side == "left",
        pad_token=tokenizer.pad_token_id,
        pad_token_segment_id=getattr(tokenizer, "pad_token_type_id", 0),
    )
    number = torch.float32 if glue_output_modes[task] == "regression" else torch.int64
    return rows(features, tokenizer, dtype=number)


def scores(task: str, predictions: list[Any], labels: list[Any]) -> dict[str, float]:
    """GLUE's metrics of logits (rows, labels)."""
    logits = np.stack(predictions)
    found = logits[:, 0] if glue_output_modes[task] == "regression" else logits.argmax(-1)
    return dict(glue_compute_metrics(task, found, np.asarray(labels)))


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
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, task, tokenizer, "train") if options.do_train else None,
        evaluation,
        metric=METRICS.get(task, "acc"),
        processes=processes,
    )
    processes.stop()
    return found


if __name__ == "__main__":
    main()
