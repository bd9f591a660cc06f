"""What the example scripts do alike in Keras, given the command line that `tx_training.arguments` reads."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .arguments import measured_model, model_classes
from .optimizers_tf import create_optimizer


def load_model(arguments: argparse.Namespace, model_class: Any, **labels: Any) -> tuple[Any, Any]:
    """The model that is trained, or that is measured without ``--do_train``, and its tokenizer.

    Args:
        arguments: of a parser that `add_model_arguments` and `add_training_arguments` were given.
        model_class: the Auto class of the task, ``TFAutoModelForTokenClassification``.
        labels: fields of the configuration that a training sets; a model that is only measured has its own.
    """
    name = arguments.model_name_or_path if arguments.do_train else measured_model(arguments)
    config_class, tokenizer_class = model_classes(arguments)
    where: dict[str, Any] = {"cache_dir": arguments.cache_dir}
    labels = labels if arguments.do_train else {}
    config = config_class.from_pretrained(arguments.config_name or name, **labels, **where)
    precision = {"dtype": "mixed_float16"} if arguments.fp16 else {}
    model = model_class.from_pretrained(name, config=config, **precision, **where)
    lower = {"do_lower_case": True} if arguments.do_lower_case else {}
    return model, tokenizer_class.from_pretrained(arguments.tokenizer_name or name, **lower, **where)


def columns(features: Sequence[Any], tokenizer: Any) -> dict[str, Any]:
    """What a model takes of the features of ``tx_data``, int32 arrays (rows, …) by name."""
    names = tokenizer.model_input_names
    return {name: np.asarray([getattr(each, name) for each in features], np.int32) for name in names}


def train(
    arguments: argparse.Namespace, model: Any, tokenizer: Any, inputs: dict[str, Any], labels: Any, loss: Any
) -> list[float]:
    """Train a model by ``fit``, and write it and its tokenizer to ``--output_dir``.

    Args:
        arguments: of a parser that `add_training_arguments` was given.
        model, tokenizer: as `load_model` returns them.
        inputs: as `columns` returns them.
        labels: an array (rows, …).
        loss: of Keras, of labels and logits.

    Returns:
        The mean loss of each epoch.
    """
    size, count = arguments.per_gpu_train_batch_size, len(labels)
    epochs = math.ceil(arguments.num_train_epochs)
    steps = epochs * math.ceil(count / size)
    optimizer, _ = create_optimizer(
        arguments.learning_rate,
        num_train_steps=steps,
        num_warmup_steps=min(arguments.warmup_steps, steps),
        adam_epsilon=arguments.adam_epsilon,
        adam_global_clipnorm=arguments.max_grad_norm or None,
        weight_decay_rate=arguments.weight_decay,
    )
    model.compile(keras.optimizers.LossScaleOptimizer(optimizer) if arguments.fp16 else optimizer, loss)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).shuffle(count, arguments.seed).batch(size)
    losses: list[float] = model.fit(dataset, epochs=epochs, shuffle=False, verbose=2).history["loss"]
    model.save_pretrained(arguments.output_dir)
    tokenizer.save_pretrained(arguments.output_dir)
    return losses
