"""What a training program keeps that tells the configuration: its arguments, and the shapes of its arrays.

Both are under its own names, and nobody has checked them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tx_core.checkpoints.base import Checkpoint, CheckpointError
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


class Shapes:
    """The shapes of a model's arrays by the authors' names, without what all of these begin with.

    Args:
        checkpoint: the authors'.
        first: pattern of a name that every such model has. What stands before it, in the first name that ends so, is
            no part of the names.
    """

    def __init__(self, checkpoint: Checkpoint, first: str) -> None:
        self._path = checkpoint.path
        ending = re.compile(rf"(.*\.|){first}", re.DOTALL)
        names = checkpoint.names()
        found = next(filter(None, map(ending.fullmatch, names)), None)
        prefix = None if found is None else found[1]
        self._shapes = {
            name.removeprefix(prefix): checkpoint.info(name).shape
            for name in names
            if prefix is not None and name.startswith(prefix)
        }

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    def __bool__(self) -> bool:
        return bool(self._shapes)

    def count(self, pattern: str) -> int:
        """How many names match a pattern."""
        return len(self.named(pattern))

    def named(self, pattern: str) -> list[tuple[int, ...]]:
        """The shapes of those whose names match a pattern."""
        return [shape for name, shape in self._shapes.items() if re.fullmatch(pattern, name, re.DOTALL)]

    def matrix(self, ending: str) -> tuple[int, int]:
        """The shape of the first whose name ends so. Raises CheckpointError unless it has two axes."""
        shape = next(iter(self.named(rf"(?:.*\.|){re.escape(ending)}")), None)
        if shape is None or len(shape) != 2 or 0 in shape:
            what = "missing" if shape is None else f"of shape {shape}"
            raise CheckpointError(self._path, f"{ending} is {what}; every such model has a matrix of this name")
        return shape[0], shape[1]
