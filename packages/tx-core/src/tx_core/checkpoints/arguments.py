"""The arguments that a training program keeps beside the weights, under its own names; nobody has checked them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tx_core.checkpoints.base import CheckpointError
from tx_core.messages import quoted


class Arguments:
    """What a checkpoint says of its model. Errors are CheckpointErrors that name file, argument and value.

    Args:
        path: the file's name for errors.
        values: what `Checkpoint.note` gives, a dictionary by the authors' names.
        where: what the file calls them, e.g. "args".
    """

    def __init__(self, path: Path, values: Mapping[Any, Any], where: str) -> None:
        self._path = path
        self._values = values
        self._where = where

    def error(self, name: str, problem: str) -> CheckpointError:
        """The error that an argument is what it must not be; `problem` goes on after its value."""
        return CheckpointError(
            self._path, f"{self._where} say that {name} is {quoted(self._values.get(name))}{problem}"
        )

    def value(self, name: str) -> Any:
        """The argument as it is; None if it is not there."""
        return self._values.get(name)

    def flag(self, name: str, default: bool) -> bool:
        """An argument that is True or False."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, ", expected True or False")
        return value

    def count(self, name: str, default: int | None = None) -> int:
        """An argument that is a number of things, at least one; it must be there if it has no default."""
        value = self._values.get(name, default)
        if value is None and name not in self._values:
            raise CheckpointError(self._path, f"{self._where} do not say {name}: pass config= to the model")
        if type(value) is not int or value < 1:
            raise self.error(name, ", expected a number of at least 1")
        return value

    def index(self, name: str, default: int) -> int:
        """An argument that is a place in a list, from 0 on."""
        value = self._values.get(name, default)
        if type(value) is not int or value < 0:
            raise self.error(name, ", expected a number from 0 on")
        return value

    def probability(self, name: str, default: float) -> float:
        """An argument from 0 to 1."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.error(name, ", expected a probability from 0 to 1")
        return float(value)

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """An argument that is one of some texts."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or value not in choices:
            raise self.error(name, f", expected one of {', '.join(map(repr, choices))}")
        return value
