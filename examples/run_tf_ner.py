#!/usr/bin/env python3
"""Fine-tunes a model to find named entities with Keras, and measures it.

    python examples/run_tf_ner.py --model_name_or_path bert-base-cased --task_name wnut17 --data_dir wnut17 \\
        --max_seq_length 128 --do_train --do_eval --num_train_epochs 3 --output_dir entities

Datasets are those of run_ner.py. The folder of --output_dir gets the model and eval_results.txt: precision, recall and
F1 of entities. Without --do_train the model that is there is measured.
"""

from __future__ import annotations

import argparse

import keras
import numpy as np

from tx_core import TFAutoModelForTokenClassification
from tx_data import ner_compute_metrics, ner_convert_examples_to_features, ner_labels_of_words, ner_processors
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
    parser.add_argument(
        "--task_name", default="conll", type=str.lower, choices=[*ner_processors], help="the layout of the data (conll)"
    )
    add_data_arguments(parser, "with the three sets")
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    return options


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures on the development set; none without --do_eval."""
    options = parse(arguments)
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    processor = ner_processors[options.task_name]()
    labels = {"id2label": dict(enumerate(processor.get_labels(options.data_dir)))} if options.do_train else {}
    model, tokenizer = load_model(options, TFAutoModelForTokenClassification, **labels)
    names = [str(model.config.id2label[number]) for number in range(model.config.num_labels)]
    if options.do_train:
        examples = processor.get_train_examples(options.data_dir)
        features = ner_convert_examples_to_features(examples, tokenizer, options.max_seq_length, names)
        numbers = np.asarray([each.label_ids for each in features])
        # Only the first token of a word has a label.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-100)
        train(options, model, tokenizer, columns(features, tokenizer), numbers, loss)
    found: dict[str, float] = {}
    if options.do_eval:
        examples = processor.get_dev_examples(options.data_dir)
        features = ner_convert_examples_to_features(examples, tokenizer, options.max_seq_length)
        logits = model.predict(columns(features, tokenizer), options.per_gpu_eval_batch_size, verbose=2)[0]
        predicted = ner_labels_of_words(logits.argmax(-1), features, examples, names)
        found = ner_compute_metrics(predicted, [each.labels or [] for each in examples])
        options.output_dir.mkdir(parents=True, exist_ok=True)
        write_eval_results(options.output_dir, found)
    print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    return found


if __name__ == "__main__":
    main()
