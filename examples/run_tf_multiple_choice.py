#!/usr/bin/env python3
"""Fine-tunes a model to choose between answers with Keras, and measures it.

    python examples/run_tf_multiple_choice.py --model_name_or_path bert-base-uncased --task_name swag --do_lower_case \\
        --data_dir swagaf/data --max_seq_length 80 --do_train --do_eval --per_gpu_train_batch_size 16 \\
        --learning_rate 5e-5 --num_train_epochs 3 --output_dir swag

Tasks, files and what is written are those of run_multiple_choice.py. Without --do_train the model that is in
--output_dir is measured. All GPUs are used, each with its own part of a batch.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import keras

from tx_core import TFAutoModelForMultipleChoice
from tx_data import accuracy_scores, multiple_choice_convert_examples_to_features, multiple_choice_processors
from tx_training import TFEvaluation
from tx_training.arguments import (
    NOT_IN_KERAS,
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_predicting_argument,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_tf import add_xla_argument, columns, load_model, predict, start, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_argument(parser, multiple_choice_processors)
    add_data_arguments(parser, "with the files of the task")
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    add_arguments_of_2019(parser)
    add_xla_argument(parser)
    add_predicting_argument(parser, "--do_test")
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def dataset(options: argparse.Namespace, tokenizer: Any, split: str) -> tuple[list[str], dict[str, Any]]:
    """The names of a split's questions, and what a model takes of them: arrays (questions, answers, tokens) by name."""
    processor = multiple_choice_processors[options.task_name]()
    examples = getattr(processor, f"get_{split}_examples")(options.data_dir)
    if split != "test" and (not examples or examples[0].label is None):  # a test set may have none
        raise ValueError(f"{options.data_dir}: the {split} set has no questions with a label")
    features = multiple_choice_convert_examples_to_features(examples, tokenizer, options.max_seq_length)
    return [each.example_id for each in examples], columns(features, tokenizer)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, predicts, and returns the measures of the best model on the development set."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    strategy = start(options)
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    with strategy.scope():
        model, tokenizer = load_model(options, TFAutoModelForMultipleChoice, finetuning_task=options.task_name)
    evaluation = None
    if options.do_eval:
        _, dev = dataset(options, tokenizer, "dev")
        evaluation = TFEvaluation(
            dev, options.per_gpu_eval_batch_size, metrics=accuracy_scores, jit_compile=options.xla
        )
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, tokenizer, "train")[1] if options.do_train else None,
        evaluation,
        metric="acc",
    )
    if options.do_predict:
        names, test = dataset(options, tokenizer, "test")

        def text(logits: list[Any]) -> str:
            return "".join(f"{name} {each.argmax()}\n" for name, each in zip(names, logits, strict=True))

        predict(options, model, test, text, accuracy_scores)
    return found


if __name__ == "__main__":
    main()
