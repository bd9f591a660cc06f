#!/usr/bin/env python3
"""Fine-tunes a model on SQuAD 1.1 or 2.0 with Keras, and measures it as the official evaluations do.

    python examples/run_tf_squad.py --model_type bert --model_name_or_path bert-base-uncased --do_train --do_eval \\
        --do_lower_case --train_file train-v1.1.json --predict_file dev-v1.1.json --per_gpu_train_batch_size 12 \\
        --learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 --output_dir squad

SQuAD 2.0: --version_2_with_negative. Heads and what is written are those of run_squad.py. Without --do_train the model
that is in --output_dir is measured. All GPUs are used, each with its own part of a batch.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

import keras
import numpy as np

from tx_core.models.heads_tf import BeamQuestionAnswering
from tx_data import SquadResult, SquadV1Processor, SquadV2Processor, squad_convert_examples_to_features, squad_scores
from tx_training import TFEvaluation, TFTrainingLoop
from tx_training.arguments import (
    NOT_IN_KERAS,
    add_arguments_of_2019,
    add_model_arguments,
    add_squad_arguments,
    add_training_arguments,
    answering_class,
    check_squad_arguments,
    check_training_arguments,
    squad_answer_options,
    squad_window_options,
    training_options,
)
from tx_training.results import write_eval_results
from tx_training.scripts_tf import add_xla_argument, checkpoint_scores, load_model, start


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_squad_arguments(parser)
    add_model_arguments(parser)
    add_training_arguments(parser, without=NOT_IN_KERAS)
    add_arguments_of_2019(parser)
    add_xla_argument(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    check_squad_arguments(parser, options)
    return options


def has_beam(model: Any) -> bool:
    """Whether the model finds answers with a beam."""
    return isinstance(model, BeamQuestionAnswering)


def read(
    options: argparse.Namespace, model: Any, tokenizer: Any, training: bool
) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """The questions of a file, their windows, and what the model takes of these: arrays (windows, …) by name."""
    processor = (SquadV2Processor if options.version_2_with_negative else SquadV1Processor)()
    get = processor.get_train_examples if training else processor.get_dev_examples
    examples = get(None, str(options.train_file if training else options.predict_file))
    features = squad_convert_examples_to_features(
        examples,
        tokenizer,
        is_training=training,
        **squad_window_options(options),
    )
    fields = {name: name for name in tokenizer.dataset_input_names}
    if training:
        fields |= {"start_positions": "start_position", "end_positions": "end_position"}
    if has_beam(model):
        fields |= {"cls_index": "cls_index", "p_mask": "p_mask"}
        if training and options.version_2_with_negative:
            fields["is_impossible"] = "is_impossible"
    columns = {
        name: np.asarray([getattr(each, field) for each in features], np.int32) for name, field in fields.items()
    }
    return examples, features, columns


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the scores of the best model; none without --do_eval."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    strategy = start(options)
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    with strategy.scope():
        model, tokenizer = load_model(options, answering_class(options, "tf"))
    evaluation = None
    if options.do_eval:
        n_top = (model.config.start_n_top, model.config.end_n_top) if has_beam(model) else None
        examples, features, dev = read(options, model, tokenizer, training=False)
        evaluation = TFEvaluation(
            dev,
            batch_size=options.per_gpu_eval_batch_size,
            metrics=lambda found, _: squad_scores(
                examples, features, found, tokenizer, options.output_dir, n_top=n_top, **squad_answer_options(options)
            ),
            fields=SquadResult.BEAM_FIELDS if has_beam(model) else SquadResult.FIELDS,
            loss=None,
            jit_compile=options.xla,
        )
    if options.do_train:
        TFTrainingLoop(
            model,
            read(options, model, tokenizer, training=True)[-1],
            options.output_dir,
            training_options(options, metric="f1" if options.evaluate_during_training else "loss"),
            evaluation=evaluation if options.evaluate_during_training else None,
            tokenizer=tokenizer,
            jit_compile=options.xla,
        ).run(resume=options.resume, overwrite=options.overwrite_output_dir)
    found = {}
    if evaluation is not None:
        if options.do_train:  # the best one, which is not always the last
            model.load_weights(options.output_dir)
        # First: the files of answers are those of the last one that is measured.
        every = checkpoint_scores(options, model, evaluation)
        found = evaluation(model)
        write_eval_results(options.output_dir, found)
        found |= every
        print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    return found


if __name__ == "__main__":
    main()
