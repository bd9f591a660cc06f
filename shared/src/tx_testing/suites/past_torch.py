"""Models that read a text in parts, in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .models_torch import TorchModels
from .past import PastSuite


class TorchPastSuite(TorchModels, PastSuite):
    """What :class:`PastSuite` has, and forms that only PyTorch has."""

    def forms(self, past: Any) -> Iterator[Any]:
        yield from super().forms(past)
        yield [(layer[0], layer[1]) for layer in past]
