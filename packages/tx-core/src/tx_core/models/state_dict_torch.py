"""Tensors in the place of a checkpoint, and arrays of them, in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tx_core.checkpoints.base import BFLOAT16, ArrayInfo


class StateDict:
    """A state dict in the place of a checkpoint."""

    format = "torch"

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.metadata: dict[str, str] = {}
        self._tensors = tensors

    def names(self) -> list[str]:
        return list(self._tensors)

    def info(self, name: str) -> ArrayInfo:
        tensor = self._tensors[name]
        return ArrayInfo(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))

    def read(self, name: str) -> np.ndarray[Any, Any]:
        return to_array(self._tensors[name])

    def take(self, name: str) -> np.ndarray[Any, Any]:
        return self.read(name).copy()

    def give_back(self, name: str) -> None: ...

    def same(self, name: str, other: str) -> bool:
        return name == other

    def close(self) -> None: ...


def to_array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """A tensor as an array, without a copy where it is on the CPU."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:  # NumPy has no such type of its own
        array: np.ndarray[Any, Any] = tensor.view(torch.int16).numpy().view(BFLOAT16)
        return array
    array = tensor.numpy()
    return array


def to_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """An array as a tensor, without a copy where it is contiguous."""
    array = np.ascontiguousarray(array)
    if array.dtype == BFLOAT16:
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)
