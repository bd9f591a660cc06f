#!/usr/bin/env python3
"""Fine-tunes a model on a task of GLUE, and measures it.

    python examples/run_glue.py --model_name_or_path bert-base-uncased --task_name mrpc --do_train --do_eval \\
        --do_lower_case --data_dir glue_data/MRPC --max_seq_length 128 --per_gpu_train_batch_size 32 \\
        --learning_rate 2e-5 --num_train_epochs 3 --output_dir mrpc

Tasks: cola, mnli, mnli-mm, mrpc, sst-2, sts-b, qqp, qnli, rte, wnli. The folder of --output_dir gets the model,
eval_results.txt, results.json and a plot, results.svg. Without --do_train the model that is there is measured. That of
mnli is measured on both of its development sets; what it reaches on dev_mismatched.tsv is also written into a folder
beside that of --output_dir, whose name ends in -MM.
In several processes: torchrun --nproc_per_node 2 examples/run_glue.py …
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from tx_core import AutoModelForSequenceClassification
from tx_data import (
    glue_convert_examples_to_features,
    glue_main_metrics,
    glue_measured_tasks,
    glue_output_modes,
    glue_processors,
    glue_scores,
    glue_tasks_num_labels,
    padding_options,
)
from tx_training import Evaluation, Evaluations, Processes, set_seed
from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.results import write_mismatched_results
from tx_training.scripts_torch import load_model, rows, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_argument(parser, glue_output_modes)
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
        examples, tokenizer, options.max_seq_length, task, **padding_options(tokenizer)
    )
    number = torch.float32 if glue_output_modes[task] == "regression" else torch.int64
    return rows(features, tokenizer, dtype=number)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    return run(parse(arguments))


def run(
    options: argparse.Namespace, teach: Callable[[Any, Any], tuple[Any, dict[str, Any]]] | None = None
) -> dict[str, float]:
    """The same for a command line that was read.

    Args:
        options: as `parse` returns them.
        teach: given the model and its tokenizer, the tokenizer that reads the training set, and what the training loop
            is told otherwise.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    task = options.task_name
    set_seed(options.seed)  # a new head is drawn at random
    labels = {"num_labels": glue_tasks_num_labels[task], "finetuning_task": task}
    model, tokenizer = load_model(options, AutoModelForSequenceClassification, **labels)
    evaluation = None
    if options.do_eval:
        evaluation = Evaluations(
            *(
                Evaluation(
                    dataset(options, name, tokenizer, "dev"),
                    batch_size=options.per_gpu_eval_batch_size,
                    metrics=partial(glue_scores, name),
                )
                for name in glue_measured_tasks[task]
            )
        )
    reader, others = tokenizer, dict[str, Any]()
    if options.do_train and teach is not None:
        reader, others = teach(model, tokenizer)
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, task, reader, "train") if options.do_train else None,
        evaluation,
        metric=glue_main_metrics[task],
        processes=processes,
        **others,
    )
    if task == "mnli" and evaluation is not None and processes.is_main:
        write_mismatched_results(options.output_dir, found)
    processes.stop()
    return found


if __name__ == "__main__":
    main()
