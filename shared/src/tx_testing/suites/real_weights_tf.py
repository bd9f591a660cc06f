"""Real weights, in TensorFlow."""

from __future__ import annotations

from .models_tf import TFModels
from .real_weights import RealWeightsSuite


class TFRealWeightsSuite(TFModels, RealWeightsSuite):
    """What :class:`RealWeightsSuite` has."""
