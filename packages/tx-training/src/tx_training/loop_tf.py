"""The loop that the example scripts share, by Keras's ``fit``: from a model and a dataset to a trained model, its
results and a plot. Its twin in PyTorch: ``loop_torch``."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tx_core.files import progress
from tx_core.messages import quoted

from .checkpoints_tf import (
    STATE_NAME,
    checkpoints,
    load_state,
    load_variables,
    save_checkpoint,
    save_model,
    seed_dropout,
)
from .evaluation_tf import Columns, TFEvaluation, as_dataset, length
from .evaluations import Evaluations
from .folders import chosen_checkpoint, remove_old
from .optimizers_tf import WarmUp, create_optimizer
from .options import TrainingOptions, TrainingResult
from .results import write_eval_results, write_plot, write_results
from .steps_tf import Count, Loss, TrainingModel, first_output, targets

logger = logging.getLogger(__name__)


class TFTrainingLoop:
    """Trains a Keras model on a dataset, by its own loss.

    The folder holds at the end the model (of several evaluations the best), ``eval_results.txt``, ``results.json`` and
    ``results.svg``; while it trains ``checkpoint-…``, and what TensorBoard shows in ``runs`` where that is installed.
    Batches are as long as their longest rows, but with XLA, which compiles for each length, in question answering,
    where padding counts in the loss, and with inputs such as ``inputs_embeds``, whose axis of tokens is not the last.
    A model that was made in the scope of a ``tf.distribute.Strategy`` is trained on all its devices: each has its own
    batches, and where rows are no multiple of the devices, an epoch has some of them twice.

        loop = TFTrainingLoop(model, columns, "mrpc", TrainingOptions(epochs=3), evaluation=TFEvaluation(dev, …))
        result = loop.run()

    Args:
        model: of tx, or another Keras model with ``save_pretrained`` and ``load_weights`` that returns its loss. Mixed
            precision is that of the model: ``from_pretrained(…, dtype="mixed_bfloat16")``.
        dataset: arrays (rows, …) of the model's inputs and labels by name.
        folder: made if need be.
        options: how to train.
        evaluation: what the model is measured by during the training and at its end.
        tokenizer: saved beside the model.
        optimizer: makes another one than that of :func:`create_optimizer`, of the number of steps. It need not clip
            gradients: they are shortened to ``max_grad_norm`` before it sees them.
        loss, count: as of :class:`TrainingModel`.
        callbacks: further ones of Keras, for ``fit``.
        jit_compile: compile steps with XLA.

    Raises:
        TypeError: if the model has no ``save_pretrained``.
        ValueError: if there are no rows, the options are for PyTorch alone, or the model's precision is another.
    """

    def __init__(
        self,
        model: Any,
        dataset: Columns,
        folder: str | os.PathLike[str],
        options: TrainingOptions | None = None,
        *,
        evaluation: TFEvaluation | Evaluations | None = None,
        tokenizer: Any = None,
        optimizer: Callable[[int], keras.optimizers.Optimizer] | None = None,
        loss: Loss = first_output,
        count: Count = targets,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        jit_compile: bool = False,
    ) -> None:
        self.options = options or TrainingOptions()
        self.model = model
        self.dataset = dataset
        self.folder = Path(folder)
        self.evaluation = evaluation
        self.tokenizer = tokenizer
        self.callbacks = callbacks
        self.strategy = model.distribute_strategy
        self.devices: int = self.strategy.num_replicas_in_sync
        self._make_optimizer = optimizer or self._adamw
        self._loss, self._count = loss, count
        self._jit_compile = jit_compile
        if not hasattr(model, "save_pretrained"):
            raise TypeError(f"{type(model).__name__} has no save_pretrained, by which a trained model is written")
        for name, here in (("fsdp", False), ("workers", 0)):
            if getattr(self.options, name) != here:
                raise ValueError(f"{name}={getattr(self.options, name)} is for PyTorch; in Keras it is {here}")
        wanted, found = self.options.precision, model.compute_dtype
        if wanted != found:
            policy = wanted if wanted == "float32" else f"mixed_{wanted}"
            raise ValueError(f"the precision is {wanted}, but the model's is {found}: make it with dtype={policy!r}")
        if not length(dataset):
            raise ValueError("a dataset without examples trains nothing")
        rows = math.ceil(length(dataset) / self.devices)
        self.steps_per_epoch = math.ceil(rows / (self.options.batch_size * self.options.accumulation_steps))
        epochs = math.ceil(self.options.epochs * self.steps_per_epoch)
        self.total_steps = self.options.max_steps or epochs

    def run(self, resume: bool | str | os.PathLike[str] = False, overwrite: bool = False) -> TrainingResult:
        """Train.

        Args:
            resume: go on from a checkpoint: True for the newest in the folder, if there is one, or the path of one. On
                a CPU what follows is, bit by bit, what an uninterrupted training does.
            overwrite: remove the checkpoints of another training from the folder; not where this one goes on.

        Returns:
            What it led to. The model itself is as the last step left it; the best one is in the folder.

        Raises:
            FileExistsError: if there are checkpoints in the folder that are neither gone on from nor overwritten.
            FileNotFoundError: if there is no such checkpoint.
            ValueError: if it is in another folder, or of a training with other devices, batches or examples; or if an
                evaluation does not give the metric.
        """
        if overwrite and not resume:
            remove_old(self.folder, STATE_NAME, 0)
        start = chosen_checkpoint(self.folder, checkpoints(self.folder), resume)
        state = None if start is None else load_state(start)
        if start is not None and state is not None:
            self._check(start, state)
            self.model.load_weights(start)
        keras.utils.set_random_seed(self.options.seed)
        seed_dropout(self.model, self.options.seed)
        with self.strategy.scope():
            optimizer = self._make_optimizer(self.total_steps)
            if self.options.precision == "float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.model.trainable_variables)
            size = self.options.batch_size if self.options.accumulation_steps > 1 else None
            norm = self.options.max_grad_norm
            step = TrainingModel(self.model, batch_size=size, max_grad_norm=norm, loss=self._loss, count=self._count)
            step.compile(optimizer, jit_compile=self._jit_compile)
        run = _Run(self, step)
        if start is not None and state is not None:
            load_variables(start, self.model, optimizer)
            run.load(state)
        run.train()
        run.finish()
        return run.result

    def _adamw(self, steps: int) -> keras.optimizers.Optimizer:
        options = self.options
        optimizer, _ = create_optimizer(
            options.learning_rate,
            num_train_steps=max(steps, options.warmup_steps),
            num_warmup_steps=options.warmup_steps,
            min_lr_ratio=1.0 if options.schedule == "constant" else 0.0,
            adam_beta1=options.adam_betas[0],
            adam_beta2=options.adam_betas[1],
            adam_epsilon=options.adam_epsilon,
            weight_decay_rate=options.weight_decay,
        )
        if options.schedule == "cosine":
            falling = keras.optimizers.schedules.CosineDecay(
                options.learning_rate, max(1, steps - options.warmup_steps)
            )
            optimizer.learning_rate = WarmUp(options.learning_rate, falling, options.warmup_steps)
        return optimizer

    def shape(self) -> dict[str, int]:
        """What has to be the same for a training to go on from a checkpoint."""
        options = self.options
        return {
            "examples": length(self.dataset),
            "devices": self.devices,
            "batch_size": int(options.batch_size),
            "accumulation_steps": int(options.accumulation_steps),
            "seed": int(options.seed),
        }

    def _check(self, folder: Path, state: Mapping[str, Any]) -> None:
        for name, value in self.shape().items():
            if state["shape"].get(name) != value:
                raise ValueError(
                    f"{folder} is of a training with {name} = {state['shape'].get(name)}, and this one has {value}: "
                    "the order of its examples would be another"
                )

    def rows(self, step: int) -> Iterator[Any]:
        """The numbers of the rows of each step, of all devices, after some steps. There is no end."""
        size = self.options.batch_size * self.options.accumulation_steps * self.devices
        count = length(self.dataset)
        epoch, done = divmod(step, self.steps_per_epoch)
        while True:
            order = np.random.default_rng([self.options.seed, epoch]).permutation(count)
            order = np.resize(order, math.ceil(count / self.devices) * self.devices)
            for at in range(done * size, len(order), size):
                yield order[at : at + size]
            epoch, done = epoch + 1, 0


class _Rows:
    """The rows of the steps after some, as often as they are asked for."""

    def __init__(self, loop: TFTrainingLoop, step: int) -> None:
        self.loop, self.step = loop, step

    def __iter__(self) -> Iterator[Any]:
        return self.loop.rows(self.step)


class _Run(keras.callbacks.Callback):
    """A training on its way."""

    def __init__(self, loop: TFTrainingLoop, step: TrainingModel) -> None:
        super().__init__()
        self.loop, self.step, self.result = loop, step, TrainingResult()
        self.options = loop.options
        self.bar: Any = None
        self.board: Any = None  # TensorBoard's file
        self.waited = 0  # evaluations in a row without a better one
        self.losses: list[float] = []  # since the last row of the history

    def train(self) -> None:
        """Fit the model."""
        result, loop = self.result, self.loop
        shown = progress(loop.total_steps, "Training", "step")
        with shown as self.bar, _board(loop.folder) as self.board:
            self.bar.update(result.steps)
            while result.steps < loop.total_steps and not result.stopped_early:
                # What is left of an epoch is fitted by itself, so that the others begin where Keras counts them.
                epoch, done = divmod(result.steps, loop.steps_per_epoch)
                epochs = epoch + 1 if done else math.ceil(loop.total_steps / loop.steps_per_epoch)
                self.step.fit(
                    as_dataset(loop.dataset, _Rows(loop, result.steps), cut=not loop._jit_compile),
                    initial_epoch=epoch,
                    epochs=epochs,
                    steps_per_epoch=loop.steps_per_epoch - done,
                    callbacks=[self, *loop.callbacks],
                    shuffle=False,
                    verbose=0,
                )
                if self.step.stop_training:
                    break

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """After a step."""
        result, options, total = self.result, self.options, self.loop.total_steps
        result.steps += 1
        self.losses.append(float((logs or {})["loss"]))
        self.bar.update()
        steps = result.steps
        if steps % options.log_every == 0 or steps == total:
            self._record_loss()
        every = options.evaluate_every or self.loop.steps_per_epoch
        if self.loop.evaluation is not None and (steps % every == 0 or steps == total):
            self._evaluate(self.loop.evaluation)
        if result.stopped_early and self.losses:
            self._record_loss()
        if options.save_every is not None and steps % options.save_every == 0:
            self.save()
        if steps == total or result.stopped_early:
            self.step.stop_training = True

    def _record_loss(self) -> None:
        loss = float(np.mean(self.losses))
        self.losses.clear()
        rate = self.step.optimizer.learning_rate
        self._record({"loss": loss, "learning_rate": float(keras.ops.convert_to_numpy(rate))})

    def _record(self, numbers: Mapping[str, float]) -> None:
        steps = self.result.steps
        self.result.history.append({"step": steps, "epoch": steps / self.loop.steps_per_epoch, **numbers})
        said = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        logger.info("step %d of %d: %s", steps, self.loop.total_steps, said)
        if self.board is not None:
            for name, value in numbers.items():
                tf.summary.scalar(name, value, steps)

    def _evaluate(self, evaluation: TFEvaluation | Evaluations) -> None:
        found = evaluation(self.loop.model)
        self._record({f"eval_{name}": value for name, value in found.items()})
        metric = self.options.metric
        if metric not in found:
            raise ValueError(f"the evaluation gives {', '.join(found)}, and not the metric {quoted(metric)}")
        if not self.result.metrics or self.options.better(found[metric], self.result.metrics[metric]):
            self.result.metrics, self.waited = found, 0
            save_model(self.loop.folder, self.loop.model, self.loop.tokenizer)
            return
        self.waited += 1
        self.result.stopped_early = self.options.patience is not None and self.waited >= self.options.patience

    def save(self) -> None:
        """Write a checkpoint."""
        state = {
            "shape": self.loop.shape(),
            "result": asdict(self.result),
            "waited": self.waited,
            "losses": self.losses,
        }
        folder = self.loop.folder / f"checkpoint-{self.result.steps}"
        save_checkpoint(folder, self.loop.model, self.step.optimizer, state, self.loop.tokenizer)
        remove_old(self.loop.folder, STATE_NAME, self.options.keep_checkpoints)

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from where a checkpoint was written."""
        self.result = TrainingResult(**state["result"])
        self.waited = state["waited"]
        self.losses = [*state["losses"]]

    def finish(self) -> None:
        """Write what is to be read."""
        result, folder = self.result, self.loop.folder
        if self.loop.evaluation is None:
            save_model(folder, self.loop.model, self.loop.tokenizer)
        folder.mkdir(parents=True, exist_ok=True)
        if result.metrics:
            write_eval_results(folder, result.metrics)
        write_results(folder, {**asdict(result), "options": asdict(self.options), "shape": self.loop.shape()})
        write_plot(folder, result.history)


def _board(folder: Path) -> Any:
    """TensorBoard's file, or None where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        return nullcontext()
    return tf.summary.create_file_writer(str(folder / "runs")).as_default()
