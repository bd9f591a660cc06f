"""``generate`` for models that know positions by their distance, in PyTorch. Mirrored by ``relative_tf``.

Prompts are read by the model itself. What its layers have to remember of them is what each was given: of these states
keys and values are made once, and kept. So a step costs the same whatever came before.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, M states remembered of a prompt, K keys,
Q queries of a step (of a model with a query stream two, otherwise one), L distances, H hidden size, N heads, D head
width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from tx_core.models.attention_torch import attend
from tx_core.models.relative_torch import disallow, relative_encodings, relative_scores

from .generate_torch import GenerationMixin
from .memory_torch import KeyValueMemory, LayerMemory, Memory
from .prompts import Prompts


class Read(NamedTuple):
    """What a bare model makes of prompts.

    Attributes:
        state: (B, H), what the next token is predicted from.
        remembered: what each layer was given, of the tokens that are remembered: (B, M, H).
        allowed: (B, M), boolean, which of these are attended to; None for all.
    """

    state: Tensor
    remembered: Iterable[Tensor]
    allowed: Tensor | None = None


class RelativeLayer(Protocol):
    """A layer that attends by distance."""

    def remember(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, N, M, D) of states (B, M, H) that the layer was given."""

    def distances(self, encodings: Tensor) -> Tensor:
        """What the layer makes of the encodings of distances (L, H): (1, N, L, D)."""

    def step(self, states: Tensor, past: RelativeLayerMemory) -> Tensor:
        """The way of one more token (R, Q, H) through the layer."""


class RelativeMemory(KeyValueMemory):
    """The keys and values of all layers, and what they make of distances.

    Args:
        base: the bare model. read: what it made of the prompts.
        following: the most tokens that may follow.
    """

    def __init__(self, base: Any, read: Read, following: int) -> None:
        window: int | None = base.window
        self.most = None if window is None else window + 1  # keys that are attended to
        self._clamp_len: int = base.config.clamp_len
        models: list[RelativeLayer] = list(base.layer_calls())
        remembered = list(read.remembered)
        before = remembered[0].shape[1]
        places = torch.arange(before + following, device=read.state.device)[None]
        super().__init__(len(models), places, read.allowed)
        of_layers = [RelativeLayerMemory(self, layer) for layer in models]
        self.layers = [*of_layers]
        self.next(before)
        for layer, states in zip(of_layers, remembered, strict=True):
            layer.extend(*layer.model.remember(states))

    def encodings(self, count: int, like: Tensor) -> Tensor:
        """Those of the distances from ``count`` - 1 down to 0: (L, H)."""
        return relative_encodings(count - 1, 0, like.shape[-1], like.dtype, like.device, self._clamp_len)

    def allowed(self, keys: int) -> Tensor | None:
        """Which of the last so many keys are attended to: (R, 1, 1, K); None for all."""
        return None if self._mask is None else self._mask[:, None, None, self.held - keys : self.held] > 0


class RelativeLayerMemory(LayerMemory):
    """One layer's part of a :class:`RelativeMemory`."""

    def __init__(self, memory: RelativeMemory, model: RelativeLayer) -> None:
        super().__init__(memory)
        self.model = model
        self._relative = memory
        self._distances: Tensor | None = None  # (1, N, L, D), the largest first

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
        key, value = self.extend(key, value)  # (R, N, K, D)
        if self._relative.most is not None:
            key, value = key[:, :, -self._relative.most :], value[:, :, -self._relative.most :]
        keys, queries = key.shape[2], query.shape[2]
        # One query needs no shift, but the function takes a distance more than there are keys.
        encodings = self._encodings(keys + max(queries, 2) - 1, states)
        if queries == 1:
            scores = (query + position[:, None]) * query.shape[-1] ** -0.5 @ encodings[:, :, 1:].transpose(-1, -2)
        else:
            scores = relative_scores(query + position[:, None], encodings, keys)
        return attend(query + content[:, None], key, value, disallow(scores, self._relative.allowed(keys)))[0]

    def _encodings(self, count: int, states: Tensor) -> Tensor:
        """The layer's distances from ``count`` - 1 down to 0: (1, N, L, D)."""
        if self._distances is None or self._distances.shape[2] < count:
            most = self._relative.most or self._relative.total
            self._distances = self.model.distances(self._relative.encodings(min(2 * count, most + 1), states))
        return self._distances[:, :, -count:]


class RelativeGeneration(GenerationMixin):
    """``generate`` for a model that knows positions by their distance.

    The bare model reads prompts (``read_prompts``), and says how many tokens before itself a token attends to at most
    (``window``, None for all), what the first layer reads of a token (``read_token``), which layers follow
    (``layer_calls``, each a :class:`RelativeLayer`) and what becomes of the last one's states (``finish``); the model
    with the head, how they score the vocabulary (``score``).
    """

    base_model: Any

    def _max_positions(self) -> int | None:
        return None

    def _begin(self, prompts: Prompts, times: int) -> tuple[Tensor, Memory]:
        base = self.base_model
        mask = None if prompts.mask is None else self._tensor(prompts.mask)
        read: Read = base.read_prompts(self._tensor(prompts.ids), mask)
        memory = RelativeMemory(base, read, int(prompts.limits.max()))
        memory.repeat(times)
        return self.score(read.state), memory

    def _continue(self, tokens: Tensor, memory: Any) -> Tensor:
        base = self.base_model
        states = base.read_token(tokens)  # (R, Q, H)
        memory.next(1)
        for past in memory.layers:
            states = past.model.step(states, past)
        return self.score(base.finish(states[:, -1]))

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of what it is predicted from (R, H)."""
        raise NotImplementedError
