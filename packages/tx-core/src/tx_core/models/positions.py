"""Sinusoidal positions, for both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np


def sinusoids(positions: int, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The vectors of the first so many positions, all sines before all cosines: (positions, width).

    Angles are exact, which those of late positions need: they are large, and float32 would have few digits left for
    what is beyond whole turns. From one position to the next they turn by 1 down to about 1/10000 radian.

    Source: Vaswani et al. 2017, §3.5, whose sines and cosines alternate.
    """
    frequencies = 10000.0 ** (-2.0 * np.arange(width // 2) / width)  # radians a position
    angles = np.arange(positions)[:, None] * frequencies
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=-1)


def alternating_sinusoids(positions: int, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The same with sines and cosines taking turns, as in the paper: (positions, width). The width is even."""
    halves = sinusoids(positions, width).reshape(positions, 2, width // 2)
    return halves.swapaxes(1, 2).reshape(positions, width)
