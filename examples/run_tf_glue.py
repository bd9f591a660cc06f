#!/usr/bin/env python3
"""Fine-tunes a model on a task of GLUE with Keras, and measures it.

    python examples/run_tf_glue.py --model_name_or_path bert-base-cased --task_name mrpc --do_train --do_eval \\
        --data_dir glue_data/MRPC --max_seq_length 128 --per_gpu_train_batch_size 32 --learning_rate 3e-5 \\
        --num_train_epochs 3 --output_dir mrpc

Tasks and files are those of run_glue.py. The folder of --output_dir gets the model, eval_results.txt and results.json.
Without --do_train the model that is there is measured. All GPUs are used, each with its own part of a batch.
"""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tx_core import TFAutoModelForSequenceClassification
from tx_data import (
    glue_compute_metrics,
    glue_convert_examples_to_features,
    glue_output_modes,
    glue_processors,
    glue_tasks_num_labels,
)
from tx_training import create_optimizer
from tx_training.arguments import add_model_arguments, measured_model, model_classes
from tx_training.results import write_eval_results, write_results


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    tasks = [*glue_output_modes]
    add("--task_name", required=True, type=str.lower, choices=tasks, metavar="TASK", help=", ".join(tasks))
    add("--data_dir", type=Path, required=True, metavar="FOLDER", help="with train.tsv and dev.tsv")
    add("--output_dir", type=Path, required=True, metavar="FOLDER", help="for the model and its results")
    add("--do_train", action="store_true", help="train")
    add("--do_eval", action="store_true", help="measure the trained model, or that in --output_dir")
    add("--max_seq_length", type=int, default=128, metavar="N", help="tokens that are read of a row (128)")
    add("--per_gpu_train_batch_size", type=int, default=8, metavar="N", help="rows that a GPU reads at a time (8)")
    add("--per_gpu_eval_batch_size", type=int, default=8, metavar="N", help="the same when measuring (8)")
    add("--learning_rate", type=float, default=5e-5, metavar="RATE", help="at its highest (5e-5)")
    add("--weight_decay", type=float, default=0.0, metavar="RATE", help="not of biases and norms (0)")
    add("--adam_epsilon", type=float, default=1e-8, metavar="NUMBER", help="Adam's (1e-8)")
    add("--max_grad_norm", type=float, default=1.0, metavar="NUMBER", help="longest gradient (1)")
    add("--num_train_epochs", type=int, default=3, metavar="N", help="times through the rows (3)")
    add("--warmup_steps", type=int, default=0, metavar="N", help="steps in which the rate rises (0)")
    add("--overwrite_output_dir", action="store_true", help="train into a folder that has a model")
    add("--seed", type=int, default=42, metavar="N", help="of all that is drawn (42)")
    add("--fp16", action="store_true", help="mixed precision with float16")
    add("--xla", action="store_true", help="compile with XLA, which pays where there are many steps")
    add_model_arguments(parser)
    options = parser.parse_args(arguments)
    if not (options.do_train or options.do_eval):
        parser.error("nothing is to be done: give --do_train, --do_eval or both")
    for name in ("max_seq_length", "per_gpu_train_batch_size", "per_gpu_eval_batch_size", "num_train_epochs"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, not {getattr(options, name)}")
    folder = options.output_dir
    if folder.exists() and not folder.is_dir():
        parser.error(f"--output_dir: {folder} is a file")
    if options.do_train and not options.overwrite_output_dir and folder.is_dir() and any(folder.iterdir()):
        parser.error(f"--output_dir: {folder} is not empty: give --overwrite_output_dir, or another folder")
    if not options.data_dir.is_dir():
        parser.error(f"--data_dir: there is no folder {str(options.data_dir)!r}")
    return options


def load(options: argparse.Namespace, task: str) -> tuple[Any, Any]:
    """The model and its tokenizer."""
    name = options.model_name_or_path if options.do_train else measured_model(options)
    config_class, tokenizer_class = model_classes(options)
    where: dict[str, Any] = {"cache_dir": options.cache_dir}
    labels = {"num_labels": glue_tasks_num_labels[task], "finetuning_task": task} if options.do_train else {}
    config = config_class.from_pretrained(options.config_name or name, **labels, **where)
    precision = {"dtype": "mixed_float16"} if options.fp16 else {}
    model = TFAutoModelForSequenceClassification.from_pretrained(name, config=config, **precision, **where)
    lower = {"do_lower_case": True} if options.do_lower_case else {}
    return model, tokenizer_class.from_pretrained(options.tokenizer_name or name, **lower, **where)


def rows(options: argparse.Namespace, task: str, tokenizer: Any, split: str) -> tuple[dict[str, Any], Any]:
    """The inputs of a split's rows by name, (rows, --max_seq_length) each, and their labels (rows,)."""
    examples = getattr(glue_processors[task](), f"get_{split}_examples")(options.data_dir)
    features = glue_convert_examples_to_features(
        examples,
        tokenizer,
        max_length=options.max_seq_length,
        task=task,
        pad_on_left=tokenizer.padding_side == "left",
        pad_token=tokenizer.pad_token_id,
        pad_token_segment_id=getattr(tokenizer, "pad_token_type_id", 0),
    )
    number = np.float32 if glue_output_modes[task] == "regression" else np.int64
    names = tokenizer.model_input_names
    inputs = {name: np.asarray([getattr(each, name) for each in features], np.int32) for name in names}
    return inputs, np.asarray([each.label for each in features], number)


def train(options: argparse.Namespace, task: str, model: Any, data: tuple[Any, Any], replicas: int) -> list[float]:
    """Trains the model, and returns the loss of each epoch."""
    size = options.per_gpu_train_batch_size * replicas
    steps = options.num_train_epochs * math.ceil(len(data[1]) / size)
    optimizer, _ = create_optimizer(
        options.learning_rate,
        num_train_steps=steps,
        num_warmup_steps=options.warmup_steps,
        adam_epsilon=options.adam_epsilon,
        adam_global_clipnorm=options.max_grad_norm or None,
        weight_decay_rate=options.weight_decay,
    )
    if options.fp16:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    regression = glue_output_modes[task] == "regression"
    loss = keras.losses.MeanSquaredError() if regression else keras.losses.SparseCategoricalCrossentropy(True)
    model.compile(optimizer, loss, jit_compile=options.xla, metrics=None if regression else ["accuracy"])
    dataset = tf.data.Dataset.from_tensor_slices(data).shuffle(len(data[1]), options.seed).batch(size)
    losses: list[float] = model.fit(dataset, epochs=options.num_train_epochs, shuffle=False).history["loss"]
    return losses


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Trains, measures, and returns the measures; none without --do_eval."""
    options = parse(arguments)
    task = options.task_name
    several = len(tf.config.list_physical_devices("GPU")) > 1
    strategy = tf.distribute.MirroredStrategy() if several else None
    replicas = strategy.num_replicas_in_sync if strategy else 1
    keras.utils.set_random_seed(options.seed)  # a new head is drawn at random
    with strategy.scope() if strategy else contextlib.nullcontext():
        model, tokenizer = load(options, task)
        model.jit_compile = options.xla
        results: dict[str, Any] = {}
        if options.do_train:
            results["loss"] = train(options, task, model, rows(options, task, tokenizer, "train"), replicas)
            model.save_pretrained(options.output_dir)
            tokenizer.save_pretrained(options.output_dir)
        found: dict[str, float] = {}
        if options.do_eval:
            inputs, labels = rows(options, task, tokenizer, "dev")
            size = options.per_gpu_eval_batch_size * replicas
            dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(size)
            logits = model.predict(dataset)[0]
            guesses = logits[:, 0] if glue_output_modes[task] == "regression" else logits.argmax(-1)
            found = dict(glue_compute_metrics(task, guesses, labels))
    options.output_dir.mkdir(parents=True, exist_ok=True)
    write_results(options.output_dir, {**results, "metrics": found})
    if found:
        write_eval_results(options.output_dir, found)
    print("".join(f"{name} = {value:.4f}\n" for name, value in sorted(found.items())), end="")
    return found


if __name__ == "__main__":
    main()
