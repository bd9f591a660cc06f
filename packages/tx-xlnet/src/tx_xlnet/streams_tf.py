"""One call of XLNet in Keras: what its layers are given. Mirrors ``streams_torch``.

Two streams of states go through the layers (Yang et al. 2019, §2.3). The content stream has a state for each token.
The query stream, of calls with a ``target_mapping``, has one for each target: it knows where its token stands, and not
which it is. Both attend to the content, by the same routine; all else is done to both at once. So they are one tensor,
the targets after the tokens.

Shapes: B batch, S sequence, T targets, A states of both streams (S, or S + T), M memory, K keys (M + S), L distances,
H hidden size, N heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from tx_core.models.attention_tf import attend, is_set, layer_head_masks, merge_heads
from tx_core.models.forward_tf import ForwardContext, LayerContext, LayerOutput
from tx_core.models.inputs import chosen
from tx_core.models.relative_tf import disallow, relative_encodings, relative_scores

from .inputs import check_masks, check_memory, check_rows, check_shape, layers_of_memory

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class Biases(NamedTuple):
    """What is added to queries, (N, D) each, and the encodings (2, N, D) of the same segment and of another one."""

    content: Tensor
    position: Tensor
    segment: Tensor
    segments: Tensor


@dataclass(slots=True)
class StreamContext(LayerContext):
    """What one layer is given beside the states of both streams, by keyword.

    Attributes:
        encodings: of distances, from that of the first key to the first query down: (1 or 2, L, H), 2 where the second
            half of the rows are read backwards.
        memory: (B, M, H), this layer's states of earlier tokens.
        allowed: (B or 1, 1, S or 1, K), boolean, to which keys a token attends; None for all.
        allowed_targets: the same of the query stream.
        target_mapping: (B, T, S), where the targets stand; None if there is one stream.
        other_segment: (B, 1, S, K), boolean, where a token and a key are of different segments; None if all are of one.
    """

    encodings: Tensor | None = None
    memory: Tensor | None = None
    allowed: Tensor | None = None
    allowed_targets: Tensor | None = None
    target_mapping: Tensor | None = None
    other_segment: Tensor | None = None

    def content(self, states: Tensor) -> Tensor:
        """The states that give keys and values: (B, M + S, H)."""
        if self.target_mapping is not None:
            states = states[:, : ops.shape(self.target_mapping)[-1]]
        return states if self.memory is None else ops.concatenate((ops.cast(self.memory, states.dtype), states), axis=1)

    def attend_streams(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        encodings: Tensor,
        biases: Biases,
        dropout: Callable[[Tensor], Tensor],
    ) -> LayerOutput:
        """Attention of both streams' queries (B, A, N, D) to the content's keys and values (B, K, N, D).

        Args:
            encodings: (1 or 2, L, N, D), projected.
            dropout: the layer that drops attention probabilities in training.

        Returns:
            What was attended to, (B, A, N·D); the probabilities (B, N, S, K), of two streams a pair, or None; and keys
            and values (2, B, N, K, D), None where they are not kept.
        """
        query, key, value, encodings = (ops.transpose(x, (0, 2, 1, 3)) for x in (query, key, value, encodings))
        if encodings.shape[0] == 2:
            encodings = ops.repeat(encodings, ops.shape(query)[0] // 2, axis=0)
        present = ops.stack((key, value)) if self.keep else None
        keys = ops.shape(key)[2] if self.past is None else ops.shape(self.past[0])[2] + ops.shape(key)[2]

        def stream(query: Tensor, allowed: Tensor | None, seen: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
            scores = disallow(_scores(query, encodings, keys, biases, self.other_segment), allowed)
            query = query + ops.expand_dims(biases.content, 1)
            if seen is not None:
                scores, query = scores * seen, query * seen
            return attend(query, key, value, scores, self.head_mask, dropout, self.need_weights, past=self.past)

        if self.target_mapping is None:
            attended, weights = stream(query, self.allowed)
            return merge_heads(attended), weights, present
        mapping = ops.expand_dims(ops.cast(self.target_mapping, query.dtype), 1)  # (B, 1, T, S)
        length = ops.shape(mapping)[-1]
        content, targets = query[:, :, :length], query[:, :, length:]
        attended, weights = stream(content, self.allowed)
        allowed, seen = self.allowed_targets, None
        if allowed is not None:
            # A target may see nothing, as the first of an order that mems do not precede. Then all its scores are 0,
            # and it attends to everything alike, as in the authors' code.
            sees = ops.any(allowed, axis=-1, keepdims=True)  # (B, 1, S, 1)
            allowed, seen = ops.logical_or(allowed, ops.logical_not(sees)), ops.cast(sees, query.dtype)
        # Each target's query is put where its token stands, and what it attended to is taken from there.
        of_targets, target_weights = stream(ops.matmul(ops.transpose(mapping, (0, 1, 3, 2)), targets), allowed, seen)
        both = ops.concatenate((attended, ops.matmul(mapping, of_targets)), axis=2)
        pair: Any = None if weights is None else (weights, target_weights)
        return merge_heads(both), pair, present


def _scores(query: Tensor, encodings: Tensor, keys: Size, biases: Biases, other_segment: Tensor | None) -> Tensor:
    """What distances and segments add to the scaled scores of attention.

    Args:
        query: (B, N, S, D). encodings: (1 or B, N, L, D). keys: K.
        other_segment: (B, 1, S, K); None where all are of one segment.
    """
    scores = relative_scores(query + ops.expand_dims(biases.position, 1), encodings, keys)  # (B, N, S, K)
    if other_segment is None:
        return scores
    # What the same segment adds is added to all scores of a query alike. So only what another adds beyond that counts.
    beyond = ops.expand_dims(biases.segments[1] - biases.segments[0], -1) * query.shape[-1] ** -0.5  # (N, D, 1)
    added = ops.matmul(query + ops.expand_dims(biases.segment, 1), beyond)  # (B, N, S, 1)
    return scores + added * ops.cast(other_segment, scores.dtype)


@dataclass(slots=True)
class StreamsContext(ForwardContext):
    """A call of XLNet, checked once.

    Attributes:
        mems: per layer (B, M, H), states of earlier tokens; M is ``before``.
        perm_mask: (B, S, S), 1 where a token does not see another.
        target_mapping: (B, T, S), where the targets stand.
        encodings: of distances, as :class:`StreamContext` has them.
        remember: whether states are returned for the next call.
    """

    config: Any
    mems: list[Tensor] | None = None
    perm_mask: Tensor | None = None
    target_mapping: Tensor | None = None
    encodings: Tensor | None = None
    remember: bool = False

    @classmethod
    def of_streams(
        cls,
        model: Any,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        mems: Any,
        perm_mask: Tensor | None,
        target_mapping: Tensor | None,
        token_type_ids: Tensor | None,
        input_mask: Tensor | None,
        head_mask: Tensor | None,
        inputs_embeds: Tensor | None,
        use_mems: bool | None,
        output_attentions: bool | None,
        output_hidden_states: bool | None,
        training: bool | None,
    ) -> StreamsContext:
        """Check the inputs of a call, see :meth:`TFXLNetMainLayer.call`, and work out what its layers need.

        Raises:
            ValueError: naming the argument, what it is and what it should be.
        """
        config = model.config
        check_masks(attention_mask, input_mask)
        if input_mask is not None:
            attention_mask = ops.logical_not(is_set(input_mask))
        layers = layers_of_memory(mems, config.n_layer)
        context = cls.of(
            model,
            input_ids,
            inputs_embeds,
            attention_mask,
            head_mask=head_mask,
            use_cache=False,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        read: Any = input_ids if input_ids is not None else inputs_embeds
        batch, length = read.shape[:2]
        one, square = "batch, sequence", "batch, sequence, sequence"
        if attention_mask is not None and len(attention_mask.shape) != 2:
            name = "attention_mask" if input_mask is None else "input_mask"
            check_shape(name, attention_mask.shape, (batch, length), one)
        if token_type_ids is not None:
            check_shape("token_type_ids", token_type_ids.shape, (batch, length), one)
            context.token_type_ids = token_type_ids
        if perm_mask is not None:
            check_shape("perm_mask", perm_mask.shape, (batch, length, length), square)
        if target_mapping is not None:
            check_shape("target_mapping", target_mapping.shape, (batch, None, length), "batch, targets, sequence")
        if layers is not None:
            check_memory(layers, batch, config.d_model)
            context.before = ops.shape(layers[0])[0]
            context.mems = [ops.transpose(each, (1, 0, 2)) for each in layers]
        if config.bi_data:
            check_rows(batch)
        context.perm_mask, context.target_mapping = perm_mask, target_mapping
        use_mems = chosen(use_mems, config.use_mems_train if training else config.use_mems_eval)
        context.remember = use_mems and bool(config.mem_len)
        return context

    def encode_distances(self, dtype: str) -> Tensor:
        """Encodings of the distances of a call: (1 or 2, L, H)."""
        config, keys = self.config, self.before + self.length
        # Where no later token is attended to, one distance more is what the shift needs.
        last = -1 if config.attn_type == "uni" else -self.length
        found = relative_encodings(keys - 1, last, config.d_model, dtype, config.clamp_len)
        if not config.bi_data:
            return ops.expand_dims(found, 0)
        sines, cosines = ops.split(found, 2, axis=-1)  # of -x they are -sin x and cos x
        return ops.stack((found, ops.concatenate((-sines, cosines), axis=-1)))

    def _visible(self) -> tuple[Tensor | None, Tensor | None]:
        """To which keys the tokens attend, and the targets: (B or 1, 1, S or 1, K) each, boolean; None for all."""
        before, length = self.before, self.length
        keys = ops.expand_dims(ops.arange(before + length, dtype="int32"), 0)  # (1, K)
        places = ops.expand_dims(ops.arange(length, dtype="int32") + before, 1)  # (S, 1)
        allowed: Tensor | None = None
        if self.attention_mask is not None:
            allowed = ops.expand_dims(is_set(self.attention_mask), (1, 2))  # (B, 1, 1, S)
        if self.perm_mask is not None:
            seen = ops.expand_dims(ops.logical_not(is_set(self.perm_mask)), 1)  # (B, 1, S, S)
            allowed = seen if allowed is None else ops.logical_and(seen, allowed)
        itself = None if allowed is None else ops.equal(keys, places)  # (S, K)
        if self.mems is not None:
            # The last layer's are states that were normalised: no token's are all zero.
            filled = ops.expand_dims(ops.any(ops.not_equal(self.mems[-1], 0), axis=-1), (1, 2))  # (B, 1, 1, M)
            if allowed is None:
                allowed = ops.ones((1, 1, 1, length), "bool")
            filled = ops.logical_and(filled, ops.ones_like(allowed[..., :1]))
            allowed = ops.logical_and(allowed, ops.ones((ops.shape(filled)[0], 1, 1, 1), "bool"))
            allowed = ops.concatenate((filled, allowed), axis=-1)
        if self.config.attn_type == "uni":
            earlier = keys <= places
            if self.config.same_length:
                earlier = ops.logical_and(earlier, keys >= places - before)
            earlier = ops.expand_dims(earlier, (0, 1))
            allowed = earlier if allowed is None else ops.logical_and(allowed, earlier)
        return allowed if allowed is None or itself is None else ops.logical_or(allowed, itself), allowed

    def layers(self, dtype: str) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of a type."""
        of_tokens, of_targets = self._visible()
        other: Tensor | None = None
        types = self.token_type_ids
        if types is not None:
            # The memory is of segment 0, as published.
            before = ops.zeros((ops.shape(types)[0], self.before), types.dtype)
            of_keys = types if self.mems is None else ops.concatenate((before, types), axis=1)
            other = ops.expand_dims(ops.not_equal(ops.expand_dims(types, 2), ops.expand_dims(of_keys, 1)), 1)
        return [
            StreamContext(
                head_mask=head_mask,
                need_weights=self.need_weights,
                encodings=self.encodings,
                memory=None if self.mems is None else self.mems[i],
                allowed=of_tokens,
                allowed_targets=of_targets,
                target_mapping=self.target_mapping,
                other_segment=other,
            )
            for i, head_mask in enumerate(layer_head_masks(self.head_mask, self.config, dtype))
        ]

    def through(
        self,
        stack: Any,
        layers: Iterable[Callable[..., LayerOutput]],
        hidden_states: Tensor,
        finish: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Any]:
        """As :meth:`ForwardContext.through`, for the states of both streams (B, A, H), with ``mems`` among the fields.

        The last hidden state is the query stream's where there is one. Hidden states are those of the one, or of both
        in turns.
        """
        wanted, self.need_states = self.need_states, self.need_states or self.remember
        fields = super(StreamsContext, self).through(stack, layers, hidden_states, finish)
        self.need_states = wanted
        states, last = fields["hidden_states"], fields["last_hidden_state"]
        mems = self._remembered(states[:-1]) if self.remember else None
        if self.target_mapping is not None:
            last = last[:, self.length :]
            if wanted:
                states = tuple(x for both in states for x in (both[:, : self.length], both[:, self.length :]))
        return {
            "last_hidden_state": last,
            "mems": mems,
            "hidden_states": states if wanted else None,
            "attentions": fields["attentions"],
        }

    def _remembered(self, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The memory for the next call, of what the layers read: (M, B, H) each. States of padding are zero in it."""
        present: Tensor | None = None
        if self.attention_mask is not None:
            present = ops.expand_dims(is_set(self.attention_mask), -1)  # (B, S, 1)
        mems = []
        for i, each in enumerate(states):
            each = ops.stop_gradient(each[:, : self.length])
            each = (each if present is None else each * ops.cast(present, each.dtype))[
                :, : self.config.reuse_len or None
            ]
            if self.mems is not None:
                each = ops.concatenate((ops.stop_gradient(ops.cast(self.mems[i], each.dtype)), each), axis=1)
            mems.append(ops.transpose(each[:, -self.config.mem_len :], (1, 0, 2)))
        return tuple(mems)
