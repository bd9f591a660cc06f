"""What the example scripts do alike, given the command line that `tx_training.arguments` reads."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from torch import nn

from .arguments import measured_model, model_classes, training_options
from .evaluation_torch import Evaluation
from .loop_torch import TrainingLoop
from .processes_torch import Processes
from .results import write_eval_results


def load_model(arguments: argparse.Namespace, model_class: Any, **labels: Any) -> tuple[Any, Any]:
    """The model that is trained, or that is measured without ``--do_train``, on the CPU, and its tokenizer.

    Args:
        arguments: of a parser that `add_model_arguments` and `add_training_arguments` were given.
        model_class: the Auto class of the task, ``AutoModelForTokenClassification``.
        labels: fields of the configuration that a training sets; a model that is only measured has its own.
    """
    name = arguments.model_name_or_path if arguments.do_train else measured_model(arguments)
    config_class, tokenizer_class = model_classes(arguments)
    where: dict[str, Any] = {"cache_dir": arguments.cache_dir}
    labels = labels if arguments.do_train else {}
    config = config_class.from_pretrained(arguments.config_name or name, **labels, **where)
    model = model_class.from_pretrained(name, config=config, **where)
    lower = {"do_lower_case": True} if arguments.do_lower_case else {}
    return model, tokenizer_class.from_pretrained(arguments.tokenizer_name or name, **lower, **where)


def train_and_measure(
    arguments: argparse.Namespace,
    model: nn.Module,
    tokenizer: Any,
    dataset: Any,
    evaluation: Evaluation | None,
    *,
    metric: str,
    processes: Processes,
    **others: Any,
) -> dict[str, float]:
    """Train with ``--do_train``, measure with ``--do_eval``, and print the measures, those of the best model.

    Args:
        arguments: of a parser that `add_training_arguments` was given.
        model, tokenizer: as `load_model` returns them.
        dataset: examples by number, with labels; None where nothing is trained.
        evaluation: what the model is measured by; None where it is not.
        metric: what the best model is told by.
        processes: those that do it.
        others: further arguments of :class:`TrainingLoop`, ``collate``.

    Returns:
        The measures by name, none where nothing was measured; the same in every process.
    """
    model.to(processes.device)
    found: dict[str, float] = {}
    if dataset is not None:
        options = training_options(arguments, metric=metric if evaluation is not None else "loss")
        loop = TrainingLoop(
            model,
            dataset,
            arguments.output_dir,
            options,
            evaluation=evaluation,
            tokenizer=tokenizer,
            processes=processes,
            **others,
        )
        found = loop.run(resume=arguments.resume).metrics
    elif evaluation is not None:
        found = evaluation(model, processes)
        if processes.is_main:
            arguments.output_dir.mkdir(parents=True, exist_ok=True)
            write_eval_results(arguments.output_dir, found)
    if processes.is_main:
        sys.stdout.write("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())))
    return found
