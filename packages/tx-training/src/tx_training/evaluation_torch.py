"""The loss and the metrics of a model on a dataset, by one or several processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from tx_core.files import progress

from .options import LABELS, Precision
from .processes_torch import Processes
from .steps_torch import Batch, as_batch, casting, first_output, on_device, targets

Rows = list[Any]
Metrics = Callable[[Rows, Rows], Mapping[str, float]]


@dataclass(frozen=True)
class Evaluation:
    """What a model is measured by.

    Attributes:
        dataset: examples by number, with labels.
        batch_size: rows of a batch, of each process.
        collate: makes a dictionary of tensors of several examples; by default torch's.
        metrics: called with the predictions and the labels, lists with an entry for each example, in their order;
            gives numbers by name. None for the loss alone. Where batches have no labels, neither has the list.
        fields: the outputs that are predictions. Of one, an entry is its row as an array; of several, a tuple of rows.
        precision: as of :class:`TrainingStep`.
        loss: as of :class:`TrainingStep`, one number; None where there are no labels to compute one from, but only
            metrics.
        count: how many targets that is the mean of.
        workers: processes that load examples ahead.
    """

    dataset: Any
    batch_size: int = 8
    collate: Callable[[list[Any]], Batch] | None = None
    metrics: Metrics | None = None
    fields: Sequence[str] = ("logits",)
    precision: Precision = "float32"
    loss: Callable[[nn.Module, Batch], Tensor] | None = first_output
    count: Callable[[nn.Module, Batch], int] = targets
    workers: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {self.batch_size}")
        if not len(self.dataset):
            raise ValueError("a dataset without examples measures nothing")
        if self.loss is None and self.metrics is None:
            raise ValueError("an evaluation needs a loss or metrics")

    def __call__(self, model: nn.Module, processes: Processes | None = None) -> dict[str, float]:
        """Measure a model, each process with its part of the examples; none counts twice.

        Args:
            model: in any mode, which it is in again afterwards. It may be wrapped.
            processes: by default this one.

        Returns:
            ``loss``, the mean over all targets, and the metrics; the same in every process.

        Raises:
            ValueError: if the outputs have no such field.
        """
        processes = processes or Processes(0, 1, next(model.parameters()).device)
        # There is nothing to average; and a process may have a batch less.
        called = model.module if isinstance(model, DistributedDataParallel) else model
        was_training = called.training
        called.eval()
        try:
            with torch.no_grad():
                return self._measure(called, processes)
        finally:
            called.train(was_training)

    def _measure(self, model: nn.Module, processes: Processes) -> dict[str, float]:
        total, count = 0.0, 0
        predictions: Rows = []
        labels: Rows = []
        for batch, real in self._batches(processes):
            outputs, mean = self._outputs(model, batch)
            if not real:
                continue  # a repeated example: sharded models wait for one another
            if mean is not None:
                number = self.count(model, batch)
                total, count = total + float(mean) * number, count + number
            if self.metrics is not None:
                predictions += _rows([_field(outputs, field) for field in self.fields])
                labels += _rows([batch[name] for name in LABELS if name in batch][:1])
        sums = processes.sum(torch.tensor([total, float(count)], dtype=torch.float64, device=processes.device))
        found = {} if self.loss is None else {"loss": float(sums[0] / sums[1].clamp(min=1.0))}
        if self.metrics is not None:
            parts = processes.gather((predictions, labels))
            if processes.is_main:
                measured = self.metrics(*map(_interleaved, zip(*parts, strict=True)))
                found |= {name: float(value) for name, value in measured.items()}
        shared: dict[str, float] = processes.share(found)
        return shared

    def _outputs(self, model: nn.Module, batch: Batch) -> tuple[Any, Tensor | None]:
        """What the model returned, and the mean loss of the batch."""
        outputs: list[Any] = []
        mean = None
        hook = model.register_forward_hook(lambda module, args, output: outputs.append(output))
        try:
            with casting(self.precision, next(model.parameters()).device):
                if self.loss is None:
                    model(**batch)
                else:
                    mean = self.loss(model, batch)
        finally:
            hook.remove()
        return outputs[-1], mean

    def _batches(self, processes: Processes) -> Any:
        """This process's batches, and whether they count."""
        rank, size = processes.rank, processes.size
        sampler: DistributedSampler[Any] = DistributedSampler(self.dataset, size, rank, shuffle=False)
        loader = DataLoader(
            self.dataset,
            self.batch_size,
            sampler=sampler,
            collate_fn=self.collate,
            num_workers=self.workers,
            pin_memory=processes.device.type == "cuda",
            generator=torch.Generator(),  # so that nothing is drawn from the training's random numbers
        )
        # The sampler repeats the first examples until all processes have as many: at most one each, the last.
        own = len(range(rank, len(self.dataset), size))
        with progress(len(loader), "Evaluating", "batch") if processes.is_main else nullcontext() as bar:
            for number, batch in enumerate(loader):
                moved, left = on_device(as_batch(batch), processes.device), own - number * self.batch_size
                if 0 < left < self.batch_size:
                    moved = {k: v[:left] if isinstance(v, Tensor) else v for k, v in moved.items()}
                yield moved, left > 0
                if bar is not None:
                    bar.update()


def _rows(tensors: Sequence[Tensor]) -> Rows:
    """An entry for each row of a batch: an array, or a tuple of them."""
    arrays = [(each.float() if each.is_floating_point() else each).cpu().numpy() for each in tensors]
    return [row for array in arrays for row in array] if len(arrays) < 2 else [*zip(*arrays, strict=True)]


def _field(outputs: Any, name: str) -> Tensor:
    fields = getattr(outputs, "_fields", ())
    if name not in fields:
        raise ValueError(f"the model's outputs have no {name!r}, but {', '.join(fields) or 'no names'}: see fields=")
    found: Tensor = getattr(outputs, name)
    return found


def _interleaved(parts: Sequence[Rows]) -> Rows:
    """The entries of all processes in the order of the dataset."""
    rows: Rows = [None] * sum(map(len, parts))
    for rank, part in enumerate(parts):
        rows[rank :: len(parts)] = part
    return rows
