"""The loop that the example scripts share: from a model and a dataset to a trained model, its results and a plot."""

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

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, DistributedSampler

from tx_core.files import progress
from tx_core.messages import quoted

from .checkpoints_torch import (
    STATE_NAME,
    checkpoints,
    load_optimizer_state,
    load_state,
    optimizer_state,
    save_checkpoint,
    save_model,
)
from .evaluation_torch import Evaluation
from .evaluations import Evaluations
from .folders import chosen_checkpoint, remove_old
from .optimizers_torch import AdamW, decay_groups
from .options import Schedule, TrainingOptions, TrainingResult
from .processes_torch import Processes
from .results import write_eval_results, write_plot, write_results
from .schedules_torch import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)
from .seeds_torch import random_state, set_random_state, set_seed
from .steps_torch import Batch, TrainingStep, first_output, targets

logger = logging.getLogger(__name__)

# Tokens by which examples of one length may differ.
SIMILAR = 4

_SCHEDULES: dict[Schedule, Callable[[Optimizer, int, int], LRScheduler]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
    "constant": lambda optimizer, warmup, total: get_constant_schedule_with_warmup(optimizer, warmup),
}


class TrainingLoop:
    """Trains a model on a dataset.

    The folder holds at the end the model (of several evaluations the best), ``eval_results.txt``, ``results.json`` and
    ``results.svg``; while it trains ``checkpoint-…``, and what TensorBoard shows in ``runs`` where that is installed.
    With several processes, started by ``torchrun``, all of them run the same program; where examples are no multiple of
    the processes, an epoch has some of them twice.

        loop = TrainingLoop(model, dataset, "mrpc", TrainingOptions(epochs=3), evaluation=Evaluation(dev, metrics=…))
        result = loop.run()

    Args:
        model: of tx, or another with ``save_pretrained`` and ``load_weights``.
        dataset: examples by number, with labels.
        folder: made if need be.
        options: how to train.
        evaluation: what the model is measured by during the training and at its end.
        collate: makes a dictionary of the model's inputs of several examples; by default torch's.
        tokenizer: saved beside the model.
        optimizer: makes another one than AdamW, of the model.
        schedule: makes another one than `options` has, of the optimizer and the number of steps.
        loss, count: as of :class:`TrainingStep`.
        lengths: of the examples, in tokens. Batches are made of examples of similar lengths then, which have less
            padding, in an order that is drawn.
        processes: those that train the model; by default those that ``torchrun`` started, or this one.
    """

    def __init__(
        self,
        model: nn.Module,
        dataset: Any,
        folder: str | os.PathLike[str],
        options: TrainingOptions | None = None,
        *,
        evaluation: Evaluation | Evaluations | None = None,
        collate: Callable[[list[Any]], Batch] | None = None,
        tokenizer: Any = None,
        optimizer: Callable[[nn.Module], Optimizer] | None = None,
        schedule: Callable[[Optimizer, int], LRScheduler] | None = None,
        loss: Callable[[nn.Module, Batch], Tensor] = first_output,
        count: Callable[[nn.Module, Batch], int | Sequence[int]] = targets,
        lengths: Sequence[int] | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.options = options or TrainingOptions()
        self.model = model
        self.dataset = dataset
        self.folder = Path(folder)
        self.evaluation = evaluation
        self.tokenizer = tokenizer
        self.processes = processes or Processes.start()
        self._collate = collate
        self._make_optimizer = optimizer or self._adamw
        self._make_schedule = schedule or self._named_schedule
        self._loss, self._count = loss, count
        if not hasattr(model, "save_pretrained"):
            raise TypeError(f"{type(model).__name__} has no save_pretrained, by which a trained model is written")
        if not len(dataset):
            raise ValueError("a dataset without examples trains nothing")
        if lengths is not None and len(lengths) != len(dataset):
            raise ValueError(f"there are {len(lengths)} lengths, and {len(dataset)} examples")
        self._lengths = lengths
        rows = math.ceil(len(dataset) / self.processes.size)
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
            What it led to; the same in every process. The model itself is as the last step left it; the best one is in
            the folder.

        Raises:
            FileExistsError: if there are checkpoints in the folder that are neither gone on from nor overwritten.
            FileNotFoundError: if there is no such checkpoint.
            ValueError: if it is in another folder, or of a training with other processes, batches or examples; or if an
                evaluation does not give the metric.
        """
        if overwrite and not resume:
            with self.processes.main_first():
                remove_old(self.folder, STATE_NAME, 0)
        start = chosen_checkpoint(self.folder, checkpoints(self.folder), resume)
        state = None if start is None else load_state(start)
        if start is not None and state is not None:
            self._check(start, state)
            own: Any = self.model
            own.load_weights(start)
        set_seed(self.options.seed + self.processes.rank)
        model = self.processes.wrap(self.model, self.options.fsdp)
        optimizer = self._make_optimizer(model)
        schedule = self._make_schedule(optimizer, self.total_steps)
        step = TrainingStep(
            model,
            optimizer,
            schedule,
            precision=self.options.precision,
            max_grad_norm=self.options.max_grad_norm,
            loss=self._loss,
            count=self._count,
            processes=self.processes,
        )
        run = _Run(self, step)
        if state is not None:
            run.load(state)
        model.train()
        run.train()
        run.finish()
        return run.result

    def _adamw(self, model: nn.Module) -> Optimizer:
        options = self.options
        groups = decay_groups(model, options.weight_decay)
        return AdamW(groups, options.learning_rate, options.adam_betas, options.adam_epsilon)

    def _named_schedule(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        return _SCHEDULES[self.options.schedule](optimizer, self.options.warmup_steps, steps)

    def shape(self) -> dict[str, int]:
        """What has to be the same for a training to go on from a checkpoint."""
        options = self.options
        return {
            "examples": len(self.dataset),
            "processes": self.processes.size,
            "batch_size": int(options.batch_size),
            "accumulation_steps": int(options.accumulation_steps),
            "seed": int(options.seed),
            "fsdp": int(options.fsdp),
            "grouped": int(self._lengths is not None),
        }

    def _check(self, folder: Path, state: Mapping[str, Any]) -> None:
        for name, value in self.shape().items():
            before = state["shape"].get(name, 0)
            if before != value:
                raise ValueError(
                    f"{folder} is of a training with {name} = {before}, and this one has {value}: the order of its "
                    "examples would be another"
                )

    def batches(self, epoch: int, skipped: int) -> Iterator[list[Batch]]:
        """The batches of an epoch's steps, for this process, without those of its first steps."""
        options = self.options
        sampler: DistributedSampler[Any] = DistributedSampler(
            self.dataset, self.processes.size, self.processes.rank, seed=options.seed
        )
        sampler.set_epoch(epoch)
        order, length, lengths = [*sampler], options.batch_size, self._lengths
        if lengths is not None:
            order.sort(key=lambda number: lengths[number] // SIMILAR)  # those of one length stay in the order drawn
        rows = [order[at : at + length] for at in range(0, len(order), length)]
        if lengths is not None:
            drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(options.seed + epoch))
            rows = [rows[number] for number in drawn.tolist()]
        rows = rows[skipped * options.accumulation_steps :]
        loader = DataLoader(
            self.dataset,
            batch_sampler=rows,
            collate_fn=self._collate,
            num_workers=options.workers,
            pin_memory=self.processes.device.type == "cuda",
            generator=torch.Generator().manual_seed(options.seed + epoch),  # draws nothing from the others
        )
        batches: list[Batch] = []
        for number, batch in enumerate(loader, start=1):
            batches.append(batch)
            if len(batches) == options.accumulation_steps or number == len(rows):
                yield batches
                batches = []


class _Run:
    """A training on its way."""

    def __init__(self, loop: TrainingLoop, step: TrainingStep) -> None:
        self.loop, self.step, self.result = loop, step, TrainingResult()
        self.options, self.processes = loop.options, loop.processes
        self.board: Any = None  # TensorBoard's file
        self.waited = 0  # evaluations in a row without a better one
        self.losses: list[Tensor] = []  # since the last row of the history

    def train(self) -> None:
        if not self.processes.is_main:
            self._train(None)
            return
        shown = progress(self.loop.total_steps, "Training", "step")
        with shown as bar, _board(self.loop.folder, self.result.steps) as self.board:
            bar.update(self.result.steps)
            self._train(bar)

    def _train(self, bar: Any) -> None:
        result, total = self.result, self.loop.total_steps
        while result.steps < total and not result.stopped_early:
            epoch, done = divmod(result.steps, self.loop.steps_per_epoch)
            for batches in self.loop.batches(epoch, done):
                self.losses.append(self.step(batches))
                result.steps += 1
                self._after_step()
                if bar is not None:
                    bar.update()
                if result.steps == total or result.stopped_early:
                    break

    def _after_step(self) -> None:
        steps, options, total = self.result.steps, self.options, self.loop.total_steps
        if steps % options.log_every == 0 or steps == total:
            self._record_loss()
        every = options.evaluate_every or self.loop.steps_per_epoch
        if self.loop.evaluation is not None and (steps % every == 0 or steps == total):
            self._evaluate(self.loop.evaluation)
        if self.result.stopped_early and self.losses:
            self._record_loss()
        if options.save_every is not None and steps % options.save_every == 0:
            self.save()

    def _record_loss(self) -> None:
        loss = float(torch.stack(self.losses).mean())
        self.losses.clear()
        self._record({"loss": loss, "learning_rate": float(self.step.optimizer.param_groups[0]["lr"])})

    def _record(self, numbers: Mapping[str, float]) -> None:
        steps = self.result.steps
        self.result.history.append({"step": steps, "epoch": steps / self.loop.steps_per_epoch, **numbers})
        if self.processes.is_main:
            said = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            logger.info("step %d of %d: %s", steps, self.loop.total_steps, said)
        for name, value in numbers.items() if self.board is not None else ():
            self.board.add_scalar(name, value, steps)

    def _evaluate(self, evaluation: Evaluation | Evaluations) -> None:
        found = evaluation(self.step.model, self.processes)
        self._record({f"eval_{name}": value for name, value in found.items()})
        metric = self.options.metric
        if metric not in found:
            raise ValueError(f"the evaluation gives {', '.join(found)}, and not the metric {quoted(metric)}")
        if not self.result.metrics or self.options.better(found[metric], self.result.metrics[metric]):
            self.result.metrics, self.waited = found, 0
            save_model(self.loop.folder, self.step.model, self.processes, self.loop.tokenizer)
            return
        self.waited += 1
        self.result.stopped_early = self.options.patience is not None and self.waited >= self.options.patience

    def save(self) -> None:
        schedule = self.step.schedule
        assert schedule is not None  # the loop made one
        state = {
            "shape": self.loop.shape(),
            "optimizer": optimizer_state(self.step.model, self.step.optimizer),
            "schedule": schedule.state_dict(),
            "scaler": self.step.scaler.state_dict(),
            "random": self.processes.gather(random_state()),
            "result": asdict(self.result),
            "waited": self.waited,
            "losses": self.losses,
        }
        folder = self.loop.folder / f"checkpoint-{self.result.steps}"
        save_checkpoint(folder, self.step.model, state, self.processes, self.loop.tokenizer)
        if self.processes.is_main:
            remove_old(self.loop.folder, STATE_NAME, self.options.keep_checkpoints)

    def load(self, state: Mapping[str, Any]) -> None:
        load_optimizer_state(self.step.model, self.step.optimizer, state["optimizer"])
        assert self.step.schedule is not None  # the loop made one
        self.step.schedule.load_state_dict(state["schedule"])
        self.step.scaler.load_state_dict(state["scaler"])
        self.result = TrainingResult(**state["result"])
        self.waited = state["waited"]
        self.losses = [loss.to(self.processes.device) for loss in state["losses"]]
        set_random_state(state["random"][self.processes.rank])

    def finish(self) -> None:
        """Write what is to be read."""
        result, folder = self.result, self.loop.folder
        if self.loop.evaluation is None:
            save_model(folder, self.step.model, self.processes, self.loop.tokenizer)
        if self.processes.is_main:
            folder.mkdir(parents=True, exist_ok=True)
            if result.metrics:
                write_eval_results(folder, result.metrics)
            write_results(folder, {**asdict(result), "options": asdict(self.options), "shape": self.loop.shape()})
            write_plot(folder, result.history)
        self.processes.gather(None)  # none goes on before it is written


def _board(folder: Path, steps: int) -> Any:
    """TensorBoard's file, of a training that goes on after some steps, or None where TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        return nullcontext()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder / "runs", purge_step=steps + 1)
