#!/usr/bin/env python3
"""Fine-tunes a multilingual model on XNLI in one language, and measures it in the same or another one.

    python examples/run_xnli.py --model_name_or_path bert-base-multilingual-cased --language de --train_language en \\
        --data_dir XNLI --max_seq_length 128 --do_train --do_eval --do_predict --per_gpu_train_batch_size 32 \\
        --learning_rate 5e-5 --num_train_epochs 2 --output_dir xnli-de

The folder of --data_dir holds XNLI-MT-1.0 (needed to train) and XNLI-1.0 (needed to measure). The folder of
--output_dir gets the model, eval_results.txt of the development set, results.json and a plot, results.svg; with
--do_predict also test_results.txt of the test set, and test_predictions.txt, a row's name and its label a line. (In
2019 --do_eval measured on the test set, which leaves nothing to tell the best model by.) Without --do_train the model
that is there is measured.
In several processes: torchrun --nproc_per_node 2 examples/run_xnli.py …
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import torch

from tx_core import AutoModelForSequenceClassification
from tx_data import accuracy_scores, glue_convert_examples_to_features, padding_options, xnli_processors
from tx_training import Evaluation, Processes, set_seed
from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_predicting_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_torch import load_model, predict, rows, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line; `processor` is added to it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", required=True, metavar="CODE", help="of the development and test sets: de")
    parser.add_argument("--train_language", metavar="CODE", help="of the training set (that of --language)")
    add_data_arguments(parser, "with XNLI-MT-1.0 and XNLI-1.0")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    add_predicting_argument(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    try:
        options.processor = xnli_processors["xnli"](options.language, options.train_language)
    except ValueError as error:
        parser.error(str(error))
    return options


def dataset(options: argparse.Namespace, tokenizer: Any, split: str) -> tuple[list[str], list[dict[str, torch.Tensor]]]:
    """The names of a split's rows, and what a model takes of each: a dictionary of arrays (tokens,)."""
    examples = getattr(options.processor, f"get_{split}_examples")(options.data_dir)
    features = glue_convert_examples_to_features(
        examples,
        tokenizer,
        max_length=options.max_seq_length,
        label_list=options.processor.get_labels(),
        output_mode="classification",
        **padding_options(tokenizer),
    )
    return [each.guid for each in examples], rows(features, tokenizer)


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, predicts, and returns the measures of the best model on the development set."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)  # a new head is drawn at random
    labels = options.processor.get_labels()
    model, tokenizer = load_model(
        options, AutoModelForSequenceClassification, id2label=dict(enumerate(labels)), finetuning_task="xnli"
    )
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
            return "".join(f"{name} {labels[each.argmax()]}\n" for name, each in zip(names, logits, strict=True))

        predict(options, model, test, text, accuracy_scores, processes=processes)
    processes.stop()
    return found


if __name__ == "__main__":
    main()
