"""The loss and the metrics of a Keras model on a dataset. Its twin in PyTorch: ``evaluation_torch``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tx_core.files import progress

from .options import LABELS
from .steps_tf import Count, Loss, MeasuredModel, first_output, targets

Columns = Mapping[str, Any]
Rows = list[Any]
Metrics = Callable[[Rows, Rows], Mapping[str, float]]


@dataclass(eq=False)
class TFEvaluation:
    """What a Keras model is measured by.

    Attributes:
        dataset: arrays (rows, …) of the model's inputs and labels by name.
        batch_size: rows of a batch, of each device.
        metrics: called with the predictions and the labels, lists with an entry for each row, in their order; gives
            numbers by name. None for the loss alone. Where there are no labels, neither has the list.
        fields: the outputs that are predictions. Of one, an entry is its row as an array; of several, a tuple of rows.
        loss, count: as of :class:`TrainingModel`; no loss where there are no labels to compute one from, but only
            metrics.
        jit_compile: compile with XLA.
    """

    dataset: Columns
    batch_size: int = 8
    metrics: Metrics | None = None
    fields: Sequence[str] = ("logits",)
    loss: Loss | None = first_output
    count: Count = targets
    jit_compile: bool = False
    _measured: MeasuredModel | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if not length(self.dataset):
            raise ValueError("a dataset without examples measures nothing")
        if self.loss is None and self.metrics is None:
            raise ValueError("an evaluation needs a loss or metrics")

    def __call__(self, model: Any) -> dict[str, float]:
        """Measure a model, on all devices of the strategy that it was made under; no row counts twice.

        Returns:
            ``loss``, the mean over all targets, and the metrics.

        Raises:
            ValueError: if the outputs have no such field.
        """
        if self._measured is None or self._measured.measured is not model:  # tracing takes time
            shown = () if self.metrics is None else tuple(self.fields)
            with model.distribute_strategy.scope():
                self._measured = MeasuredModel(model, shown, self.loss, self.count)
            self._measured.jit_compile = self.jit_compile
        measured, rows = self._measured, length(self.dataset)
        devices: int = model.distribute_strategy.num_replicas_in_sync
        # Every device gets as many rows. One of the last few is given to all of them.
        whole = rows - rows % devices
        order = [np.arange(whole), np.repeat(np.arange(whole, rows), devices)]
        size, total, count = self.batch_size * devices, 0.0, 0.0
        cut = not self.jit_compile and (self.metrics is None or self._by_row())
        predictions: list[list[Any]] = [[] for _ in measured._shown]
        with progress(-(-whole // size) + rows % devices, "Evaluating", "batch") as bar:
            for numbers, length_of_batch, share in zip(order, (size, devices), (1, devices), strict=True):
                parts = [numbers[at : at + length_of_batch] for at in range(0, len(numbers), length_of_batch)]
                if not parts:
                    continue
                batches = as_dataset(self.dataset, parts, cut=cut)
                found = measured.predict(batches, steps=len(parts), verbose=0, callbacks=[_Shown(bar)])
                for sofar, more in zip(predictions, found["predictions"], strict=True):
                    sofar += [*more[::share]]
                if self.loss is not None:
                    total += float(np.sum(found["total"], dtype=np.float64)) / share
                    count += float(np.sum(found["count"], dtype=np.float64)) / share
        results = {} if self.loss is None else {"loss": total / max(count, 1.0)}
        if self.metrics is not None:
            given = [name for name in LABELS if name in self.dataset][:1]
            labels = [row for name in given for row in np.asarray(self.dataset[name])]
            guesses = predictions[0] if len(predictions) < 2 else [*zip(*predictions, strict=True)]
            results |= {name: float(value) for name, value in self.metrics(guesses, labels).items()}
        return results

    def _by_row(self) -> bool:
        """Whether predictions belong to rows, as labels tell: those of tokens have to be as long in all batches."""
        labels = [np.ndim(self.dataset[name]) for name in LABELS if name in self.dataset]
        tokens = np.ndim(self.dataset.get("attention_mask", 0))
        return tuple(self.fields) == ("logits",) and bool(labels) and max(labels) < tokens


class _Shown(keras.callbacks.Callback):
    """Moves a progress bar on."""

    def __init__(self, bar: Any) -> None:
        super().__init__()
        self.bar = bar

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.bar.update()


def length(columns: Columns) -> int:
    """How many rows arrays by name have.

    Raises:
        ValueError: if there are no arrays, or they have different numbers of rows.
    """
    lengths = {name: len(each) for name, each in columns.items()}
    if not lengths:
        raise ValueError("a dataset needs arrays of the model's inputs by name")
    if len({*lengths.values()}) > 1:
        raise ValueError(
            "the arrays of a dataset have different numbers of rows: "
            + ", ".join(f"{name} {number}" for name, number in lengths.items())
        )
    return next(iter(lengths.values()))


def as_dataset(columns: Columns, batches: Iterable[Any], cut: bool = False) -> Any:
    """A ``tf.data.Dataset`` of dictionaries.

    Args:
        columns: arrays (rows, …) by name.
        batches: the numbers of the rows of each element. Gone through again for each epoch.
        cut: leave out the last columns of an element that are padding in all its rows, see :func:`read_length`; not
            in question answering, nor where an array of another shape may have an axis of tokens too.
    """
    arrays = {name: np.asarray(each) for name, each in columns.items()}
    of_tokens = _of_tokens(arrays) if cut else set()

    def rows() -> Iterator[dict[str, Any]]:
        for numbers in batches:
            batch = {name: each[numbers] for name, each in arrays.items()}
            length = read_length({name: batch[name] for name in of_tokens}) if of_tokens else 0
            yield {name: each[..., :length] if name in of_tokens else each for name, each in batch.items()}

    signature = {
        name: tf.TensorSpec(
            (None, *each.shape[1:-1], None) if name in of_tokens else (None, *each.shape[1:]), each.dtype
        )
        for name, each in arrays.items()
    }
    return tf.data.Dataset.from_generator(rows, output_signature=signature).prefetch(2)


def _of_tokens(arrays: Columns) -> set[str]:
    """The arrays (rows, …, S) whose last columns can be left out where they are padding; none where they count."""
    mask = arrays.get("attention_mask")
    # In question answering padding is scored too, and counts in the loss.
    if mask is None or mask.ndim < 2 or "start_positions" in arrays:
        return set()
    found = {name for name, each in arrays.items() if each.shape == mask.shape}
    # Others may have an axis of tokens too, somewhere: inputs_embeds (rows, S, H), perm_mask (rows, S, S).
    return found if all(name in found or each.ndim < mask.ndim for name, each in arrays.items()) else set()


def read_length(batch: Columns) -> int:
    """How many columns of arrays (rows, …, S) have a token in any row, or a label that counts; at least 1.

    Args:
        batch: ``attention_mask``, and what else has its shape.
    """
    read = np.asarray(batch["attention_mask"]) > 0
    for name in LABELS:
        if name in batch:
            read = read | ((batch[name] != -100) & (batch[name] != -1))
    columns = np.flatnonzero(read.reshape(-1, read.shape[-1]).any(0))
    return int(columns[-1]) + 1 if len(columns) else 1
