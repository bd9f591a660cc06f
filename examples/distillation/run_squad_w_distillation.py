#!/usr/bin/env python3
"""Fine-tunes a small model on SQuAD, taught by a larger one that was fine-tuned on it, with the official scores.

    python examples/distillation/run_squad_w_distillation.py --model_type distilbert \\
        --model_name_or_path distilbert-base-uncased --teacher_type bert \\
        --teacher_name_or_path bert-large-uncased-whole-word-masking-finetuned-squad --do_train --do_eval \\
        --do_lower_case --train_file train-v1.1.json --predict_file dev-v1.1.json --per_gpu_train_batch_size 12 \\
        --learning_rate 3e-5 --num_train_epochs 2 --alpha_ce 0.5 --alpha_squad 0.5 --temperature 2 --output_dir squad

The loss is --alpha_ce times how far the student's softened first and last tokens are from its teacher's, --alpha_mse
times the squared distance of the logits, and --alpha_squad times the cross-entropy of the answers. The same student
without a teacher: --alpha_ce 0 --alpha_squad 1, and no --teacher_name_or_path. All else is as in run_squad.py.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from teachers import add_teacher_arguments, check_teacher_arguments, distillation, load_teacher

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where run_squad.py is

from run_squad import collate, has_beam, known, run

from tx_core import AutoModelForQuestionAnswering
from tx_data import SquadResult
from tx_training.arguments import (
    add_arguments_of_2019,
    add_model_arguments,
    add_squad_arguments,
    add_training_arguments,
    check_squad_arguments,
    check_training_arguments,
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_squad_arguments(parser)
    add_teacher_arguments(parser, "alpha_squad")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    check_squad_arguments(parser, options)
    check_teacher_arguments(parser, options)
    return options


def teach(options: argparse.Namespace, student: Any, tokenizer: Any) -> dict[str, Any]:
    """What the training loop is told of the teacher.

    Raises:
        ValueError: one of both reads or answers otherwise than the other.
    """
    teacher, reader = load_teacher(options, AutoModelForQuestionAnswering, student, tokenizer)
    for name, model in (("--model_name_or_path", student), ("--teacher_name_or_path", teacher)):
        if has_beam(model):
            raise ValueError(f"{name}: {type(model).__name__} answers with a beam, and has no logits to compare")
    loss = distillation(options, teacher, options.alpha_squad, fields=SquadResult.FIELDS)
    # A DistilBERT has no segments, but its teacher reads them.
    names = known(options, student, tokenizer) | known(options, teacher, reader)
    return {"loss": loss, "count": loss.count, "collate": partial(collate, names=names)}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the scores of the best model; none without --do_eval."""
    options = parse(arguments)
    return run(options, None if options.teacher_name_or_path is None else partial(teach, options))


if __name__ == "__main__":
    main()
