#!/usr/bin/env python3
"""Fine-tunes a small model on a task of GLUE, taught by a larger one that knows the task, and measures it.

    python examples/run_glue.py --model_name_or_path MODEL --task_name sst-2 --do_train --do_eval --do_lower_case \\
        --data_dir glue_data/SST-2 --output_dir teacher
    python examples/distillation/extract.py --model_name teacher --student_type bert --layers 0,2,4 \\
        --dump_checkpoint begun
    python examples/distillation/run_glue_w_distillation.py --model_name_or_path begun --teacher_name_or_path teacher \\
        --task_name sst-2 --data_dir glue_data/SST-2 --do_train --do_eval --do_lower_case --alpha_ce 0.5 \\
        --alpha_task 0.5 --temperature 2 --output_dir student

The loss is --alpha_ce times how far the student's softened predictions are from its teacher's, --alpha_mse times the
squared distance of the logits, and --alpha_task times the cross-entropy of the labels. The same student without a
teacher: --alpha_ce 0 --alpha_task 1, and no --teacher_name_or_path. All else is as in run_glue.py.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from teachers import add_teacher_arguments, check_teacher_arguments, distillation, load_teacher

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where run_glue.py is

from run_glue import run

from tx_core import AutoModelForSequenceClassification
from tx_data import glue_output_modes
from tx_training.arguments import (
    add_arguments_of_2019,
    add_data_arguments,
    add_model_arguments,
    add_task_argument,
    add_training_arguments,
    check_training_arguments,
)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_task_argument(parser, glue_output_modes)
    add_data_arguments(parser, "with train.tsv and dev.tsv")
    add_teacher_arguments(parser, "alpha_task")
    add_model_arguments(parser)
    add_training_arguments(parser)
    add_arguments_of_2019(parser)
    options = parser.parse_args(arguments)
    check_training_arguments(parser, options)
    check_teacher_arguments(parser, options)
    if glue_output_modes[options.task_name] == "regression" and options.alpha_ce > 0:
        parser.error(f"{options.task_name} has numbers, and no classes to predict: give --alpha_ce 0 --alpha_mse 0.5")
    return options


def teach(options: argparse.Namespace, student: Any, tokenizer: Any) -> tuple[Any, dict[str, Any]]:
    """The tokenizer that reads the training set, and what the training loop is told of the teacher."""
    teacher, reader = load_teacher(options, AutoModelForSequenceClassification, student, tokenizer)
    loss = distillation(options, teacher, options.alpha_task)
    # Whichever makes more: a DistilBERT has no segments, but a BERT that teaches it, or learns from it, reads them.
    return max(reader, tokenizer, key=lambda each: len(each.dataset_input_names)), {"loss": loss, "count": loss.count}


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures of the best model."""
    options = parse(arguments)
    return run(options, None if options.teacher_name_or_path is None else partial(teach, options))


if __name__ == "__main__":
    main()
