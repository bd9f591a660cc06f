#!/usr/bin/env python3
"""Fine-tunes a model to choose between answers with Keras, and measures it.

    python examples/run_tf_multiple_choice.py --model_name_or_path bert-base-uncased --task_name swag --do_lower_case \\
        --data_dir swagaf/data --max_seq_length 80 --do_train --do_eval --per_gpu_train_batch_size 16 \\
        --learning_rate 5e-5 --num_train_epochs 3 --output_dir swag

Tasks and files are those of run_multiple_choice.py. The folder of --output_dir gets the model and eval_results.txt.
Without --do_train the model that is there is measured.
"""

from __future__ import annotations

import argparse
from typing import Any

import keras
import numpy as np

from tx_core import TFAutoModelForMultipleChoice
from tx_data import multiple_choice_convert_examples_to_features, multiple_choice_processors, simple_accuracy
from tx_training.arguments import (
    NOT_IN_KERAS,
    add_data_arguments,
    add_model_arguments,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.results import write_eval_results
from tx_training.scripts_tf import columns, load_model, train


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task_name", required=True, type=str.lower, choices=[*multiple_choice_processors])
    add_data_arguments(parser, "with the files of the task")
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def dataset(options: argparse.Namespace, tokenizer: Any, split: str) -> tuple[dict[str, Any], Any]:
    """The inputs of a split by name, (questions, answers, tokens) each, and the numbers of the right answers."""
    processor = multiple_choice_processors[options.task_name]()
    examples = getattr(processor, f"get_{split}_examples")(options.data_dir)
    features = multiple_choice_convert_examples_to_features(examples, tokenizer, options.max_seq_length)
    return columns(features, tokenizer), np.asarray([each.label for each in features])


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures on the development set; none without --do_eval."""
    options = parse(arguments)
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    model, tokenizer = load_model(options, TFAutoModelForMultipleChoice, finetuning_task=options.task_name)
    if options.do_train:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        train(options, model, tokenizer, *dataset(options, tokenizer, "train"), loss)
    found: dict[str, float] = {}
    if options.do_eval:
        inputs, labels = dataset(options, tokenizer, "dev")
        logits = model.predict(inputs, options.per_gpu_eval_batch_size, verbose=2)[0]
        found = {"acc": simple_accuracy(logits.argmax(-1), labels)}
        options.output_dir.mkdir(parents=True, exist_ok=True)
        write_eval_results(options.output_dir, found)
    print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    return found


if __name__ == "__main__":
    main()
