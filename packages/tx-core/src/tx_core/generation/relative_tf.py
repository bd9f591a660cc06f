"""``generate`` for models that know positions by their distance, in TensorFlow. Mirrors ``relative_torch``.

Prompts are read by the model itself. What its layers have to remember of them is what each was given: of these states
keys and values are made once, and kept. So a step costs the same whatever came before.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, M capacity of the memory, Q queries of a
step (of a model with a query stream two, otherwise one), L distances, H hidden size, N heads, D head width, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from keras import ops

from tx_core.models.attention_tf import attend
from tx_core.models.relative_tf import disallow, relative_encodings

from .generate_tf import CompiledGeneration, written_at
from .memory_tf import CompiledMemory, SlotMemory, capacity
from .prompts import Prompts

Tensor = Any


class Read(NamedTuple):
    """What a main layer makes of prompts.

    Attributes:
        state: (B, H), what the next token is predicted from.
        remembered: what each layer was given, of the tokens that are remembered: (B, S, H).
        allowed: (B, S), boolean, which of these are attended to.
    """

    state: Tensor
    remembered: Iterable[Tensor]
    allowed: Tensor


class RelativeLayer(Protocol):
    """A layer that attends by distance."""

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, S, D) of states (B, S, H) that the layer was given."""

    def distances(self, encodings: Tensor) -> Tensor:
        """What the layer makes of the encodings of distances (L, H): (1, N, L, D)."""

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """The way of one more token (R, Q, H) through the layer."""


@dataclass(slots=True)
class RelativeLayerMemory:
    """What one layer remembers, in a compiled step.

    Attributes:
        keys, values: (R, N, M, D).
        encodings: (1, N, 2·M, D), of the distances from M down to 1 - M.
        allowed: (R, M), which keys are attended to.
        place: the token's, a scalar: how many tokens are before it.
        present: the token's own key and value (R, N, 1, D), once it has been read.
    """

    keys: Tensor
    values: Tensor
    encodings: Tensor
    allowed: Tensor
    place: Tensor
    present: tuple[Tensor, Tensor] | None = None

    def attend(
        self, states: Tensor, query: Tensor, key: Tensor, value: Tensor, content: Tensor, position: Tensor
    ) -> Tensor:
        """Attention of one more token to those before and to itself.

        Args:
            states: (R, Q, H), which the layer was given.
            query: (R, N, Q, D). The last is of the token; with a second query it is of the place after it.
            key, value: (R, N, 1, D), the token's.
            content, position: (N, D), what is added to queries for contents and for distances.

        Returns:
            What was attended to: (R, N, Q, D).
        """
        self.present = (key, value)
        size = self.keys.shape[2]
        scaled = (query + ops.expand_dims(position, 1)) * query.shape[-1] ** -0.5
        scores = ops.matmul(scaled, ops.transpose(self.encodings, (0, 1, 3, 2)))  # (R, N, Q, 2·M)

        def of_query(i: int) -> Tensor:
            # From the place after the token all distances are greater by one. They are gathered: XLA would compile a
            # slice anew for every place.
            index = ops.arange(size) + (size - i - self.place)
            of_keys = ops.take(scores[:, :, i : i + 1], index, axis=-1)
            return ops.concatenate((of_keys, scores[:, :, i : i + 1, size - i : size - i + 1]), axis=-1)

        allowed = ops.pad(self.allowed, ((0, 0), (0, 1)), constant_values=True)  # (R, M + 1)
        by_query = ops.concatenate([of_query(i) for i in range(query.shape[2])], axis=2)  # (R, N, Q, M + 1)
        bias = disallow(by_query, ops.expand_dims(allowed, (1, 2)))
        query = query + ops.expand_dims(content, 1)
        return attend(query, key, value, bias, past=(self.keys, self.values))[0]


class RelativeMemory(SlotMemory):
    """The keys and values of all layers, and what these make of distances.

    Args:
        presents, allowed, prompts, times, jit_compile: as those of :class:`SlotMemory`.
        base: the main layer.
    """

    def __init__(
        self, presents: Sequence[Tensor], allowed: Any, base: Any, prompts: Prompts, times: int, jit_compile: bool
    ) -> None:
        config, window, length, new = base.config, base.window, presents[0].shape[3], int(prompts.limits.max())
        # Of a window as much is remembered of every prompt.
        size = capacity(length + new) if window is None else length + capacity(new)
        super().__init__(presents, allowed, size, prompts, times, jit_compile)
        encodings = relative_encodings(size, 1 - size, config.hidden_size, base.compute_dtype, config.clamp_len)
        self.constants["distances"] = tuple(layer.distances(encodings) for layer in base.layer_calls())


class RelativeGeneration(CompiledGeneration):
    """``generate`` for a model that knows positions by their distance.

    The main layer reads prompts (``read_prompts``), and says how many tokens before itself a token attends to at most
    (``window``, None for all), what the first layer reads of a token (``read_token``), which layers follow
    (``layer_calls``, each a :class:`RelativeLayer`) and what becomes of the last one's states (``finish``); the model
    with the head, how they score the vocabulary (``score``).
    """

    base_model: Any
    config: Any

    def _max_positions(self) -> int | None:
        return None

    def _settings(self) -> tuple[Any, ...]:
        return tuple(getattr(self.config, name, None) for name in ("mem_len", "same_length", "clamp_len", "attn_type"))

    def _read_prompts(self, ids: Tensor, mask: Tensor, extra: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        base = self.base_model
        read: Read = base.read_prompts(ids, mask)
        layers = zip(base.layer_calls(), read.remembered, strict=True)
        presents = tuple(ops.stack(layer.remember(states)) for layer, states in layers)
        return self.score(read.state), (presents, read.allowed)

    def _remember(self, found: Any, prompts: Prompts, times: int, jit_compile: bool) -> CompiledMemory:
        presents, allowed = found
        return RelativeMemory(presents, allowed, self.base_model, prompts, times, jit_compile)

    def _read_token(
        self, tokens: Tensor, start: Tensor, extra: Mapping[str, Tensor], constants: Mapping[str, Tensor], memory: Any
    ) -> tuple[Tensor, Any]:
        base, allowed, window = self.base_model, constants["allowed"], self.base_model.window
        slots = ops.arange(allowed.shape[1])
        held = slots < start if window is None else ops.logical_and(slots < start, slots >= start - window)
        allowed = ops.logical_and(allowed, held)
        states, presents = base.read_token(tokens), []  # (R, Q, H)
        for layer, (keys, values), table in zip(base.layer_calls(), memory, constants["distances"], strict=True):
            past = RelativeLayerMemory(keys, values, table, allowed, start)
            states = layer.step(states, past)
            presents.append(past.present)
        states = base.finish(states[:, -1])
        return self.score(states), written_at(start, states, memory, presents)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of what it is predicted from (R, H)."""
        raise NotImplementedError
