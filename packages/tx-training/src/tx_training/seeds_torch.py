"""The generators of random numbers that a training draws from: seeding them, and their state as plain values."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def set_seed(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's random numbers, on all devices.

    Args:
        seed: from 0 to 2³² - 1.

    Raises:
        ValueError: if it is not.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"a seed must be from 0 to 2**32 - 1, not {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of all devices


def random_state() -> dict[str, Any]:
    """Where the generators of this process are, as ``torch.load(weights_only=True)`` reads it.

    PyTorch's generators on GPUs are those of the current device.
    """
    kind, keys, *rest = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        "python": [version, torch.tensor(internal), gauss],
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys).astype(np.int64)), *map(float, rest)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators of this process where :func:`random_state` found them."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss))
    kind, keys, place, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), int(place), int(has_gauss), cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
