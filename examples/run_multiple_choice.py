#!/usr/bin/env python3
"""Fine-tunes a model to choose between answers, and measures it.

    python examples/run_multiple_choice.py --model_name_or_path bert-base-uncased --task_name swag --do_lower_case \\
        --data_dir swagaf/data --max_seq_length 80 --do_train --do_eval --per_gpu_train_batch_size 16 \\
        --learning_rate 5e-5 --num_train_epochs 3 --output_dir swag

Tasks: swag (train.csv, val.csv and test.csv), arc (train.jsonl, dev.jsonl and test.jsonl), race (the folders train, dev
and test, with high and middle in each), rocstories (the files by their published names). The folder of --output_dir
gets the model, eval_results.txt, results.json and a plot, results.svg; with --do_predict (in 2019 --do_test) also
test_predictions.txt, a question's name and the number of the answer that is chosen a line, and test_results.txt where
the test set has labels. Without --do_train the model that is there is measured.
In several processes: torchrun --nproc_per_node 2 examples/run_multiple_choice.py …
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import torch

from tx_core import AutoModelForMultipleChoice
from tx_data import accuracy_scores, multiple_choice_convert_examples_to_features, multiple_choice_processors
from tx_training import Evaluation, Processes, set_seed
from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_predicting_argument,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_torch import load_model, predict, rows, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_argument(parser, multiple_choice_processors)
    add_data_arguments(parser, "with the files of the task")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    add_predicting_argument(parser, "--do_test")
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def dataset(options: argparse.Namespace, tokenizer: Any, split: str) -> tuple[list[str], list[dict[str, torch.Tensor]]]:
    """The names of a split's questions, and what a model takes of each: a dictionary of arrays (answers, tokens)."""
    processor = multiple_choice_processors[options.task_name]()
    examples = getattr(processor, f"get_{split}_examples")(options.data_dir)
    if split != "test" and (not examples or examples[0].label is None):  # a test set may have none
        raise ValueError(f"{options.data_dir}: the {split} set has no questions with a label")
    features = multiple_choice_convert_examples_to_features(examples, tokenizer, options.max_seq_length)
    return [each.example_id for each in examples], rows(features, tokenizer)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, predicts, and returns the measures of the best model on the development set."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)  # a new head is drawn at random
    model, tokenizer = load_model(options, AutoModelForMultipleChoice, finetuning_task=options.task_name)
    evaluation = None
    if options.do_eval:
        _, dev = dataset(options, tokenizer, "dev")
        evaluation = Evaluation(dev, options.per_gpu_eval_batch_size, metrics=accuracy_scores)
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, tokenizer, "train")[1] if options.do_train else None,
        evaluation,
        metric="acc",
        processes=processes,
    )
    if options.do_predict:
        names, test = dataset(options, tokenizer, "test")

        def text(logits: list[Any]) -> str:
            return "".join(f"{name} {each.argmax()}\n" for name, each in zip(names, logits, strict=True))

        predict(options, model, test, text, accuracy_scores, processes=processes)
    processes.stop()
    return found


if __name__ == "__main__":
    main()
