"""Checkpoints of a training in Keras: a folder with the model, as ``save_pretrained`` writes it, and what is needed to
go on. Its twin in PyTorch: ``checkpoints_torch``.

What is in the folder is replaced at once. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tx_core.checkpoints import CheckpointError, open_checkpoint, write_safetensors
from tx_core.files import saving
from tx_core.models.variables_tf import keras_dtype, numpy

from .folders import whole_checkpoints

STATE_NAME = "training_state.safetensors"
KEYS = frozenset({"shape", "result", "waited", "losses"})


def checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints in a training's folder (``checkpoint-100``, …), the oldest first."""
    return whole_checkpoints(folder, STATE_NAME)


def save_model(folder: Path, model: Any, tokenizer: Any = None) -> None:
    """Write a model, and its tokenizer, for ``from_pretrained``.

    Args:
        folder: made if need be.
        model: with ``save_pretrained``.
        tokenizer: anything with ``save_pretrained``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with saving(folder):
        model.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


def save_checkpoint(folder: Path, model: Any, optimizer: Any, state: Mapping[str, Any], tokenizer: Any = None) -> None:
    """Write a model with the state of its training: the optimizer's variables, those of dropout, and plain values.

    Args:
        folder, model, tokenizer: as of :func:`save_model`.
        optimizer: that has its variables.
        state: what JSON has words for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with saving(folder):
        save_model(folder, model, tokenizer)
        arrays = {name: np.array(numpy(variable)) for name, variable in _variables(model, optimizer).items()}
        write_safetensors(folder / STATE_NAME, arrays, {"state": json.dumps(state)})


def load_state(folder: Path) -> dict[str, Any]:
    """The plain values of the state of a training.

    Raises:
        FileNotFoundError: if the folder is no checkpoint.
        ValueError: if its file is damaged, or holds something else.
    """
    with _opened(folder) as file:
        try:
            state = json.loads(file.metadata["state"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(file.path, f"is no state of a training: {error}") from error
        if not isinstance(state, dict) or not state.keys() >= KEYS:
            raise CheckpointError(file.path, f"is no state of a training: it needs {', '.join(sorted(KEYS))}")
        return state


def load_variables(folder: Path, model: Any, optimizer: Any) -> None:
    """Put an optimizer and dropout where :func:`save_checkpoint` found them.

    Raises:
        ValueError: if they have other variables.
    """
    with _opened(folder) as file:
        wanted, found = _variables(model, optimizer), {*file.names()}
        if found != wanted.keys():
            other = ", ".join(sorted(found ^ wanted.keys())[:3])
            raise CheckpointError(file.path, f"is of a training with another optimizer or model: {other}")
        for name, variable in wanted.items():
            value = file.read(name)
            if value.shape != tuple(variable.shape):
                raise CheckpointError(file.path, f"has shape {value.shape}, not {tuple(variable.shape)}", name)
            variable.assign(np.asarray(value, keras_dtype(variable)))


def random_states(model: Any) -> Sequence[Any]:
    """The variables that dropout draws from."""
    return [each for each in model.variables if each.name == "seed_generator_state"]


def seed_dropout(model: Any, seed: int) -> None:
    """Seed what dropout draws from, whatever it was seeded with when the model was made."""
    generator = np.random.default_rng(seed)
    for each in random_states(model):
        each.assign(np.array([generator.integers(1, 10**9), 0], keras_dtype(each)))


def _variables(model: Any, optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    named = {"optimizer": optimizer.variables, "random": random_states(model)}
    return {f"{kind}.{number}": each for kind, several in named.items() for number, each in enumerate(several)}


def _opened(folder: Path) -> Any:
    path = folder / STATE_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no checkpoint of a training in Keras: there is no {STATE_NAME} in it")
    return open_checkpoint(path)
