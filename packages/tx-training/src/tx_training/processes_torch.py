"""The processes that train one model together, by ``torch.distributed``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class Sharded(nn.Module):
    """A model whose parameters are spread over the processes (FSDP), as ``module``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


@dataclass(frozen=True)
class Processes:
    """The processes that ``torchrun`` started, or this one alone.

    Attributes:
        rank: the number of this process, from 0.
        size: how many there are.
        device: where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @classmethod
    def start(cls, device: str | torch.device | None = None) -> Processes:
        """Join the other processes, if ``torchrun`` started several. They talk by NCCL on GPUs, by Gloo on CPUs.

        Args:
            device: where to compute; by default this process's own GPU, or the CPU where there is none.
        """
        if device is None:
            local = int(os.environ.get("LOCAL_RANK", "0"))
            device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
        device = torch.device(device)
        if device.type == "cuda":
            torch.cuda.set_device(device)
        if not dist.is_available() or (not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) == 1):
            return cls(0, 1, device)
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(dist.get_rank(), dist.get_world_size(), device)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def wrap(self, model: nn.Module, fsdp: bool = False) -> nn.Module:
        """The model on this process's device, its gradients averaged over the processes.

        Args:
            model: its optimizer must be made afterwards.
            fsdp: spread parameters, gradients and averages over the processes (``fully_shard``), a group of parameters
                for each layer; otherwise each process has all of them (``DistributedDataParallel``).

        Returns:
            ``Sharded``, ``DistributedDataParallel``, or for one process the model itself.

        Raises:
            RuntimeError: if ``fsdp`` has no processes to spread a model over, or torch is older than 2.6.
        """
        model = model.to(self.device)
        if fsdp:
            if not dist.is_available() or not dist.is_initialized():
                raise RuntimeError("fsdp=True spreads a model over processes: start the program with torchrun")
            return _shard(model)
        if self.size == 1:
            return model
        own = [self.device.index] if self.device.type == "cuda" else None
        # Which parameters have a gradient may depend on the inputs: XLNet's and XLM's segments and languages.
        return DistributedDataParallel(model, device_ids=own, find_unused_parameters=True)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a number over all processes."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def gather(self, value: Any) -> list[Any]:
        """The value of every process, in the order of their ranks."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return values

    def share(self, value: Any) -> Any:
        """The value of the main process."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values, device=self.device)
        return values[0]

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process runs the block before the others do: what it downloads or prepares, they find."""
        if self.size > 1 and not self.is_main:
            dist.barrier()
        yield
        if self.size > 1 and self.is_main:
            dist.barrier()

    def stop(self) -> None:
        """Part from the other processes, at the end of a program: none goes before all have come here.

        ``torchrun`` ends all of them when one ends with an error, and the main one may still have to write.
        """
        if dist.is_available() and dist.is_initialized():
            # Gloo's threads need Python to let go of the tensors that they sent: one that comes to it while Python ends
            # aborts the process. They get to it while this one waits; a wrapped model keeps them from being joined.
            dist.barrier()
            dist.destroy_process_group()


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that was given to :meth:`Processes.wrap`."""
    return model.module if isinstance(model, Sharded | DistributedDataParallel) else model


@contextmanager
def keeping_gradients(model: nn.Module) -> Iterator[None]:
    """Within it gradients are not averaged over the processes: more are to be added first."""
    if isinstance(model, DistributedDataParallel):
        with model.no_sync():
            yield
    elif isinstance(model, Sharded):
        root: Any = model  # `fully_shard` gave it a class with this method
        root.set_requires_gradient_sync(False)
        yield
        root.set_requires_gradient_sync(True)
    else:
        yield


def _shard(model: nn.Module) -> nn.Module:
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:
        raise RuntimeError(f"fsdp=True needs torch 2.6 or newer, and {torch.__version__} is installed") from None
    for layer in _layers(model):
        fully_shard(layer)
    # The model's own class stays: not every class can be changed for one that is derived from it.
    root = Sharded(model)
    fully_shard(root)
    return root


def _layers(model: nn.Module) -> list[nn.Module]:
    """The layers of a model of tx; none of others, which are then one group of parameters."""
    base = getattr(model, "base_model", model)
    path = getattr(base, "layers_at", "")
    return [*base.get_submodule(path).children()] if path else []
