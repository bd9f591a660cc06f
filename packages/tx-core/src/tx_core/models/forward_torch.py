"""One call of a model in PyTorch: what its layers are given, and the way through them. Mirrored by ``forward_tf``.

Shapes: B batch, S sequence, P past, K keys (P + S, or the encoder's length), T real tokens, H hidden size, N heads,
D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from tx_core.config import PretrainedConfig

from .attention_torch import (
    allowed_by_mask,
    allowed_to_bias,
    attend,
    attention_bias,
    causal_bias,
    layer_head_masks,
    merge_heads,
    position_ids,
    split_heads,
)
from .inputs import check_width, chosen
from .inputs_torch import as_rows, check_ids, from_rows, input_shape
from .packing_torch import Packing
from .past_torch import Past, extend_past, past_length, stack_past

# Keys and values (B, N, K, D) of one layer.
Present = tuple[Tensor, Tensor]


@dataclass(slots=True)
class LayerContext:
    """What one layer is given beside the hidden states.

    Attributes:
        bias: added to attention scores, broadcastable to (B, N, S, K).
        is_causal: whether attention is to earlier positions, in place of a bias.
        head_mask: (1, N, 1, 1), 0 removes a head's contribution.
        past: keys and values before these.
        need_weights: whether attention probabilities are returned.
        keep: whether keys and values are returned.
        packing: where the tokens stand in the batch, if the hidden states are (T, H).
        cross: in a decoder, what its attention to the encoder is given.
        source: there, the encoder's states (B, K, H); None for attention to the sequence itself.
    """

    bias: Tensor | None = None
    is_causal: bool = False
    head_mask: Tensor | None = None
    past: Past | None = None
    need_weights: bool = False
    keep: bool = False
    packing: Packing | None = None
    cross: LayerContext | None = None
    source: Tensor | None = None

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        num_heads: int,
        dropout: float = 0.0,
        scale: bool = True,
        upcast: bool = False,
    ) -> tuple[Tensor, Tensor | None, Present | None]:
        """Attention of projections (B, S, N·D), or (T, N·D), to the past and themselves.

        Args:
            dropout: probability with which attention probabilities are dropped; 0 outside of training.
            scale: whether scores are divided by √D.
            upcast: whether half-precision numbers are computed with in float32.

        Returns:
            What was attended to, shaped as the query; the probabilities (B, N, S, K) or None; and keys and values
            (B, N, K, D), None where they are not kept.
        """
        present: Present | None = None
        if self.packing is None:
            query, key, value = (split_heads(x, num_heads) for x in (query, key, value))  # (B, N, S, D)
            key, value = extend_past(self.past, key, value)  # (B, N, K, D)
            present = (key, value) if self.keep else None
        elif self.keep:
            present = (
                split_heads(self.packing.unpack(key), num_heads),  # (B, N, S, D)
                split_heads(self.packing.unpack(value), num_heads),
            )
        if not upcast or query.dtype.itemsize >= 4:
            attended, weights = self._attention(query, key, value, num_heads, dropout, scale)
            return attended, weights, present
        with torch.autocast(query.device.type, enabled=False):
            attended, weights = self._attention(query.float(), key.float(), value.float(), num_heads, dropout, scale)
        return attended.to(value.dtype), weights, present

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, num_heads: int, dropout: float, scale: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Attention of heads (B, N, S or K, D), or of packed projections (T, N·D)."""
        if self.packing is not None:
            return self.packing.attend(query, key, value, num_heads, dropout, scale, self.is_causal), None
        attended, weights = attend(
            query, key, value, self.bias, self.head_mask, dropout, self.need_weights, scale, self.is_causal
        )
        return merge_heads(attended), weights


# What a layer gives: hidden states, attention probabilities, keys and values.
LayerOutput = tuple[Tensor, Tensor | None, Present | None]


@dataclass(slots=True)
class ForwardContext:
    """A call, checked once.

    Attributes:
        config: the model's.
        input_ids, inputs_embeds, token_type_ids, position_ids, extra: as given, ids as (B, S); packed (T, …) where
            padding is skipped. ``extra`` has inputs that only some architectures take.
        attention_mask: (B, K) or (B, S, K).
        axes: the axes that ids had before S; outputs get them back.
        length: S. before: P.
        causal: whether attention is to earlier positions only.
        head_mask: (N,) or (layers, N). past: per layer (2, B, N, P, D).
        encoder_hidden_states: (B, K, H). encoder_attention_mask: (B, K).
        need_weights, need_states, keep: whether attentions, hidden states and past are returned.
        packing: where the tokens stand, if padding is skipped.
    """

    config: PretrainedConfig
    input_ids: Tensor | None
    inputs_embeds: Tensor | None
    attention_mask: Tensor | None
    token_type_ids: Tensor | None
    position_ids: Tensor
    length: int
    before: int = 0
    causal: bool = False
    head_mask: Tensor | None = None
    past: Sequence[Past] | None = None
    encoder_hidden_states: Tensor | None = None
    encoder_attention_mask: Tensor | None = None
    need_weights: bool = False
    need_states: bool = False
    keep: bool = False
    axes: torch.Size | None = None
    packing: Packing | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        model: Any,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        head_mask: Tensor | None = None,
        past: Sequence[Tensor] | None = None,
        *,
        causal: bool = False,
        any_axes: bool = False,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        skip_padding: bool | None = None,
        extra: Mapping[str, Tensor | None] | None = None,
    ) -> Self:
        """Check the inputs of a call, and work out what its layers need.

        Args:
            model: the bare model: its ``config``, ``skip_padding``, ``make_positions`` and ``rows_of``.
            any_axes: whether ids may have any axes before S, as (S,) and (B, C, S) have.
            use_cache, output_attentions, output_hidden_states: None for what the configuration says.
            skip_padding: None for what the model says.
            extra: further inputs (B, S).

        Raises:
            ValueError: if both or none of ``input_ids`` and ``inputs_embeds`` are given, past and sequence are longer
                than the model's positions, there is no token, an id is outside its table, or a shape does not fit.
        """
        config = model.config
        names, others = [*(extra or {})], [*(extra or {}).values()]
        axes = None
        if any_axes:
            axes, rows = as_rows(input_ids, attention_mask, token_type_ids, position_ids, *others)
            input_ids, attention_mask, token_type_ids, position_ids, *others = rows
        before = past_length(past, config.num_hidden_layers)
        _, length, device = input_shape(input_ids, inputs_embeds, config.longest_sequence, attention_mask, before)
        ids = {"input_ids": input_ids, "token_type_ids": token_type_ids, "position_ids": position_ids}
        for name, each in (*ids.items(), *zip(names, others, strict=True)):
            if each is not None:
                check_ids(name, each, *model.rows_of(name))
        if position_ids is None:
            position_ids = model.make_positions(input_ids, attention_mask, length, before + length, device)
        context = cls(
            config,
            input_ids,
            inputs_embeds,
            attention_mask,
            token_type_ids,
            position_ids,
            length,
            before,
            causal,
            head_mask,
            past,
            encoder_hidden_states,
            encoder_attention_mask,
            chosen(output_attentions, config.output_attentions),
            chosen(output_hidden_states, config.output_hidden_states),
            use_cache if use_cache is not None else config.use_cache,
            axes,
            None,
            {name: x for name, x in zip(names, others, strict=True) if x is not None},
        )
        if chosen(skip_padding, model.skip_padding):
            context._skip_padding()
        return context

    def _skip_padding(self) -> None:
        """Go on with the tokens that are there, unless something is asked for that needs them in rows."""
        given = (self.head_mask, self.past, self.encoder_hidden_states)
        if self.need_weights or any(each is not None for each in given):
            return
        read = self.input_ids if self.input_ids is not None else self.inputs_embeds
        assert read is not None
        # Not len(), which is a plain number: programs that torch.export records would be for that many rows alone.
        packing = self.packing = Packing.of(self.attention_mask, read.shape[0])
        if packing is None:
            return

        def pack(x: Tensor | None) -> Any:
            return None if x is None else packing.pack(x)

        self.input_ids, self.inputs_embeds = pack(self.input_ids), pack(self.inputs_embeds)
        self.token_type_ids, self.position_ids = pack(self.token_type_ids), pack(self.position_ids)
        self.extra = {name: pack(x) for name, x in self.extra.items()}

    def words(self, embeddings: nn.Module) -> Tensor:
        """The vectors of the ids, or those given in their place: (B, S, H), or (T, H)."""
        if self.inputs_embeds is not None:
            return self.inputs_embeds
        check_width(getattr(embeddings, "embedding_dim", None), self.config.hidden_size)
        words: Tensor = embeddings(self.input_ids)
        return words

    def layers(self, hidden_states: Tensor) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of the hidden states' type."""
        dtype, device, keys = hidden_states.dtype, hidden_states.device, self.before + self.length
        if self.packing is not None:
            bias, is_causal = None, self.causal
        elif self.causal:
            bias, is_causal = causal_bias(self.attention_mask, self.length, keys, dtype, device)
        else:
            bias, is_causal = attention_bias(self.attention_mask, False, self.length, keys, dtype, device), False
        contexts = [
            LayerContext(
                bias,
                is_causal,
                head_mask,
                None if self.past is None else self.past[i],
                self.need_weights,
                self.keep,
                self.packing,
            )
            for i, head_mask in enumerate(layer_head_masks(self.head_mask, self.config, dtype))
        ]
        if self.encoder_hidden_states is not None:
            mask = self.encoder_attention_mask
            bias = None if mask is None else allowed_to_bias(allowed_by_mask(mask), dtype)
            head_masks = layer_head_masks(self.head_mask, self.config, dtype, pruned=False)
            for context, head_mask in zip(contexts, head_masks, strict=True):
                context.cross = LayerContext(bias, head_mask=head_mask, source=self.encoder_hidden_states)
        return contexts

    def through(
        self,
        stack: nn.Module,
        layers: Iterable[Callable[..., LayerOutput]],
        hidden_states: Tensor,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Any]:
        """The way through the layers; returns the fields of the bare model's output.

        Args:
            stack: the module whose ``gradient_checkpointing`` counts.
            layers: each called with the hidden states and its :class:`LayerContext`, returning a ``LayerOutput``.
            finish: what is done to the last layer's states.
        """
        again = stack.gradient_checkpointing and stack.training
        checkpointing: Any = stack.checkpointing if again else None
        if again:
            past = None if self.past is None else self.past[0]
            keys = past[0] if isinstance(past, Tensor | tuple) else None
            checkpointing.check(encoder_hidden_states=self.encoder_hidden_states, past=keys)
        states: list[Tensor] = [hidden_states]
        attentions: list[Tensor] = []
        presents: list[Present] = []
        for i, (layer, context) in enumerate(zip(layers, self.layers(hidden_states), strict=True)):
            call = checkpointing.around(layer, i) if again else layer
            hidden_states, weights, present = call(hidden_states, context)
            if self.need_states:
                states.append(hidden_states)
            if weights is not None:
                attentions.append(weights)
            if present is not None:
                presents.append(present)
        last = hidden_states if finish is None else finish(hidden_states)
        states[-1] = last
        return {
            "last_hidden_state": self.whole(last),
            "past": stack_past(presents) if self.keep else None,
            "hidden_states": tuple(self.whole(x) for x in states) if self.need_states else None,
            "attentions": tuple(from_rows(x, self.axes) for x in attentions) if self.need_weights else None,
        }

    def whole(self, x: Tensor) -> Tensor:
        """(B, S, …), or (T, …), as the ids were given; zero where padding was skipped."""
        return from_rows(x if self.packing is None else self.packing.unpack(x), self.axes)


def make_positions(
    input_ids: Tensor | None, attention_mask: Tensor | None, length: int, keys: int, device: torch.device
) -> Tensor:
    """Positions of a sequence's tokens, the last of so many keys, counted from each row's first unmasked one.

    The hook of :class:`ForwardContext`; models whose positions differ have their own.

    Returns:
        (B or 1, S).
    """
    return position_ids(attention_mask, length, keys, device)
