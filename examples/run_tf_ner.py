#!/usr/bin/env python3
"""Fine-tunes a model to find named entities with Keras, measures it, and writes down what it finds.

    python examples/run_tf_ner.py --model_name_or_path bert-base-cased --task_name wnut17 --data_dir wnut17 \\
        --max_seq_length 128 --do_train --do_eval --do_predict --num_train_epochs 3 --output_dir entities

Datasets, --labels and what is written are those of run_ner.py. Without --do_train the model that is in --output_dir is
measured. All GPUs are used, each with its own part of a batch.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

import keras

from tx_core import TFAutoModelForTokenClassification
from tx_data import TokenSentences, ner_processors, ner_read_labels
from tx_training import TFEvaluation
from tx_training.arguments import (
    NOT_IN_KERAS,
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_predicting_argument,
    add_training_arguments,
    check_training_arguments,
)
from tx_training.scripts_tf import add_xla_argument, columns, load_model, predict, start, train_and_measure


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--task_name", default="conll", type=str.lower, choices=[*ner_processors], help="the layout of the data (conll)"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="a label a line (those of the dataset)")
    add_data_arguments(parser, "with the three sets")
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    add_arguments_of_2019(parser)
    add_predicting_argument(parser)
    add_xla_argument(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    if options.labels is not None and not options.labels.is_file():
        parser.error(f"--labels: there is no file {str(options.labels)!r}")
    return options


def class_names(options: argparse.Namespace) -> list[str]:
    """The labels, in the order of the classes: those of --labels, or those of the dataset."""
    if options.labels is not None:
        return ner_read_labels(options.labels)
    return list(ner_processors[options.task_name]().get_labels(options.data_dir))


def dataset(
    options: argparse.Namespace, tokenizer: Any, names: list[str], split: str
) -> tuple[TokenSentences, dict[str, Any]]:
    """The sentences of a split, and what a model takes of them: arrays (rows, tokens) by name."""
    examples = getattr(ner_processors[options.task_name](), f"get_{split}_examples")(options.data_dir)
    sentences = TokenSentences(examples, tokenizer, options.max_seq_length, names)
    if not sentences.labelled and split != "test":  # which may have none
        raise ValueError(f"{options.data_dir}: the {split} set has no labelled sentences")
    return sentences, columns(sentences.features, tokenizer, "label_ids")


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, predicts, and returns the measures of the best model on the development set."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    strategy = start(options)
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    labels = {"id2label": dict(enumerate(class_names(options)))} if options.do_train else {}
    with strategy.scope():
        model, tokenizer = load_model(options, TFAutoModelForTokenClassification, **labels)
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    evaluation = None
    if options.do_eval:
        sentences, dev = dataset(options, tokenizer, names, "dev")
        evaluation = TFEvaluation(
            dev, options.per_gpu_eval_batch_size, metrics=sentences.scores, jit_compile=options.xla
        )
    found = train_and_measure(
        options,
        model,
        tokenizer,
        dataset(options, tokenizer, names, "train")[1] if options.do_train else None,
        evaluation,
        metric="f1",
    )
    if options.do_predict:
        sentences, test = dataset(options, tokenizer, names, "test")
        predict(options, model, test, sentences.text, sentences.scores)
    return found


if __name__ == "__main__":
    main()
