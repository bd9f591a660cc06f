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
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import default_collate

from tx_core import AutoModelForQuestionAnswering
from tx_core.architecture import Task, find, load
from tx_core.models.heads_torch import BeamQuestionAnswering
from tx_data import (
    SquadResult,
    SquadV1Processor,
    SquadV2Processor,
    compute_predictions_log_probs,
    compute_predictions_logits,
    squad_convert_examples_to_features,
    squad_evaluate,
    squad_v1_evaluate,
)
from tx_training import Evaluation, Processes, TrainingLoop, set_seed
from tx_training.arguments import (
    add_model_arguments,
    add_training_arguments,
    check_training_arguments,
    model_classes,
    training_options,
)
from tx_training.results import write_eval_results
from tx_training.scripts_torch import load_model

# The parts of the datasets that tx_data makes, by the names that models have for them.
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
TRAINED = (*INPUTS, "start_positions", "end_positions", "cls_index", "p_mask", "is_impossible")
MEASURED = (*INPUTS, "number", "cls_index", "p_mask")
# What heads find, in the order of SquadResult.
LOGITS = ("start_logits", "end_logits")
BEAM = ("start_top_log_probs", "end_top_log_probs", "start_top_index", "end_top_index", "cls_logits")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--train_file", type=Path, metavar="FILE", help="train-v1.1.json; for --do_train")
    add("--predict_file", type=Path, metavar="FILE", help="dev-v1.1.json; for --do_eval")
    add("--version_2_with_negative", action="store_true", help="SQuAD 2.0, where questions may have no answer")
    add("--null_score_diff_threshold", type=float, default=0.0, metavar="NUMBER",
        help="a question gets no answer where the score of none exceeds that of the best by more (0)")  # fmt: skip
    add("--max_seq_length", type=int, default=384, metavar="N", help="tokens of a window, question included (384)")
    add("--doc_stride", type=int, default=128, metavar="N", help="tokens between the beginnings of windows (128)")
    add("--max_query_length", type=int, default=64, metavar="N", help="tokens that are read of a question (64)")
    add("--n_best_size", type=int, default=20, metavar="N", help="answers that are listed of a question (20)")
    add("--max_answer_length", type=int, default=30, metavar="N", help="tokens of an answer (30)")
    add("--verbose_logging", action="store_true", help="say which answers do not stand letter by letter in the text")
    add("--threads", type=int, default=1, metavar="N", help="processes that share the tokenizing (1)")
    add_model_arguments(parser)
    add_training_arguments(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    for name in ("max_seq_length", "doc_stride", "max_query_length", "n_best_size", "max_answer_length", "threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    for needed, name in ((options.do_train, "train_file"), (options.do_eval, "predict_file")):
        path = getattr(options, name)
        if needed and path is None:
            parser.error(f"--{name} is needed")
        if needed and not path.is_file():
            parser.error(f"--{name}: there is no file {str(path)!r}")
    if options.patience is not None and not options.evaluate_during_training:
        parser.error("--patience counts measurements: give --evaluate_during_training as well")
    if options.evaluate_during_training and not options.do_eval:
        parser.error("--evaluate_during_training goes with --do_eval")
    return options


def read_model(options: argparse.Namespace) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    config = model_classes(options)[0].from_pretrained(
        options.config_name or options.model_name_or_path, cache_dir=options.cache_dir
    )
    heads = find(config.model_type).torch
    chosen = any("QuestionAnswering" in each for each in config.architectures or ())  # in an earlier training
    beam = options.do_train and not chosen and Task.BEAM_QUESTION_ANSWERING in heads
    return load_model(options, load(heads[Task.BEAM_QUESTION_ANSWERING]) if beam else AutoModelForQuestionAnswering)


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
        max_seq_length=options.max_seq_length,
        doc_stride=options.doc_stride,
        max_query_length=options.max_query_length,
        is_training=training,
        return_dataset="pt",
        threads=options.threads,
    )
    return examples, features, dataset


def known(options: argparse.Namespace, model: Any, tokenizer: Any) -> set[str]:
    """The names of the parts of a dataset that the model takes."""
    names = {*tokenizer.model_input_names, "start_positions", "end_positions"}
    if model.config.model_type == "xlm":  # it has no types of tokens, and takes them for words
        names -= {"token_type_ids"}
    if has_beam(model):
        names |= {"cls_index", "p_mask"} | ({"is_impossible"} if options.version_2_with_negative else set())
    return names


def collate(rows: list[Any], names: set[str]) -> dict[str, Tensor]:
    """A batch of the parts with these names, (rows, …) each."""
    parts = TRAINED if len(rows[0]) == len(TRAINED) else MEASURED
    return {name: part for name, part in zip(parts, default_collate(rows), strict=True) if name in names}


def scores(
    options: argparse.Namespace, model: Any, tokenizer: Any, examples: list[Any], features: list[Any], found: list[Any]
) -> dict[str, float]:
    """The official scores of what the model found in each window; the answers are written to files."""
    options.output_dir.mkdir(parents=True, exist_ok=True)
    nulls = options.output_dir / "null_odds_.json"
    common: dict[str, Any] = {
        "all_examples": examples,
        "all_features": features,
        "all_results": [SquadResult(window.unique_id, *row) for window, row in zip(features, found, strict=True)],
        "n_best_size": options.n_best_size,
        "max_answer_length": options.max_answer_length,
        "output_prediction_file": options.output_dir / "predictions_.json",
        "output_nbest_file": options.output_dir / "nbest_predictions_.json",
        "output_null_log_odds_file": nulls,
        "verbose_logging": options.verbose_logging,
        "version_2_with_negative": options.version_2_with_negative,
        "tokenizer": tokenizer,
    }
    threshold = options.null_score_diff_threshold
    if has_beam(model):
        sizes = {"start_n_top": model.config.start_n_top, "end_n_top": model.config.end_n_top}
        answers = compute_predictions_log_probs(**sizes, **common)
    else:
        lower = bool(getattr(tokenizer, "do_lower_case", False))
        answers = compute_predictions_logits(do_lower_case=lower, null_score_diff_threshold=threshold, **common)
    if not options.version_2_with_negative:
        return dict(squad_v1_evaluate(examples, answers))
    return dict(squad_evaluate(examples, answers, json.loads(nulls.read_text(encoding="utf-8")), threshold))


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the scores of the best model; none without --do_eval."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    processes = Processes.start("cpu" if options.no_cuda else None)
    set_seed(options.seed)  # a new head is drawn at random
    model, tokenizer = read_model(options)
    model.to(processes.device)
    batch = partial(collate, names=known(options, model, tokenizer))
    evaluation = None
    if options.do_eval:
        examples, features, dataset = read(options, tokenizer, training=False)
        evaluation = Evaluation(
            dataset,
            batch_size=options.per_gpu_eval_batch_size,
            collate=batch,
            metrics=lambda found, _: scores(options, model, tokenizer, examples, features, found),
            fields=BEAM if has_beam(model) else LOGITS,
            loss=None,
        )
    if options.do_train:
        TrainingLoop(
            model,
            read(options, tokenizer, training=True)[-1],
            options.output_dir,
            training_options(options, metric="f1" if options.evaluate_during_training else "loss"),
            evaluation=evaluation if options.evaluate_during_training else None,
            collate=batch,
            tokenizer=tokenizer,
            processes=processes,
        ).run(resume=options.resume)
    found = {}
    if evaluation is not None:
        if options.do_train:  # the best one, which is not always the last
            model = type(model).from_pretrained(options.output_dir).to(processes.device)
        found = evaluation(model, processes)
        if processes.is_main:
            write_eval_results(options.output_dir, found)
            print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    processes.stop()
    return found


if __name__ == "__main__":
    main()
