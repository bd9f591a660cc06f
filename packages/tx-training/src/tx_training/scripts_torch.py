"""What the example scripts do alike, given the command line that `tx_training.arguments` reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tx_core.files import atomic_write

from .arguments import check_longest, measured_checkpoints, measured_model, model_classes, training_options
from .checkpoints_torch import checkpoints
from .evaluation_torch import Evaluation, Rows
from .evaluations import Evaluations
from .loop_torch import TrainingLoop
from .processes_torch import Processes
from .results import write_eval_results


def load_model(arguments: argparse.Namespace, model_class: Any, **labels: Any) -> tuple[Any, Any]:
    """The model that is trained, or that is measured without ``--do_train``, on the CPU, and its tokenizer.

    Args:
        arguments: of a parser that `add_model_arguments` and `add_training_arguments` were given.
        model_class: the Auto class of the task, ``AutoModelForTokenClassification``.
        labels: fields of the configuration that a training sets; a model that is only measured has its own.

    Raises:
        ValueError: the model does not read rows of ``--max_seq_length``.
    """
    name = arguments.model_name_or_path if arguments.do_train else measured_model(arguments)
    config_class, tokenizer_class = model_classes(arguments)
    where: dict[str, Any] = {"cache_dir": arguments.cache_dir}
    labels = labels if arguments.do_train else {}
    config = config_class.from_pretrained(arguments.config_name or name, **labels, **where)
    check_longest(arguments, config.longest_sequence)
    model = model_class.from_pretrained(name, config=config, **where)
    lower = {"do_lower_case": True} if arguments.do_lower_case else {}
    return model, tokenizer_class.from_pretrained(arguments.tokenizer_name or name, **lower, **where)


def rows(
    features: Sequence[Any], tokenizer: Any, label: str = "label", dtype: torch.dtype = torch.int64
) -> list[dict[str, torch.Tensor]]:
    """What a model takes of each of the features of ``tx_data``, a dictionary of tensors; ``labels`` if there are.

    Args:
        features: with the fields that ``tokenizer.dataset_input_names`` names.
        tokenizer: that they were made with.
        label: the field that has the label, None where it is not known.
        dtype: of labels.
    """
    made = []
    for each in features:
        row = {name: torch.tensor(getattr(each, name)) for name in tokenizer.dataset_input_names}
        if getattr(each, label) is not None:
            row["labels"] = torch.tensor(getattr(each, label), dtype=dtype)
        made.append(row)
    return made


def train_and_measure(
    arguments: argparse.Namespace,
    model: nn.Module,
    tokenizer: Any,
    dataset: Any,
    evaluation: Evaluation | Evaluations | None,
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
        found = loop.run(resume=arguments.resume, overwrite=arguments.overwrite_output_dir).metrics
    elif evaluation is not None:
        found = evaluation(model, processes)
        if processes.is_main:
            arguments.output_dir.mkdir(parents=True, exist_ok=True)
            write_eval_results(arguments.output_dir, found)
    if evaluation is not None:
        found = {**found, **checkpoint_scores(arguments, model, evaluation, processes)}
    if processes.is_main:
        sys.stdout.write("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())))
    return found


def checkpoint_scores(
    arguments: argparse.Namespace, model: Any, evaluation: Evaluation | Evaluations, processes: Processes
) -> dict[str, float]:
    """The measures of each checkpoint with ``--eval_all_checkpoints``, as ``acc_500`` of checkpoint-500.

    They are also written as ``eval_results.txt`` into the checkpoint's folder.
    """
    found: dict[str, float] = {}
    for folder in measured_checkpoints(arguments, checkpoints(arguments.output_dir)):
        step = folder.name.rpartition("-")[-1]
        measured = evaluation(type(model).from_pretrained(folder).to(processes.device), processes)
        if processes.is_main:
            write_eval_results(folder, measured)
        found |= {f"{name}_{step}": value for name, value in measured.items()}
    return found


def predict(
    arguments: argparse.Namespace,
    model: Any,
    dataset: Sequence[Mapping[str, Any]],
    text: Callable[[Rows], str],
    scores: Callable[[Rows, Rows], Mapping[str, float]],
    *,
    processes: Processes,
) -> None:
    """Write what a model says of the test set as ``test_predictions.txt``; with labels also ``test_results.txt``.

    Args:
        arguments: of a parser that `add_training_arguments` was given.
        model: as `load_model` returned it. After a training the best one is read, from the folder.
        dataset: what `rows` returns.
        text: what is written, of the logits of each example.
        scores: the measures, of the logits and the labels of each example; not asked where there are no labels.
        processes: those that do it.

    Raises:
        ValueError: the dataset has no examples.
    """
    if not len(dataset):
        raise ValueError("--do_predict: the test set has no rows")
    if arguments.do_train:
        model = type(model).from_pretrained(arguments.output_dir)
    model.to(processes.device)
    folder: Path = arguments.output_dir
    labelled = "labels" in dataset[0]

    def write(logits: Rows, labels: Rows) -> Mapping[str, float]:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "test_predictions.txt") as temporary:
            temporary.write_text(text(logits), encoding="utf-8")
        return scores(logits, labels) if labelled else {}

    without: dict[str, Any] = {} if labelled else {"loss": None}
    measure = Evaluation(dataset, arguments.per_gpu_eval_batch_size, metrics=write, **without)
    found = measure(model, processes)
    if processes.is_main and labelled:
        write_eval_results(folder, found, "test_results.txt")
