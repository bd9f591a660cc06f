#!/usr/bin/env python3
"""Fine-tunes a model on a task of GLUE with Keras, and measures it.

    python examples/run_tf_glue.py --model_name_or_path bert-base-cased --task_name mrpc --do_train --do_eval \\
        --data_dir glue_data/MRPC --max_seq_length 128 --per_gpu_train_batch_size 32 --learning_rate 3e-5 \\
        --num_train_epochs 3 --output_dir mrpc

Tasks, files and what is written are those of run_glue.py. Without --do_train the model that is in --output_dir is
measured. All GPUs are used, each with its own part of a batch.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial
from typing import Any

import keras
import numpy as np

from tx_core import TFAutoModelForSequenceClassification
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
from tx_training import Evaluations, TFEvaluation
from tx_training.arguments import (
    NOT_IN_KERAS,
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.results import write_mismatched_results
from tx_training.scripts_tf import add_xla_argument, columns, load_model, start, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_argument(parser, glue_output_modes)
    add_data_arguments(parser, "with train.tsv and dev.tsv")
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    add_arguments_of_2019(parser)
    add_xla_argument(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def dataset(options: argparse.Namespace, task: str, tokenizer: Any, split: str) -> dict[str, Any]:
    """The rows of a split as a model takes them, padded to --max_seq_length: arrays (rows, tokens) by name."""
    processor = glue_processors[task]()
    examples = getattr(processor, f"get_{split}_examples")(options.data_dir)
    features = glue_convert_examples_to_features(
        examples, tokenizer, options.max_seq_length, task, **padding_options(tokenizer)
    )
    number = np.float32 if glue_output_modes[task] == "regression" else np.int32
    return columns(features, tokenizer, dtype=number)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    strategy = start(options)
    task = options.task_name
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    labels = {"num_labels": glue_tasks_num_labels[task], "finetuning_task": task}
    with strategy.scope():
        model, tokenizer = load_model(options, TFAutoModelForSequenceClassification, **labels)
    evaluation = None
    if options.do_eval:
        evaluation = Evaluations(
            *(
                TFEvaluation(
                    dataset(options, name, tokenizer, "dev"),
                    batch_size=options.per_gpu_eval_batch_size,
                    metrics=partial(glue_scores, name),
                    jit_compile=options.xla,
                )
                for name in glue_measured_tasks[task]
            )
        )
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, task, tokenizer, "train") if options.do_train else None,
        evaluation,
        metric=glue_main_metrics[task],
    )
    if task == "mnli" and evaluation is not None:
        write_mismatched_results(options.output_dir, found)
    return found


if __name__ == "__main__":
    main()
