"""The configuration."""

from __future__ import annotations

from dataclasses import dataclass

from tx_core.config import PretrainedConfig

from .architecture import ARCHITECTURE


@dataclass(init=False, eq=False, repr=False)
class AverageConfig(PretrainedConfig, architecture=ARCHITECTURE):
    """Sizes of the model, and the standard deviation of new weights."""

    vocab_size: int = 30
    hidden_size: int = 4
    initializer_range: float = 0.02
