"""Real weights, in PyTorch."""

from __future__ import annotations

from .models_torch import TorchModels
from .real_weights import RealWeightsSuite


class TorchRealWeightsSuite(TorchModels, RealWeightsSuite):
    """What :class:`RealWeightsSuite` has."""
