"""One step of an optimizer from one or several batches, as Keras's ``fit`` takes it. Its twin in PyTorch:
``steps_torch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tx_core.models.heads_tf import CausalLM, DoubleHeads, MaskedLM

from .options import LABELS

Tensor = Any
Batch = Mapping[str, Tensor]
Loss = Callable[[Any, Any, Batch], Tensor]
Count = Callable[[Any, Batch], Tensor]


def first_output(model: Any, outputs: Any, batch: Batch) -> Tensor:
    """The loss that a model returns first when it is given labels, as a mean.

    Transformer-XL's losses of single tokens are averaged over the tokens that count.

    Raises:
        ValueError: if that is no loss, since the batch has no labels.
    """
    first: str = getattr(outputs, "_fields", ("loss",))[0]
    if "loss" not in first:
        raise ValueError(f"the model returned {first} and no loss for {', '.join(batch)}: give it labels too")
    loss = tf.cast(outputs[0], "float32")
    return tf.reduce_sum(loss) / tf.maximum(targets(model, batch), 1.0) if loss.shape.rank else loss


def targets(model: Any, batch: Batch) -> Tensor:
    """How many targets the loss of a batch is the mean of, a float32 tensor ().

    Tokens whose label is not -100 or -1, without the first where a model predicts the next token; answers within the
    sequence; otherwise sentences, but for those with a label of -100. A loss that is the sum of two means, as that of
    ``TFBertForPreTraining``, is taken for one of tokens.
    """
    for name in LABELS:
        labels = batch.get(name)
        if labels is None:
            continue
        if labels.dtype.is_floating:
            return _rows(labels)
        if all(size == 1 for size in labels.shape[1:]):
            return _number(labels != -100)
        labels = labels[..., 1:] if predicts_next(model, name) else labels
        return _number((labels != -100) & (labels != -1))
    starts, ids = batch.get("start_positions"), batch.get("input_ids")
    if starts is not None and ids is not None:
        return _number(starts < tf.cast(tf.shape(ids)[-1], starts.dtype))
    return _rows(next(iter(batch.values())))


def predicts_next(model: Any, name: str) -> bool:
    """Whether a model's prediction at a token is that of the next one, where its labels have this name."""
    return isinstance(model, CausalLM | DoubleHeads) or (isinstance(model, MaskedLM) and name == "lm_labels")


def _number(counted: Tensor) -> Tensor:
    return tf.math.count_nonzero(counted, dtype="float32")


def _rows(values: Tensor) -> Tensor:
    return tf.cast(tf.shape(values)[0], "float32")


class TrainingModel(keras.Model):
    """A model as ``fit`` trains it by its own loss, each element of the dataset, a dictionary, being a step.

    A step goes through its rows in parts of `batch_size`, so that k parts of b rows take the memory of b. The losses of
    the parts, on all devices of a ``tf.distribute.Strategy``, are weighted by how many targets each is the mean of: the
    gradient is that of one batch of k·b rows. Keras's own ``gradient_accumulation_steps`` weights all batches the same,
    takes a step across the end of an epoch, gets out of step with a ``LossScaleOptimizer`` that leaves one out, and
    shortens the gradients of each device before they are added.

        training = TrainingModel(model, batch_size=8)
        training.compile(create_optimizer(5e-5, num_train_steps=100, num_warmup_steps=10)[0], jit_compile=False)
        training.fit(tf.data.Dataset.from_tensor_slices({"input_ids": …, "labels": …}).batch(32))

    Args:
        trained: the model, made in the strategy's scope, as this one.
        batch_size: rows of a part; by default all.
        max_grad_norm: length to which the gradient of all parameters is shortened; None to leave it.
        loss: the mean loss of a batch, of the model, its outputs and the batch; by default the first output.
        count: how many targets that is the mean of, of the model and the batch.

    Raises:
        ValueError: if a number is out of its range.
    """

    def __init__(
        self,
        trained: Any,
        *,
        batch_size: int | None = None,
        max_grad_norm: float | None = 1.0,
        loss: Loss = first_output,
        count: Count = targets,
    ) -> None:
        super().__init__()
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be above 0, or None, not {max_grad_norm}")
        self.trained = trained
        self.batch_size = batch_size
        self.max_grad_norm = max_grad_norm
        self._mean_loss = loss
        self._targets = count
        self._shown_loss = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What ``fit`` shows of an epoch, and has in its history: the mean loss of its steps."""
        return [self._shown_loss]

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Take a step. Returns the mean loss before it, over all devices."""
        context = tf.distribute.get_replica_context()
        devices = context.num_replicas_in_sync
        total = tf.maximum(context.all_reduce(tf.distribute.ReduceOp.SUM, self._targets(self.trained, batch)), 1.0)
        loss, gradients = self._accumulated(batch, total)
        known = [number for number, each in enumerate(gradients) if each is not None]
        summed = [gradients[number] for number in known]
        if devices > 1:
            loss = context.all_reduce(tf.distribute.ReduceOp.SUM, loss)
            summed = context.all_reduce(tf.distribute.ReduceOp.SUM, summed)
        if self.max_grad_norm is not None:
            length = self.optimizer.scale_loss(tf.constant(self.max_grad_norm, "float32"))
            summed, _ = tf.clip_by_global_norm(summed, length)
        variables = self.trained.trainable_variables
        # The optimizer adds the gradients of all devices up once more.
        self.optimizer.apply_gradients([(g / devices, variables[n]) for n, g in zip(known, summed, strict=True)])
        self._shown_loss.update_state(loss)
        return {"loss": loss}

    def _accumulated(self, batch: Batch, total: Tensor) -> tuple[Tensor, list[Any]]:
        """The loss and the gradients of a step's rows on this device, None for what has none."""
        if self.batch_size is None:
            return self._gradients(batch, total)
        size = self.batch_size
        rows = tf.shape(next(iter(batch.values())))[0]
        # The first part tells which variables have a gradient.
        loss, first = self._gradients({name: each[:size] for name, each in batch.items()}, total)
        known = [number for number, each in enumerate(first) if each is not None]

        def add(start: Tensor, loss: Tensor, *sums: Tensor) -> tuple[Tensor, ...]:
            part = {name: each[start : start + size] for name, each in batch.items()}
            more, gradients = self._gradients(part, total)
            return start + size, loss + more, *(a + gradients[n] for n, a in zip(known, sums, strict=True))

        start = tf.constant(size)
        _, loss, *sums = tf.while_loop(
            lambda start, *_: start < rows, add, (start, loss, *(first[n] for n in known)), parallel_iterations=1
        )
        found: list[Any] = [None] * len(first)
        for number, each in zip(known, sums, strict=True):
            found[number] = each
        return loss, found

    def _gradients(self, batch: Batch, total: Tensor) -> tuple[Tensor, list[Any]]:
        """The share of some rows in the mean loss of a step with so many targets, and its gradients, scaled."""
        with tf.GradientTape() as tape:
            outputs = self.trained(batch, training=True)
            mean = tf.cast(self._mean_loss(self.trained, outputs, batch), "float32")
            share = mean * (self._targets(self.trained, batch) / total)
            scaled = self.optimizer.scale_loss(share)
        gradients = tape.gradient(scaled, self.trained.trainable_variables)
        # Those of embeddings have a row for each token; rows of the same one have to be added before they are measured.
        return share, [None if each is None else tf.convert_to_tensor(each) for each in gradients]


class MeasuredModel(keras.Model):
    """A model as ``predict`` measures it: of each batch the sum of its losses, their number, and outputs.

    Args:
        measured: the model.
        fields: outputs that are returned.
        loss, count: as of :class:`TrainingModel`; no loss where there are no labels.
    """

    def __init__(self, measured: Any, fields: tuple[str, ...], loss: Loss | None, count: Count) -> None:
        super().__init__()
        self.measured = measured
        self._shown = fields
        self._mean_loss = loss
        self._targets = count
        self.built = True

    def predict_step(self, batch: Batch) -> dict[str, Any]:
        """``total`` and ``count`` (1,), and ``predictions``, a list of the fields (B, …)."""
        outputs = self.measured(batch, training=False)
        found: dict[str, Any] = {"predictions": [_precise(_field(outputs, name)) for name in self._shown]}
        if self._mean_loss is not None:
            count = self._targets(self.measured, batch)
            mean = tf.cast(self._mean_loss(self.measured, outputs, batch), "float32")
            found |= {"total": tf.reshape(mean * count, (1,)), "count": tf.reshape(count, (1,))}
        return found


def _precise(values: Tensor) -> Tensor:
    return tf.cast(values, "float32") if values.dtype.is_floating else values


def _field(outputs: Any, name: str) -> Tensor:
    fields = getattr(outputs, "_fields", ())
    if name not in fields:
        raise ValueError(f"the model's outputs have no {name!r}, but {', '.join(fields) or 'no names'}: see fields=")
    return getattr(outputs, name)
