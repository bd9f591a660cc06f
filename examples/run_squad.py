#!/usr/bin/env python3
"""Fine-tunes a model on SQuAD 1.1 or 2.0, and measures it as the official evaluations do.

    python examples/run_squad.py --model_type bert --model_name_or_path bert-base-uncased --do_train --do_eval \\
        --do_lower_case --train_file train-v1.1.json --predict_file dev-v1.1.json --per_gpu_train_batch_size 12 \\
        --learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 --output_dir squad

SQuAD 2.0: --version_2_with_negative. XLNet and XLM are trained with the heads that search with a beam. The folder of
--output_dir gets the model, predictions_.json, nbest_predictions_.json, with 2.0 null_odds_.json, eval_results.txt,
results.json and a plot, results.svg. Without --do_train the model that is there is measured.
In several processes: torchrun --nproc_per_node 2 examples/run_squad.py …
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.data import default_collate

from tx_core.models.heads_torch import BeamQuestionAnswering
from tx_data import SquadResult, SquadV1Processor, SquadV2Processor, squad_convert_examples_to_features, squad_scores
from tx_training import Evaluation, Processes, TrainingLoop, set_seed
from tx_training.arguments import (
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
from tx_training.scripts_torch import checkpoint_scores, load_model

# The parts of the datasets that tx_data makes, by the names that models have for them.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
TRAINED = (*INPUTS, "start_positions", "end_positions", "cls_index", "p_mask", "is_impossible")
MEASURED = (*INPUTS, "number", "cls_index", "p_mask")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_squad_arguments(parser)
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    check_squad_arguments(parser, options)
    return options


def has_beam(model: Any) -> bool:
    """Whether the model finds answers with a beam."""
    return isinstance(model, BeamQuestionAnswering)


def read(options: argparse.Namespace, tokenizer: Any, training: bool) -> tuple[list[Any], list[Any], Any]:
    """The questions of a file, their windows, and the dataset of these."""
    processor = (SquadV2Processor if options.version_2_with_negative else SquadV1Processor)()
    get = processor.get_train_examples if training else processor.get_dev_examples
    examples = get(None, str(options.train_file if training else options.predict_file))
    features, dataset = squad_convert_examples_to_features(
        examples,
        tokenizer,
        is_training=training,
        return_dataset="pt",
        **squad_window_options(options),
    )
    return examples, features, dataset


def known(options: argparse.Namespace, model: Any, tokenizer: Any) -> set[str]:
    """The names of the parts of a dataset that the model takes."""
    names = {*tokenizer.dataset_input_names, "start_positions", "end_positions"}
    if has_beam(model):
        names |= {"cls_index", "p_mask"} | ({"is_impossible"} if options.version_2_with_negative else set())
    return names


def collate(rows: list[Any], names: set[str]) -> dict[str, Any]:
    """A batch of the parts with these names, (rows, …) each; padding is not computed."""
    parts = TRAINED if len(rows[0]) == len(TRAINED) else MEASURED
    batch = {name: part for name, part in zip(parts, default_collate(rows), strict=True) if name in names}
    # Answers do not stand in padding. A beam hides it by p_mask; elsewhere its scores are left at the bias.
    return batch if "p_mask" in names else {**batch, "skip_padding": True}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the scores of the best model; none without --do_eval."""
    return run(parse(arguments))


def run(options: argparse.Namespace, teach: Callable[[Any, Any], dict[str, Any]] | None = None) -> dict[str, float]:
    """The same for a command line that was read.

    Args:
        options: as `parse` returns them.
        teach: given the model and its tokenizer, what the training loop is told otherwise.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)  # a new head is drawn at random
    model, tokenizer = load_model(options, answering_class(options, "torch"))
    model.to(processes.device)
    batch = partial(collate, names=known(options, model, tokenizer))
    evaluation = None
    if options.do_eval:
        n_top = (model.config.start_n_top, model.config.end_n_top) if has_beam(model) else None
        examples, features, dataset = read(options, tokenizer, training=False)
        evaluation = Evaluation(
            dataset,
            batch_size=options.per_gpu_eval_batch_size,
            collate=batch,
            metrics=lambda found, _: squad_scores(
                examples, features, found, tokenizer, options.output_dir, n_top=n_top, **squad_answer_options(options)
            ),
            fields=SquadResult.BEAM_FIELDS if has_beam(model) else SquadResult.FIELDS,
            loss=None,
        )
    if options.do_train:
        others = {"collate": batch} if teach is None else teach(model, tokenizer)
        TrainingLoop(
            model,
            read(options, tokenizer, training=True)[-1],
            options.output_dir,
            training_options(options, metric="f1" if options.evaluate_during_training else "loss"),
            evaluation=evaluation if options.evaluate_during_training else None,
            tokenizer=tokenizer,
            processes=processes,
            **others,
        ).run(resume=options.resume, overwrite=options.overwrite_output_dir)
    found = {}
    if evaluation is not None:
        if options.do_train:  # the best one, which is not always the last
            model = type(model).from_pretrained(options.output_dir).to(processes.device)
        # First: the files of answers are those of the last one that is measured.
        every = checkpoint_scores(options, model, evaluation, processes)
        found = evaluation(model, processes)
        if processes.is_main:
            write_eval_results(options.output_dir, found)
            found |= every
            print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    processes.stop()
    return found


if __name__ == "__main__":
    main()
