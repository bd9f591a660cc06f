"""One call of a model in Keras: what its layers are given, and the way through them. Mirrors ``forward_torch``.

Shapes: B batch, S sequence, P past, K keys (P + S, or the encoder's length), H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import keras
from keras import ops

from tx_core.config import PretrainedConfig

from .attention_tf import (
    allowed_by_mask,
    allowed_to_bias,
    attend,
    attention_bias,
    layer_head_masks,
    merge_heads,
    position_ids,
    split_heads,
)
from .inputs import check_width, chosen
from .inputs_tf import as_rows, check_ids, from_rows, input_shape, undefined
from .past_tf import Past, extend_past, past_length

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run

# Keys and values of one layer, without those of the past: (2, B, N, S, D).
Present = Tensor


@dataclass(slots=True)
class LayerContext:
    """What one layer is given beside the hidden states, by keyword. (Keras refuses tuples of tensors and flags.)

    Attributes:
        bias: added to attention scores, broadcastable to (B, N, S, K).
        head_mask: (1, N, 1, 1), 0 removes a head's contribution.
        past: keys and values before these.
        need_weights: whether attention probabilities are returned.
        keep: whether keys and values are returned.
        cross: in a decoder, what its attention to the encoder is given.
        source: there, the encoder's states (B, K, H); None for attention to the sequence itself.
    """

    bias: Tensor | None = None
    head_mask: Tensor | None = None
    past: Past | None = None
    need_weights: bool = False
    keep: bool = False
    cross: LayerContext | None = None
    source: Tensor | None = None

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        num_heads: int,
        dropout: Callable[[Tensor], Tensor] | None = None,
        scale: bool = True,
        upcast: bool = False,
    ) -> tuple[Tensor, Tensor | None, Present | None]:
        """Attention of projections (B, S, N·D) to the past and themselves.

        Args:
            dropout: the layer that drops attention probabilities in training; None for none.
            scale: whether scores are divided by √D.
            upcast: whether half-precision numbers are computed with in float32.

        Returns:
            What was attended to, shaped as the query; the probabilities (B, N, S, K) or None; and the new keys and
            values (2, B, N, S, D), None where they are not kept.
        """
        query, key, value = (split_heads(x, num_heads) for x in (query, key, value))  # (B, N, S, D)
        present = ops.stack((key, value)) if self.keep else None
        past, dtype = self.past, keras.backend.standardize_dtype(value.dtype)
        if upcast and dtype in ("float16", "bfloat16"):
            query, key, value = (ops.cast(x, "float32") for x in (query, key, value))
            past = None if past is None else tuple(ops.cast(x, "float32") for x in (past[0], past[1]))
        attended, weights = attend(
            query, key, value, self.bias, self.head_mask, dropout, self.need_weights, scale, past
        )
        return merge_heads(ops.cast(attended, dtype)), weights, present


# What a layer gives: hidden states, attention probabilities, keys and values.
LayerOutput = tuple[Tensor, Tensor | None, Present | None]


@dataclass(slots=True)
class ForwardContext:
    """A call, checked once.

    Attributes:
        config: the model's.
        input_ids, inputs_embeds, token_type_ids, position_ids, extra: as given, ids as (B, S). ``extra`` has inputs
            that only some architectures take.
        attention_mask: (B, K) or (B, S, K).
        length: S. before: P.
        causal: whether attention is to earlier positions only.
        head_mask: (N,) or (layers, N). past: per layer (2, B, N, P, D).
        encoder_hidden_states: (B, K, H). encoder_attention_mask: (B, K).
        need_weights, need_states, keep: whether attentions, hidden states and past are returned.
        axes: the axes that ids had before S; outputs get them back.
        wrong: (B or 1, S), where an id is outside its table; None where no id is.
    """

    config: PretrainedConfig
    input_ids: Tensor | None
    inputs_embeds: Tensor | None
    attention_mask: Tensor | None
    token_type_ids: Tensor | None
    position_ids: Tensor
    length: Size
    before: Size = 0
    causal: bool = False
    head_mask: Tensor | None = None
    past: Sequence[Past] | None = None
    encoder_hidden_states: Tensor | None = None
    encoder_attention_mask: Tensor | None = None
    need_weights: bool = False
    need_states: bool = False
    keep: bool = False
    axes: tuple[Size, ...] | None = None
    extra: Mapping[str, Tensor] = field(default_factory=dict)
    wrong: Tensor | None = None

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
        extra: Mapping[str, Tensor | None] | None = None,
    ) -> Self:
        """Check the inputs of a call, and work out what its layers need.

        Args:
            model: the main layer: its ``config``, ``make_positions`` and ``rows_of``.
            any_axes: whether ids may have any axes before S, as (S,) and (B, C, S) have.
            use_cache, output_attentions, output_hidden_states: None for what the configuration says.
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
        _, length = input_shape(input_ids, inputs_embeds, config.longest_sequence, attention_mask, before)
        # Where the length is known, it has been checked, and with it the positions that are made.
        sure = position_ids is None and isinstance(before + length, int)
        if position_ids is None:
            position_ids = model.make_positions(input_ids, attention_mask, length, before + length)
        ids = {"input_ids": input_ids, "token_type_ids": token_type_ids, **dict(zip(names, others, strict=True))}
        ids |= {} if sure else {"position_ids": position_ids}
        wrong = None
        for name in [name for name, each in ids.items() if each is not None]:
            ids[name], found = check_ids(name, ids[name], *model.rows_of(name))
            if found is not None:
                wrong = found if wrong is None else ops.logical_or(wrong, found)
        return cls(
            config,
            ids["input_ids"],
            inputs_embeds,
            attention_mask,
            ids["token_type_ids"],
            ids.get("position_ids", position_ids),
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
            {name: ids[name] for name in names if ids[name] is not None},
            wrong,
        )

    def words(self, embeddings: Any) -> Tensor:
        """The vectors of the ids, or those given in their place: (B, S, H). NaN where any id is outside its table."""
        words = self.inputs_embeds
        if words is None:
            check_width(getattr(embeddings, "output_dim", None), self.config.hidden_size)
            words = embeddings(self.input_ids)
        dtype = keras.backend.standardize_dtype(words.dtype)
        return words if self.wrong is None else words + undefined(ops.expand_dims(self.wrong, -1), dtype)

    def layers(self, dtype: str) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of a type."""
        bias = attention_bias(self.attention_mask, self.causal, self.length, self.before + self.length, dtype)
        contexts = [
            LayerContext(
                bias,
                head_mask,
                None if self.past is None else self.past[i],
                self.need_weights,
                self.keep,
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
        stack: Any,
        layers: Iterable[Callable[..., LayerOutput]],
        hidden_states: Tensor,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Any]:
        """The way through the layers; returns the fields of the bare model's output.

        Args:
            stack: the layer whose ``compute_dtype`` counts.
            layers: each called with the hidden states and its :class:`LayerContext`, returning a ``LayerOutput``.
            finish: what is done to the last layer's states.
        """
        states: list[Tensor] = [hidden_states]
        attentions: list[Tensor] = []
        presents: list[Present] = []
        for layer, context in zip(layers, self.layers(stack.compute_dtype), strict=True):
            hidden_states, weights, present = layer(hidden_states, context=context)
            if self.need_states:
                states.append(hidden_states)
            if weights is not None:
                attentions.append(weights)
            if present is not None:
                presents.append(present)
        last = hidden_states if finish is None else finish(hidden_states)
        states[-1] = last
        return {
            "last_hidden_state": from_rows(last, self.axes),
            "past": extend_past(self.past, presents) if self.keep else None,
            "hidden_states": tuple(from_rows(x, self.axes) for x in states) if self.need_states else None,
            "attentions": tuple(from_rows(x, self.axes) for x in attentions) if self.need_weights else None,
        }


def make_positions(input_ids: Tensor | None, attention_mask: Tensor | None, length: Size, keys: Size) -> Tensor:
    """Positions of a sequence's tokens, the last of so many keys, counted from each row's first unmasked one.

    The hook of :class:`ForwardContext`; models whose positions differ have their own.

    Returns:
        (B or 1, S).
    """
    return position_ids(attention_mask, length, keys)
