"""Checkpoints of a training: a folder with the model, as ``save_pretrained`` writes it, and what is needed to go on.

What is in the folder is replaced at once. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tx_core.files import atomic_write, saving
from tx_core.messages import shorten
from tx_core.models.saving_torch import without_memory

from .folders import whole_checkpoints
from .processes_torch import Processes, Sharded, unwrapped

STATE_NAME = "training_state.pt"
KEYS = frozenset({"shape", "optimizer", "schedule", "scaler", "random", "result", "waited", "losses"})


def checkpoints(folder: str | os.PathLike[str]) -> list[Path]:
    """The whole checkpoints in a training's folder (``checkpoint-100``, …), the oldest first."""
    return whole_checkpoints(folder, STATE_NAME)


def save_model(folder: Path, model: nn.Module, processes: Processes, tokenizer: Any = None) -> None:
    """Write a model, and its tokenizer, for ``from_pretrained``. All processes call it; the main one writes.

    Args:
        folder: made if need be.
        model: as :meth:`Processes.wrap` returned it.
        processes: that have it.
        tokenizer: anything with ``save_pretrained``.
    """
    whole = _whole(model, processes)
    if processes.is_main:
        folder.mkdir(parents=True, exist_ok=True)
        with saving(folder):
            whole.save_pretrained(folder)
            if tokenizer is not None:
                tokenizer.save_pretrained(folder)


def save_checkpoint(
    folder: Path, model: nn.Module, state: dict[str, Any], processes: Processes, tokenizer: Any = None
) -> None:
    """Write a model with the state of its training. All processes call it; the main one writes.

    Args:
        folder, model, processes, tokenizer: as of :func:`save_model`.
        state: tensors and plain values.
    """
    whole = _whole(model, processes)
    if processes.is_main:
        folder.mkdir(parents=True, exist_ok=True)
        with saving(folder):
            save_model(folder, whole, Processes(0, 1, processes.device), tokenizer)
            with atomic_write(folder / STATE_NAME) as temporary:
                torch.save(state, temporary)
    processes.gather(None)  # none goes on before it is written


def load_state(folder: Path) -> dict[str, Any]:
    """The state of a training.

    Raises:
        FileNotFoundError: if the folder is no checkpoint.
        ValueError: if its file is damaged, or holds anything but tensors and plain values.
    """
    path = folder / STATE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no checkpoint of a training: there is no {STATE_NAME} in it")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path} is damaged, or no state of a training: {shorten(first)}") from error
    if not isinstance(state, dict) or not state.keys() >= KEYS:
        raise ValueError(f"{path} is no state of a training: it needs {', '.join(sorted(KEYS))}")
    return state


def optimizer_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Any]:
    """The state of an optimizer; whole, by the names of parameters, where the model is spread over processes."""
    if not isinstance(model, Sharded):
        return optimizer.state_dict()
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return get_optimizer_state_dict(model, optimizer, options=options)


def load_optimizer_state(model: nn.Module, optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Put an optimizer where :func:`optimizer_state` found it."""
    if not isinstance(model, Sharded):
        optimizer.load_state_dict(state)
        return
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

    # Parameters that never had a gradient, such as those of a pooler that is not used, have no state: none is wanted
    # of those that need no gradient.
    never = [each for name, each in model.named_parameters() if each.requires_grad and name not in state["state"]]
    for each in never:
        each.requires_grad_(False)
    try:
        set_optimizer_state_dict(model, optimizer, state, options=StateDictOptions(full_state_dict=True))
    finally:
        for each in never:
            each.requires_grad_(True)


def _whole(model: nn.Module, processes: Processes) -> Any:
    """The model that was wrapped; of one that is spread, a copy with all parameters on the main process's CPU."""
    if not isinstance(model, Sharded):
        return unwrapped(model)
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not processes.is_main:
        return None
    own: Any = model.module
    with without_memory():
        whole = type(own)(copy.deepcopy(own.config))
    whole.load_state_dict({name.removeprefix("module."): value for name, value in state.items()}, assign=True)
    whole.tie_weights()
    return whole
