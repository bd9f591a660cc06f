"""One call of Transformer-XL in Keras: its memory, and what its layers are given. Mirrors ``memory_torch``.

Keys stand in the order of their places: padding on the left, then the memory, then the tokens. Then one shift puts the
distances of all of a batch's rows where they belong.

Shapes: B batch, S sequence, M memory, K keys (M + S), L distances (K + 1), H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from tx_core.models.attention_tf import is_set, layer_head_masks, left_padding
from tx_core.models.forward_tf import ForwardContext, LayerContext
from tx_core.models.relative_tf import relative_encodings

from .common import check_memory

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


@dataclass(slots=True)
class MemoryContext(LayerContext):
    """What one layer is given beside the hidden states.

    Attributes:
        memory: its earlier states (B, M, H); (1, 1, H) for M places that are all the same.
        length: M.
        encodings: (L, H), of the distances of keys from queries.
        allowed: (1 or B, 1, S, K), which keys each query may attend to; None for all.
        order: (B, K), of keys by their place before the last token, the memory first; None where that is their order.
    """

    memory: Tensor | None = None
    length: Size = 0
    encodings: Tensor | None = None
    allowed: Tensor | None = None
    order: Tensor | None = None

    def keys(self, of_memory: Tensor | None, of_tokens: Tensor) -> Tensor:
        """Projections of a memory (B or 1, M or 1, N·D) and of tokens (B, S, N·D) by their place: (B, K, N·D)."""
        if of_memory is None:
            return of_tokens
        shape = (ops.shape(of_tokens)[0], self.length, of_tokens.shape[-1])
        keys = ops.concatenate((ops.broadcast_to(of_memory, shape), of_tokens), axis=1)
        return keys if self.order is None else chosen(keys, self.order, 1)

    def back(self, weights: Tensor) -> Tensor:
        """Attention probabilities (B, N, S, K) with those of the memory first, then those of the tokens."""
        return weights if self.order is None else chosen(weights, ops.argsort(self.order, axis=-1), 3)


@dataclass(slots=True)
class MemoryForwardContext(ForwardContext):
    """A call with a memory.

    Attributes:
        memory: per layer (B, M, H); one (1, 1, H) for all where all places are the same; None for none.
        memory_length: M.
        present: (B, S), where tokens stand; None if there is no padding.
        order: see :class:`MemoryContext`.
        drop: what drops out numbers of the encodings of distances.
    """

    memory: list[Tensor] | None = None
    memory_length: Size = 0
    present: Tensor | None = None
    order: Tensor | None = None
    drop: Callable[[Tensor], Tensor] | None = None

    def remember(self, mems: Sequence[Tensor] | None, hidden_states: Tensor) -> None:
        """Take the memory (M, B, H) of each layer, or zeros; ``hidden_states`` as the first layer reads them."""
        config: Any = self.config
        mask = self.attention_mask
        batch, dtype = ops.shape(hidden_states)[0], hidden_states.dtype
        if mems is not None:
            check_memory(mems, config.num_hidden_layers, batch, config.hidden_size)
            self.memory_length = ops.shape(mems[0])[0]
            self.memory = [ops.cast(ops.transpose(each, (1, 0, 2)), dtype) for each in mems]
        elif config.mem_len:
            self.memory_length = config.mem_len
            self.memory = [ops.zeros((1, 1, config.hidden_size), dtype)] * config.num_hidden_layers
        if mask is None:
            return
        if len(mask.shape) != 2:
            raise ValueError(f"attention_mask must have shape (batch, sequence), not {tuple(mask.shape)}")
        self.present = ops.broadcast_to(is_set(mask), (batch, self.length))
        if self.memory is not None:
            places = ops.expand_dims(ops.arange(self.memory_length + self.length, dtype="int32"), 0)  # (1, K)
            padding = left_padding(self.present)  # (B, 1)
            shifted = ops.where(places < padding + self.memory_length, places - padding, places)
            self.order = ops.where(places < padding, places + self.memory_length, shifted)

    def with_memory(self, present: Tensor) -> Tensor:
        """Where the memory and the tokens stand, (B, K), the memory first."""
        ones = ops.ones((ops.shape(present)[0], self.memory_length), "bool")
        return ops.concatenate((ones, present), axis=1)

    def allowed(self) -> Tensor:
        """Which keys, in their order, each query may attend to: (1 or B, 1, S, K)."""
        config: Any = self.config
        keys = ops.arange(self.memory_length + self.length, dtype="int32")
        distances = ops.expand_dims(keys[self.memory_length :], 1) - keys  # (S, K)
        allowed = distances >= 0
        if config.same_length and config.mem_len:
            allowed = ops.logical_and(allowed, distances < config.mem_len)
        allowed = ops.expand_dims(allowed, (0, 1))
        if self.present is None:
            return allowed
        present = self.with_memory(self.present)
        if self.order is not None:
            present = chosen(present, self.order, 1)
        # Padding may stand where it has no token to attend to: it then attends to all there are.
        present = ops.expand_dims(ops.logical_or(present, none_of(present)), (1, 2))
        allowed = ops.logical_and(allowed, present)
        return ops.logical_or(allowed, ops.logical_and(present, none_of(allowed)))

    def layers(self, dtype: str) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of a type."""
        assert self.drop is not None
        config: Any = self.config
        keys = self.memory_length + self.length
        # One more than there are keys, for the shift.
        encodings = self.drop(relative_encodings(keys - 1, -1, config.d_model, dtype, config.clamp_len))
        allowed = self.allowed()
        return [
            MemoryContext(
                head_mask=head_mask,
                need_weights=self.need_weights,
                memory=None if self.memory is None else self.memory[i],
                length=self.memory_length,
                encodings=encodings,
                allowed=allowed,
                order=self.order,
            )
            for i, head_mask in enumerate(layer_head_masks(self.head_mask, config, dtype))
        ]

    def next_mems(self, states: Sequence[Tensor]) -> tuple[Tensor, ...] | None:
        """The memory of the next segment, of what each layer read, (B, S, H): (M, B, H); None for none."""
        config: Any = self.config
        if not config.mem_len:
            return None
        kept: Tensor | None = None
        if self.present is not None:
            # What is kept of each row, by its place, after what is not.
            after = ops.flip(ops.cumsum(ops.cast(ops.flip(self.present, 1), "int32"), axis=1), 1)
            there = self.with_memory(ops.logical_and(self.present, after > config.ext_len))  # (B, K)
            count = self.memory_length + self.length
            places = ops.arange(count, dtype="int32") + ops.cast(there, "int32") * count
            kept = ops.argsort(places, axis=1)[:, -config.mem_len :]  # (B, M)
        mems = []
        for i, each in enumerate(states):
            each = ops.stop_gradient(each)
            if kept is not None:
                each = ops.where(ops.expand_dims(self.present, -1), each, ops.zeros_like(each))
            elif config.ext_len:
                each = each[:, : -config.ext_len]
            if self.memory is not None:
                memory, shape = (
                    ops.stop_gradient(self.memory[i]),
                    (ops.shape(each)[0], self.memory_length, each.shape[2]),
                )
                each = ops.concatenate((ops.broadcast_to(memory, shape), each), axis=1)  # (B, K, H)
            each = each[:, -config.mem_len :] if kept is None else chosen(each, kept, 1)
            mems.append(ops.transpose(each, (1, 0, 2)))
        return tuple(mems)


def none_of(x: Tensor) -> Tensor:
    """Where nothing on the last axis is true, (…, K) → (…, 1)."""
    return ops.logical_not(ops.any(x, axis=-1, keepdims=True))


def chosen(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Of each row of x (B, …) what stands at the row's places (B, K) on an axis."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(x, index, axis=axis, batch_dims=1)
    others = [each for each in range(1, len(x.shape)) if each != axis]
    return ops.take_along_axis(x, ops.broadcast_to(ops.expand_dims(index, others), _sizes(x, index, axis)), axis=axis)


def _sizes(x: Tensor, index: Tensor, axis: int) -> tuple[Size, ...]:
    sizes = [*ops.shape(x)]
    sizes[axis] = ops.shape(index)[1]
    return tuple(sizes)
