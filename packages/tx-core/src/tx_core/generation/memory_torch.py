"""What a model remembers while ``generate`` reads one token after the other, in PyTorch. Mirrored by ``memory_tf``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, K keys, N heads, D
head width.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from tx_core.models.attention_torch import attention_bias
from tx_core.models.steps_torch import Step


class Memory(Protocol):
    """What a model remembers of the tokens so far, one row a sequence."""

    def reorder(self, rows: Tensor) -> None:
        """Let row i continue what was row ``rows[i]``; (R,)."""


class KeyValueMemory:
    """The keys and values of all layers, written in place into tensors that grow by doubling.

    Args:
        layers: number of layers.
        positions: (1 or R, total), of the prompt and of all tokens that may follow.
        mask: (R, S), what of the prompt is to be attended to; None if that is all. What follows always is.
        extra: further inputs of the prompt by name, each (R, S).

    Attributes:
        layers: what each layer remembers.
        length: tokens held by all layers.
        extra: further inputs of the tokens that are read, each (R, S).
        steps: what reads a single token fast, layer by layer; empty if the model has no such functions.
    """

    def __init__(
        self, layers: int, positions: Tensor, mask: Tensor | None = None, extra: Mapping[str, Tensor] | None = None
    ) -> None:
        self.layers = [LayerMemory(self) for _ in range(layers)]
        self.length = 0
        self.total = positions.shape[1]
        self.extra: dict[str, Tensor] = dict(extra or {})
        self.steps: list[Step] = []
        self._new = 0  # tokens that the layers are being given
        self._positions = positions
        self._mask: Tensor | None = None  # (R, total)
        self._bias: Tensor | None = None  # (R, 1, 1, total), of one query
        if mask is not None:
            self._mask = torch.cat((mask, mask.new_ones(mask.shape[0], self.total - mask.shape[1])), 1)

    @property
    def held(self) -> int:
        """Tokens held when all layers have been given the new ones."""
        return self.length + self._new

    def next(self, length: int) -> Tensor:
        """Begin to read so many tokens, which every layer then is given; returns their positions (1 or R, S)."""
        self.length = self.held
        self._new = length
        return self._positions[:, self.length : self.held]

    def bias(self, dtype: torch.dtype) -> tuple[Tensor | None, bool]:
        """The ``bias`` of a type and the ``is_causal`` of :class:`LayerContext`, for the tokens that are being read."""
        start, stop, device = self.length, self.held, self._positions.device
        if self._mask is None:
            if self._new == 1 or start == 0:
                return None, self._new > 1
            return attention_bias(None, True, self._new, stop, dtype, device), False
        if self._new > 1:
            return attention_bias(self._mask[:, :stop], True, self._new, stop, dtype, device), False
        if self._bias is None or self._bias.dtype != dtype:
            self._bias = attention_bias(self._mask, False, 1, self.total, dtype, device)
            assert self._bias is not None
        return self._bias[..., :stop], False

    def repeat(self, times: int) -> None:
        """Make ``times`` rows of every row, beside each other."""
        if times == 1:
            return
        for layer in self.layers:
            layer.repeat(times)
        self.extra = {name: x.repeat_interleave(times, 0) for name, x in self.extra.items()}
        if len(self._positions) > 1:
            self._positions = self._positions.repeat_interleave(times, 0)
        if self._mask is not None:
            self._mask = self._mask.repeat_interleave(times, 0)
            self._bias = None

    def reorder(self, rows: Tensor) -> None:
        """See :class:`Memory`. Rows take those of the same prompt only; those that stay are not touched."""
        changed = (rows != torch.arange(len(rows), device=rows.device)).nonzero()[:, 0]
        if len(changed):
            self.extra = {name: x[rows] for name, x in self.extra.items()}
            for layer in self.layers:
                layer.reorder(changed, rows[changed])


class LayerMemory:
    """One layer's part of a :class:`KeyValueMemory`; attention layers take it as their ``past``."""

    def __init__(self, memory: KeyValueMemory) -> None:
        self._memory = memory
        self._keys: Tensor | None = None  # (R, N, capacity, D)
        self._values: Tensor | None = None

    def extend(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Write the keys and values (R, N, S, D) of the next tokens; returns those of all tokens, (R, N, K, D)."""
        length = key.shape[2]
        start = self._memory.length
        stop = start + length
        if self._keys is None or self._values is None or stop > self._keys.shape[2]:
            capacity = min(self._memory.total, max(64, 2 * stop))
            self._keys = self._grown(self._keys, key, capacity)
            self._values = self._grown(self._values, value, capacity)
        self._keys.narrow(2, start, length).copy_(key)
        self._values.narrow(2, start, length).copy_(value)
        return self._keys.narrow(2, 0, stop), self._values.narrow(2, 0, stop)

    def _grown(self, old: Tensor | None, like: Tensor, capacity: int) -> Tensor:
        new = like.new_empty(like.shape[0], like.shape[1], capacity, like.shape[3])
        if old is not None:
            length = self._memory.length
            new[:, :, :length] = old[:, :, :length]
        return new

    def repeat(self, times: int) -> None:
        """As :meth:`KeyValueMemory.repeat`."""
        assert self._keys is not None
        assert self._values is not None
        length = self._memory.held
        repeated = []
        for old in (self._keys, self._values):
            new = old.new_empty(old.shape[0] * times, *old.shape[1:])
            new.unflatten(0, (-1, times))[..., :length, :] = old[:, None, :, :length]
            repeated.append(new)
        self._keys, self._values = repeated

    def reorder(self, changed: Tensor, sources: Tensor) -> None:
        """Overwrite the rows ``changed`` by what the rows ``sources`` hold."""
        length = self._memory.held
        for tensor in (self._keys, self._values):
            assert tensor is not None
            used = tensor.narrow(2, 0, length)
            used[changed] = used[sources]
