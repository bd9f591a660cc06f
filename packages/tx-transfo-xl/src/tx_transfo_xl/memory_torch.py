"""One call of Transformer-XL in PyTorch: its memory, and what its layers are given. Mirrored by ``memory_tf``.

Keys stand in the order of their places: padding on the left, then the memory, then the tokens. Then one shift puts the
distances of all of a batch's rows where they belong.

Shapes: B batch, S sequence, M memory, K keys (M + S), L distances (K + 1), H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tx_core.models.attention_torch import layer_head_masks, left_padding
from tx_core.models.forward_torch import ForwardContext, LayerContext
from tx_core.models.inputs_torch import has_values
from tx_core.models.relative_torch import relative_encodings

from .common import check_memory


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
    length: int = 0
    encodings: Tensor | None = None
    allowed: Tensor | None = None
    order: Tensor | None = None

    def keys(self, of_memory: Tensor | None, of_tokens: Tensor) -> Tensor:
        """Projections of a memory (B or 1, M or 1, N·D) and of tokens (B, S, N·D) by their place: (B, K, N·D)."""
        if of_memory is None:
            return of_tokens
        keys = torch.cat((of_memory.expand(of_tokens.shape[0], self.length, -1), of_tokens), 1)
        return keys if self.order is None else keys.gather(1, self.order[:, :, None].expand_as(keys))

    def back(self, weights: Tensor) -> Tensor:
        """Attention probabilities (B, N, S, K) with those of the memory first, then those of the tokens."""
        if self.order is None:
            return weights
        return weights.gather(-1, self.order.argsort(-1)[:, None, None].expand_as(weights))


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
    memory_length: int = 0
    present: Tensor | None = None
    order: Tensor | None = None
    drop: nn.Module | None = None

    def remember(self, mems: Sequence[Tensor] | None, hidden_states: Tensor) -> None:
        """Take the memory (M, B, H) of each layer, or zeros; ``hidden_states`` as the first layer reads them."""
        config: Any = self.config
        mask = self.attention_mask
        batch = hidden_states.shape[0] if self.packing is None else self.packing.batch
        if mems is not None:
            self.memory_length = check_memory(mems, config.num_hidden_layers, batch, config.hidden_size)
            self.memory = [each.transpose(0, 1).to(hidden_states.dtype) for each in mems]
        elif config.mem_len:
            self.memory_length = config.mem_len
            self.memory = [hidden_states.new_zeros(1, 1, config.hidden_size)] * config.num_hidden_layers
        if mask is None or (has_values(mask) and bool((mask > 0).all())):
            return
        if mask.dim() != 2:
            raise ValueError(f"attention_mask must have shape (batch, sequence), not {tuple(mask.shape)}")
        self.present = (mask > 0).expand(batch, -1)
        if self.memory is not None:
            places = torch.arange(self.memory_length + self.length, device=mask.device)[None]  # (1, K)
            padding = left_padding(self.present)  # (B, 1)
            shifted = torch.where(places < padding + self.memory_length, places - padding, places)
            self.order = torch.where(places < padding, places + self.memory_length, shifted)

    def with_memory(self) -> Tensor:
        """Where the memory and the tokens stand, (B, K), the memory first."""
        assert self.present is not None
        return torch.cat((self.present.new_ones(self.present.shape[0], self.memory_length), self.present), 1)

    def allowed(self, device: torch.device) -> Tensor:
        """Which keys, in their order, each query may attend to: (1 or B, 1, S, K)."""
        config: Any = self.config
        keys = torch.arange(self.memory_length + self.length, device=device)
        distances = keys[self.memory_length :, None] - keys  # (S, K)
        allowed = distances >= 0
        if config.same_length and config.mem_len:
            allowed = allowed & (distances < config.mem_len)
        if self.present is None:
            return allowed[None, None]
        present = self.with_memory()
        if self.order is not None:
            present = present.gather(1, self.order)
        # Padding may stand where it has no token to attend to: it then attends to all there are.
        present = (present | ~present.any(-1, keepdim=True))[:, None, None]
        allowed = allowed & present
        return allowed | (present & ~allowed.any(-1, keepdim=True))

    def layers(self, hidden_states: Tensor) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of the hidden states' type."""
        assert self.drop is not None
        config: Any = self.config
        dtype, device, keys = hidden_states.dtype, hidden_states.device, self.memory_length + self.length
        # One more than there are keys, for the shift.
        encodings = self.drop(relative_encodings(keys - 1, -1, config.d_model, dtype, device, config.clamp_len))
        allowed = self.allowed(device)
        return [
            MemoryContext(
                head_mask=head_mask,
                need_weights=self.need_weights,
                packing=self.packing,
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
            left = self.present.flip(1).long().cumsum(1).flip(1) > config.ext_len
            there = torch.cat((left.new_ones(left.shape[0], self.memory_length), self.present & left), 1)  # (B, K)
            places = torch.arange(there.shape[1], device=there.device)
            kept = (places + there.long() * there.shape[1]).argsort(1)[:, -config.mem_len :, None]  # (B, M, 1)
        mems = []
        for i, each in enumerate(states):
            each = each.detach()
            if kept is not None:
                each = torch.where(self.present[:, :, None], each, 0)  # type: ignore[index]
            elif config.ext_len:
                each = each[:, : -config.ext_len]
            if self.memory is not None:
                memory = self.memory[i].detach()
                each = torch.cat((memory.expand(each.shape[0], self.memory_length, -1), each), 1)  # (B, K, H)
            each = each[:, -config.mem_len :] if kept is None else each.gather(1, kept.expand(-1, -1, each.shape[2]))
            mems.append(each.transpose(0, 1))
        return tuple(mems)
