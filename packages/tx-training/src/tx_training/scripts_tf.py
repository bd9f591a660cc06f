"""What the example scripts do alike in Keras, given the command line that `tx_training.arguments` reads. Its twin in
PyTorch: ``scripts_torch``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tx_core.files import atomic_write

from .arguments import check_longest, measured_checkpoints, measured_model, model_classes, training_options
from .checkpoints_tf import checkpoints
from .evaluation_tf import TFEvaluation, length
from .evaluations import Evaluations
from .loop_tf import TFTrainingLoop
from .options import LABELS
from .results import write_eval_results

Rows = list[Any]


def add_xla_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--xla``."""
    parser.add_argument("--xla", action="store_true", help="compile with XLA, which pays where there are many steps")


def start(arguments: argparse.Namespace) -> tf.distribute.Strategy:
    """The devices that a model is made for, in their ``scope()``: all GPUs where there are several.

    Args:
        arguments: of a parser that `add_training_arguments` was given. ``--no_cuda`` hides GPUs from this process.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if arguments.no_cuda and gpus:
        tf.config.set_visible_devices([], "GPU")
    several = len(gpus) > 1 and not arguments.no_cuda
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def load_model(arguments: argparse.Namespace, model_class: Any, **labels: Any) -> tuple[Any, Any]:
    """The model that is trained, or that is measured without ``--do_train``, and its tokenizer.

    Args:
        arguments: of a parser that `add_model_arguments` and `add_training_arguments` were given.
        model_class: the Auto class of the task, ``TFAutoModelForTokenClassification``.
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
    policy = "mixed_float16" if arguments.fp16 else "mixed_bfloat16" if arguments.bf16 else None
    model = model_class.from_pretrained(name, config=config, dtype=policy, **where)
    lower = {"do_lower_case": True} if arguments.do_lower_case else {}
    return model, tokenizer_class.from_pretrained(arguments.tokenizer_name or name, **lower, **where)


def columns(
    features: Sequence[Any], tokenizer: Any, label: str = "label", dtype: type[np.generic] = np.int32
) -> dict[str, Any]:
    """What a model takes of the features of ``tx_data``, arrays (rows, …) by name; ``labels`` if there are.

    Args:
        features: with the fields that ``tokenizer.dataset_input_names`` names.
        tokenizer: that they were made with.
        label: the field that has the label, None where it is not known.
        dtype: of labels.
    """
    names = tokenizer.dataset_input_names
    made = {name: np.asarray([getattr(each, name) for each in features], np.int32) for name in names}
    labels = [getattr(each, label) for each in features]
    if None not in labels:
        made["labels"] = np.asarray(labels, dtype)
    return made


def train_and_measure(
    arguments: argparse.Namespace,
    model: Any,
    tokenizer: Any,
    dataset: Mapping[str, Any] | None,
    evaluation: TFEvaluation | Evaluations | None,
    *,
    metric: str,
) -> dict[str, float]:
    """Train with ``--do_train``, measure with ``--do_eval``, and print the measures, those of the best model.

    Args:
        arguments: of a parser that `add_training_arguments` and `add_xla_argument` were given.
        model, tokenizer: as `load_model` returns them.
        dataset: as `columns` returns it; None where nothing is trained.
        evaluation: what the model is measured by; None where it is not.
        metric: what the best model is told by.

    Returns:
        The measures by name, none where nothing was measured.
    """
    found: dict[str, float] = {}
    if dataset is not None:
        options = training_options(arguments, metric=metric if evaluation is not None else "loss")
        loop = TFTrainingLoop(
            model,
            dataset,
            arguments.output_dir,
            options,
            evaluation=evaluation,
            tokenizer=tokenizer,
            jit_compile=arguments.xla,
        )
        found = loop.run(resume=arguments.resume, overwrite=arguments.overwrite_output_dir).metrics
    elif evaluation is not None:
        found = evaluation(model)
        arguments.output_dir.mkdir(parents=True, exist_ok=True)
        write_eval_results(arguments.output_dir, found)
    if evaluation is not None:
        found = {**found, **checkpoint_scores(arguments, model, evaluation)}
    sys.stdout.write("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())))
    return found


def checkpoint_scores(
    arguments: argparse.Namespace, model: Any, evaluation: TFEvaluation | Evaluations
) -> dict[str, float]:
    """The measures of each checkpoint with ``--eval_all_checkpoints``, as ``acc_500`` of checkpoint-500.

    They are also written as ``eval_results.txt`` into the checkpoint's folder.
    """
    found: dict[str, float] = {}
    for folder in measured_checkpoints(arguments, checkpoints(arguments.output_dir)):
        step = folder.name.rpartition("-")[-1]
        with model.distribute_strategy.scope():
            measured = evaluation(type(model).from_pretrained(folder, dtype=model.dtype_policy.name))
        write_eval_results(folder, measured)
        found |= {f"{name}_{step}": value for name, value in measured.items()}
    return found


def predict(
    arguments: argparse.Namespace,
    model: Any,
    dataset: Mapping[str, Any],
    text: Callable[[Rows], str],
    scores: Callable[[Rows, Rows], Mapping[str, float]],
) -> None:
    """Write what a model says of the test set as ``test_predictions.txt``; with labels also ``test_results.txt``.

    Args:
        arguments: of a parser that `add_training_arguments` and `add_xla_argument` were given.
        model: as `load_model` returned it. After a training the best one is read, from the folder.
        dataset: as `columns` returns it.
        text: what is written, of the logits of each example.
        scores: the measures, of the logits and the labels of each example; not asked where there are no labels.

    Raises:
        ValueError: the dataset has no rows.
    """
    if not length(dataset):
        raise ValueError("--do_predict: the test set has no rows")
    if arguments.do_train:
        model.load_weights(arguments.output_dir)
    folder: Path = arguments.output_dir
    labelled = any(name in dataset for name in LABELS)

    def write(logits: Rows, labels: Rows) -> Mapping[str, float]:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "test_predictions.txt") as temporary:
            temporary.write_text(text(logits), encoding="utf-8")
        return scores(logits, labels) if labelled else {}

    without: dict[str, Any] = {} if labelled else {"loss": None}
    measure = TFEvaluation(
        dataset, arguments.per_gpu_eval_batch_size, metrics=write, jit_compile=arguments.xla, **without
    )
    found = measure(model)
    if labelled:
        write_eval_results(folder, found, "test_results.txt")
