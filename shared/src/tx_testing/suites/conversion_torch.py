"""Conversion of what PyTorch models save, and their loading of what comes of it."""

from __future__ import annotations

from .conversion import ConversionSuite
from .models_torch import TorchModels


class TorchConversionSuite(TorchModels, ConversionSuite):
    """What :class:`ConversionSuite` has."""
