"""One step of an optimizer from one or several batches. Of use in any loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tx_core.messages import quoted
from tx_core.models.heads_torch import CausalLM, DoubleHeads, MaskedLM

from .options import LABELS, PRECISIONS, Precision
from .processes_torch import Processes, keeping_gradients, unwrapped

Batch = Mapping[str, Any]


def first_output(model: nn.Module, batch: Batch) -> Tensor:
    """The loss that a model returns first when it is given labels, as a mean.

    Transformer-XL's losses of single tokens are averaged over the tokens that count.

    Raises:
        ValueError: if that is no loss, since the batch has no labels.
    """
    return output_loss(model, model(**batch), batch)


def output_loss(model: nn.Module, outputs: Any, batch: Batch) -> Tensor:
    """The loss among a model's outputs for a batch, as :func:`first_output` gives it."""
    first: str = getattr(outputs, "_fields", ("loss",))[0]
    if "loss" not in first:
        raise ValueError(f"the model returned {first} and no loss for {', '.join(batch)}: give it labels too")
    loss: Tensor = outputs[0]
    return loss.sum() / max(1, targets(model, batch)) if loss.dim() else loss


def targets(model: nn.Module, batch: Batch) -> int:
    """How many targets the loss of a batch is the mean of.

    Tokens whose label is not -100 or -1, without the first where a model predicts the next token; answers within the
    sequence; otherwise sentences, but for those with a label of -100. A loss that is the sum of two means, as that of
    ``BertForPreTraining``, is taken for one of tokens.
    """
    model = unwrapped(model)
    for name in LABELS:
        labels = batch.get(name)
        if labels is None:
            continue
        if labels.is_floating_point():
            return len(labels)
        if labels.numel() == len(labels):
            return int((labels != -100).sum())
        labels = labels[..., 1:] if predicts_next(model, name) else labels
        return int(((labels != -100) & (labels != -1)).sum())
    starts, ids = batch.get("start_positions"), batch.get("input_ids")
    if starts is not None and ids is not None:
        return int((starts < ids.shape[-1]).sum())
    return len(next(iter(batch.values())))


def predicts_next(model: nn.Module, name: str) -> bool:
    """Whether a model's prediction at a token is that of the next one, where its labels have this name."""
    return isinstance(model, CausalLM | DoubleHeads) or (isinstance(model, MaskedLM) and name == "lm_labels")


class TrainingStep:
    """Changes a model by one step from several batches as if they were one.

    The losses of the batches, of all processes, are weighted by how many targets each is the mean of, so that k batches
    of b rows give the gradient of one of k·b.

        step = TrainingStep(model, AdamW(model.parameters()), schedule, precision="bfloat16")
        for batches in itertools.batched(loader, 4):
            loss = step(batches)

    Args:
        model: in training mode; as :meth:`Processes.wrap` returned it, where there are several processes.
        optimizer: of its parameters.
        schedule: goes on by one with each step; None for a constant rate.
        precision: ``bfloat16`` or ``float16`` for mixed precision: parameters are float32, and matrix products of that
            type. With ``float16`` the loss is scaled, and a step whose gradients are infinite is left out.
        max_grad_norm: length to which the gradient of all parameters is shortened; None to leave it.
        loss: the mean loss of a batch, by default the first output of ``model(**batch)``; or several means (k,), which
            are added, each weighted by its own targets.
        count: how many targets that is the mean of; of several a list of k.
        processes: by default this one.

    Attributes:
        grad_norm: length of the last step's gradient before it was shortened; None before the first, and if it is not.

    Raises:
        ValueError: if a number or name is out of its range.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        schedule: LRScheduler | None = None,
        *,
        precision: Precision = "float32",
        max_grad_norm: float | None = 1.0,
        loss: Callable[[nn.Module, Batch], Tensor] = first_output,
        count: Callable[[nn.Module, Batch], int | Sequence[int]] = targets,
        processes: Processes | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {quoted(precision)}")
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm must be above 0, or None, not {quoted(max_grad_norm)}")
        self.model = model
        self.optimizer = optimizer
        self.schedule = schedule
        self.precision = precision
        self.max_grad_norm = max_grad_norm
        self.grad_norm: Tensor | None = None
        self.processes = processes or Processes(0, 1, next(model.parameters()).device)
        self._loss = loss
        self._count = count
        self.scaler = torch.amp.GradScaler(self.processes.device.type, enabled=precision == "float16")

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        """Take a step.

        Args:
            batches: dictionaries of the model's inputs and labels, (B, …) each. Every process gives as many.

        Returns:
            The mean loss before the step, over all batches of all processes, without a gradient.

        Raises:
            ValueError: if there is no batch, or there are not as many losses as counts.
            TypeError: if one is no dictionary.
        """
        if not batches:
            raise ValueError("a step needs at least one batch")
        counts = torch.tensor([self._count(self.model, as_batch(batch)) for batch in batches], dtype=torch.float64)
        counts = counts.to(self.processes.device, torch.float32)  # (batches,) or (batches, k)
        total = self.processes.sum(counts.sum(0)).clamp(min=1.0)
        loss = torch.zeros((), device=self.processes.device)
        for number, (batch, count) in enumerate(zip(batches, counts, strict=True), start=1):
            batch = on_device(batch, self.processes.device)
            with keeping_gradients(self.model) if number < len(batches) else nullcontext():
                with casting(self.precision, self.processes.device):
                    mean = self._loss(self.model, batch)
                if mean.shape != count.shape:
                    raise ValueError(
                        f"there are losses {tuple(mean.shape)} of a batch, and counts {tuple(count.shape)}"
                    )
                share = (mean * (count / total)).sum()
                # Processes' gradients are averaged, not added.
                self.scaler.scale(share * self.processes.size).backward()
            loss += share.detach()
        self._update()
        return self.processes.sum(loss)

    def _update(self) -> None:
        if self.max_grad_norm is not None:
            self.scaler.unscale_(self.optimizer)
            self.grad_norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.max_grad_norm)
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        # A scale becomes smaller where the step was left out.
        if self.schedule is not None and self.scaler.get_scale() >= before:
            self.schedule.step()


def as_batch(batch: Any) -> Batch:
    """The batch itself.

    Raises:
        TypeError: if it is no dictionary.
    """
    if not isinstance(batch, Mapping):
        raise TypeError(
            f"a batch must be a dictionary of the model's inputs, not {type(batch).__name__}: have the dataset give "
            "dictionaries, or collate make them"
        )
    return batch


def on_device(batch: Batch, device: torch.device) -> dict[str, Any]:
    """A batch whose tensors are on a device."""
    return {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v for k, v in batch.items()}


def casting(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """The block in which matrix products are of a type."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, getattr(torch, precision))
