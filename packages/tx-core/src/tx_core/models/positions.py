"""Sinusoidal positions, for both frameworks."""

from __future__ import annotations

from typing import Any

import numpy as np


def frequencies(width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How far each angle turns from one position to the next, in radians: (width / 2,), from 1 down to about 1/10000.

    Source: Vaswani et al. 2017, §3.5. What has all sines first and all cosines after them is the models' own matter.
    """
    return 10000.0 ** (-2.0 * np.arange(width // 2) / width)
