"""What a model remembers while ``generate`` reads one token after the other, in TensorFlow. Mirrors ``memory_torch``.

Compiled functions are given it as tensors and variables of fixed sizes. They write to the variables in place.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, M capacity of the memory, N heads, D
head width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np
from keras import ops

from .prompts import IntArray, Prompts

Tensor = Any

SMALLEST_MEMORY = 64


class Memory(Protocol):
    """What a model remembers of the tokens so far, one row a sequence."""

    def reorder(self, rows: IntArray) -> None:
        """Let row i continue what was row ``rows[i]``; (R,)."""


def capacity(tokens: int) -> int:
    """The size of a memory for so many tokens: a power of two, so that few are ever compiled for."""
    return max(SMALLEST_MEMORY, 1 << (tokens - 1).bit_length())


class CompiledMemory:
    """A memory that compiled functions read and write.

    Args:
        length: how many tokens it holds.
        variables: what is remembered, in any nest of tuples; rows come first, (R, …).
        constants: by name, what these functions are given besides, and do not change.
        extra: further inputs of the last token by name, each (R, 1).
        jit_compile: whether XLA compiles them.
    """

    def __init__(
        self,
        length: int,
        variables: Any,
        constants: Mapping[str, Tensor],
        extra: Mapping[str, Tensor],
        jit_compile: bool,
    ) -> None:
        self.length = length
        self.variables = variables
        self.constants = dict(constants)
        self.extra = dict(extra)
        self.jit_compile = jit_compile
        self._functions: dict[str, Any] = {}

    def call(self, name: str, function: Any, *inputs: Any) -> Any:
        """What a compiled function that reads tokens into this memory returns.

        Args:
            name: tells the functions apart that are called with this memory.
            inputs: what it is given before this memory's ``extra``, ``constants`` and ``variables``.
        """
        inputs = (*inputs, self.extra, self.constants, self.variables)
        if name not in self._functions:
            # To find out anew which of its traces fits takes TensorFlow longer than the call itself.
            self._functions[name] = function.get_concrete_function(*inputs)
        return self._functions[name](*inputs)

    def reorder(self, rows: IntArray) -> None:
        """See :class:`Memory`."""
        import tensorflow as tf

        if (rows != np.arange(len(rows))).any():
            index = tf.constant(rows, tf.int32)
            self.extra = {name: tf.gather(x, index) for name, x in self.extra.items()}
            self._move(index)

    def _move(self, rows: Tensor) -> None:
        """Let row i of the variables be what was row ``rows[i]``."""
        import tensorflow as tf

        tf.nest.map_structure(lambda variable: variable.assign(tf.gather(variable, rows)), self.variables)


class SlotMemory(CompiledMemory):
    """The keys and values of all layers, in variables of fixed size that are written in place.

    Args:
        presents: per layer the keys and values of what is remembered of the prompts, (2, B, N, S, D).
        allowed: (B, S), boolean, which are attended to.
        size: M.
        times: rows of each prompt, beside each other.
    """

    def __init__(
        self, presents: Sequence[Tensor], allowed: Any, size: int, prompts: Prompts, times: int, jit_compile: bool
    ) -> None:
        import tensorflow as tf

        length = presents[0].shape[3]
        after = ((0, 0), (0, 0), (0, 0), (0, size - length), (0, 0))

        def variables(present: Tensor) -> tuple[Any, ...]:
            rows = present if times == 1 else tf.repeat(present, times, axis=1)
            return tuple(tf.Variable(x, trainable=False) for x in tf.unstack(tf.pad(rows, after)))

        mask = np.asarray(allowed).repeat(times, 0)
        # (R, M), which tokens may be attended to once they are there.
        free = np.ones((len(mask), size - length), np.bool_)
        constants = {"allowed": tf.constant(np.concatenate((mask, free), 1))}
        extra = {name: tf.constant(x[:, -1:].repeat(times, 0), tf.int32) for name, x in prompts.extra.items()}
        # Per layer (R, N, M, D), keys and values.
        super().__init__(length, tuple(variables(present) for present in presents), constants, extra, jit_compile)

    def _move(self, rows: Tensor) -> None:
        size = self.constants["allowed"].shape[1]
        _reorderer()(self.variables, rows, min(capacity(self.length), size))


class KeyValueMemory(SlotMemory):
    """The keys and values of all tokens, whose positions are counted.

    Args:
        presents, prompts, times, jit_compile: as those of :class:`SlotMemory`.
        positions: (1 or B, 1), of the last token of each prompt.
    """

    def __init__(
        self, presents: Sequence[Tensor], positions: Any, prompts: Prompts, times: int = 1, jit_compile: bool = True
    ) -> None:
        import tensorflow as tf

        super().__init__(presents, prompts.attended, capacity(prompts.total), prompts, times, jit_compile)
        last = np.broadcast_to(np.asarray(positions), (len(prompts.ids), 1)).repeat(times, 0)
        # (R, 1), by how much a token's position is ahead of its place in the memory.
        self.constants["ahead"] = tf.constant(last - (self.length - 1), tf.int32)
        # (R, 1), the last position that a row needs.
        self.constants["final"] = tf.constant(last + prompts.limits[:, None].repeat(times, 0), tf.int32)


# Compiled by XLA, which updates a variable where it is; otherwise TensorFlow would copy it each time.
@cache
def _reorderer() -> Any:
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def reorder(variables: Any, rows: Tensor, used: int) -> None:
        for variable in tf.nest.flatten(variables):
            moved = tf.gather(variable[:, :, :used], rows)
            variable.assign(ops.slice_update(variable, (0, 0, 0, 0), moved))

    return reorder
