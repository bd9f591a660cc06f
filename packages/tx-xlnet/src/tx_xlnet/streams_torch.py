"""One call of XLNet in PyTorch: what its layers are given. Mirrored by ``streams_tf``.

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

import torch
from torch import Tensor, nn

from tx_core.models.attention_torch import attend, layer_head_masks, merge_heads
from tx_core.models.forward_torch import ForwardContext, LayerContext, LayerOutput, Present
from tx_core.models.inputs import chosen
from tx_core.models.inputs_torch import has_values
from tx_core.models.past_torch import extend_past
from tx_core.models.relative_torch import disallow, relative_encodings, relative_scores

from .inputs import check_masks, check_memory, check_rows, check_shape, layers_of_memory


class Biases(NamedTuple):
    """What is added to queries, (N, D) each, and the encodings (2, N, D) of the same segment and of another one."""

    content: Tensor
    position: Tensor
    segment: Tensor
    segments: Tensor


@dataclass(slots=True)
class StreamContext(LayerContext):
    """What one layer is given beside the states of both streams.

    Attributes:
        encodings: of distances, from that of the first key to the first query down: (1 or 2, L, H), 2 where the second
            half of the rows are read backwards.
        memory: (B, M, H), this layer's states of earlier tokens.
        allowed: (B or 1, 1, S or 1, K), boolean, to which keys a token attends; None for all.
        allowed_targets: the same of the query stream.
        target_mapping: (B, T, S), where the targets stand; None if there is one stream.
        other_segment: (B, 1, S, K), 1 where a token and a key are of different segments; None if all are of one.
        segments: (T,), the segments of packed tokens.
        causal: whether distances to later tokens have no encodings.
    """

    encodings: Any = None
    memory: Tensor | None = None
    allowed: Tensor | None = None
    allowed_targets: Tensor | None = None
    target_mapping: Tensor | None = None
    other_segment: Tensor | None = None
    segments: Tensor | None = None
    causal: bool = False

    def content(self, states: Tensor) -> Tensor:
        """The states that give keys and values: (B, M + S, H), or packed ones."""
        if self.target_mapping is not None:
            states = states[:, : self.target_mapping.shape[-1]]
        return states if self.memory is None else torch.cat((self.memory.to(states.dtype), states), 1)

    def attend_streams(
        self, query: Tensor, key: Tensor, value: Tensor, encodings: Tensor, biases: Biases, dropout: float
    ) -> LayerOutput:
        """Attention of both streams' queries (B, A, N, D) to the content's keys and values (B, K, N, D).

        Args:
            encodings: (1 or 2, L, N, D), projected.
            dropout: probability with which attention probabilities are dropped; 0 outside of training.

        Returns:
            What was attended to, (B, A, N·D); the probabilities (B, N, S, K), of two streams a pair, or None; and keys
            and values (B, N, K, D), None where they are not kept.
        """
        if self.packing is not None:
            return self._packed(query, key, value, encodings, biases, dropout), None, None
        query, key, value, encodings = (x.transpose(1, 2) for x in (query, key, value, encodings))  # (…, N, …, D)
        key, value = extend_past(self.past, key, value)  # (B, N, K, D)
        if encodings.shape[0] > 1:
            encodings = encodings.repeat_interleave(query.shape[0] // 2, 0)
        present: Present | None = (key, value) if self.keep else None

        def stream(query: Tensor, allowed: Tensor | None, seen: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
            scores = disallow(_scores(query, encodings, key.shape[2], biases, self.other_segment), allowed)
            query = query + biases.content[:, None]
            if seen is not None:
                scores, query = scores.mul_(seen), query * seen
            return attend(query, key, value, scores, self.head_mask, dropout, self.need_weights)

        if self.target_mapping is None:
            attended, weights = stream(query, self.allowed)
            return merge_heads(attended), weights, present
        mapping = self.target_mapping.to(query.dtype)[:, None]  # (B, 1, T, S)
        content, targets = query[:, :, : mapping.shape[-1]], query[:, :, mapping.shape[-1] :]
        attended, weights = stream(content, self.allowed)
        allowed, seen = self.allowed_targets, None
        if allowed is not None:
            # A target may see nothing, as the first of an order that mems do not precede. Then all its scores are 0,
            # and it attends to everything alike, as in the authors' code.
            seen = allowed.any(-1, keepdim=True)  # (B, 1, S, 1)
            allowed = allowed | ~seen
        # Each target's query is put where its token stands, and what it attended to is taken from there.
        of_targets, target_weights = stream(mapping.transpose(-1, -2) @ targets, allowed, seen)
        both = torch.cat((attended, mapping @ of_targets), 2)
        pair: Any = None if weights is None else (weights, target_weights)
        return merge_heads(both), pair, present

    def _packed(
        self, query: Tensor, key: Tensor, value: Tensor, encodings: Tensor, biases: Biases, dropout: float
    ) -> Tensor:
        """Attention of every row's tokens to those of the row: (T, N, D) → (T, N·D)."""
        assert self.packing is not None
        packing = self.packing
        sizes = [rows * length for rows, length in packing.groups]
        segments: Sequence[Any] = [None] * len(sizes) if self.segments is None else torch.split(self.segments, sizes)
        attended = []
        for group, segment, *parts in zip(
            packing.groups, segments, *(torch.split(x, sizes) for x in (query, key, value)), strict=True
        ):
            length = group[1]
            q, k, v = (x.unflatten(0, group).transpose(1, 2) for x in parts)  # (rows, N, length, D)
            first = packing.length - length
            count = length + 1 if self.causal else 2 * length
            here = encodings[:, first : first + count].transpose(1, 2)
            other = None
            if segment is not None:
                of_rows = segment.unflatten(0, group)
                other = (of_rows[:, :, None] != of_rows[:, None])[:, None]
            scores = _scores(q, here, length, biases, other)
            if self.causal:
                assert self.allowed is not None
                scores = disallow(scores, self.allowed[..., :length, :length])
            found, _ = attend(q + biases.content[:, None], k, v, scores, None, dropout)
            attended.append(merge_heads(found).flatten(0, 1))  # (rows · length, N·D)
        return torch.cat(attended)


def _scores(query: Tensor, encodings: Tensor, keys: int, biases: Biases, other_segment: Tensor | None) -> Tensor:
    """What distances and segments add to the scaled scores of attention, as a tensor that may be written to.

    Args:
        query: (B, N, S, D). encodings: (1 or B, N, L, D). keys: K.
        other_segment: (B, 1, S, K); None where all are of one segment.
    """
    scores = relative_scores(query + biases.position[:, None], encodings, keys)  # (B, N, S, K)
    if other_segment is None:
        return scores
    # What the same segment adds is added to all scores of a query alike. So only what another adds beyond that counts.
    beyond = (biases.segments[1] - biases.segments[0])[:, :, None] * query.shape[-1] ** -0.5  # (N, D, 1)
    added = (query + biases.segment[:, None]) @ beyond.to(query.dtype)  # (B, N, S, 1)
    return scores.addcmul_(added.to(scores.dtype), other_segment.to(scores.dtype))


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
    encodings: Any = None
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
        skip_padding: bool | None,
    ) -> StreamsContext:
        """Check the inputs of a call, see :meth:`XLNetModel.forward`, and work out what its layers need.

        Raises:
            ValueError: naming the argument, what it is and what it should be.
        """
        config = model.config
        check_masks(attention_mask, input_mask)
        if input_mask is not None:
            attention_mask = input_mask <= 0
        layers = layers_of_memory(mems, config.n_layer)
        # Padding is skipped where rows do not depend on more than their tokens.
        in_rows = config.bi_data or any(each is not None for each in (layers, perm_mask, target_mapping))
        context = cls.of(
            model,
            input_ids,
            inputs_embeds,
            attention_mask,
            head_mask=head_mask,
            use_cache=False,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            skip_padding=False if in_rows else skip_padding,
        )
        read = input_ids if input_ids is not None else inputs_embeds
        assert read is not None
        batch, length = read.shape[:2]
        one, square = "batch, sequence", "batch, sequence, sequence"
        if attention_mask is not None and attention_mask.dim() != 2:
            check_shape(
                "attention_mask" if input_mask is None else "input_mask", attention_mask.shape, (batch, length), one
            )
        if token_type_ids is not None:
            check_shape("token_type_ids", token_type_ids.shape, (batch, length), one)
            context.token_type_ids = token_type_ids if context.packing is None else context.packing.pack(token_type_ids)
        if perm_mask is not None:
            check_shape("perm_mask", perm_mask.shape, (batch, length, length), square)
        if target_mapping is not None:
            check_shape("target_mapping", target_mapping.shape, (batch, None, length), "batch, targets, sequence")
        if layers is not None:
            check_memory(layers, batch, config.d_model)
            context.before = layers[0].shape[0]
            context.mems = [each.transpose(0, 1) for each in layers]
        if config.bi_data:
            check_rows(batch)
        context.perm_mask, context.target_mapping = perm_mask, target_mapping
        use_mems = chosen(use_mems, config.use_mems_train if model.training else config.use_mems_eval)
        context.remember = use_mems and bool(config.mem_len)
        return context

    def _skip_padding(self) -> None:
        """As :meth:`ForwardContext._skip_padding`, if the tokens of each row stand side by side.

        Others would come closer to each other.
        """
        mask = self.attention_mask
        if mask is not None and mask.dim() == 2 and has_values(mask):
            present = (mask > 0).long()
            if int(present.diff(dim=-1, prepend=present[:, :1] * 0).clamp(min=0).sum(-1).max() if len(mask) else 0) > 1:
                return
        super(StreamsContext, self)._skip_padding()

    def encode_distances(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Encodings of the distances of a call: (1 or 2, L, H)."""
        config, keys = self.config, self.before + self.length
        # Where no later token is attended to, one distance more is what the shift needs.
        last = -1 if config.attn_type == "uni" else -self.length
        found = relative_encodings(keys - 1, last, config.d_model, dtype, device, config.clamp_len)
        if not config.bi_data:
            return found[None]
        sines, cosines = found.chunk(2, -1)  # of -x they are -sin x and cos x
        return torch.stack((found, torch.cat((-sines, cosines), -1)))

    def _visible(self, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
        """To which keys the tokens attend, and the targets: (B or 1, 1, S or 1, K) each, boolean; None for all."""
        before, length = self.before, self.length
        keys = torch.arange(before + length, device=device)
        places = torch.arange(before, before + length, device=device)[:, None]  # (S, 1)
        allowed: Tensor | None = None
        mask = None if self.packing is not None or _all_set(self.attention_mask) else self.attention_mask
        if mask is not None:
            allowed = (mask > 0)[:, None, None]  # (B, 1, 1, S)
        if self.perm_mask is not None:
            seen = (self.perm_mask <= 0)[:, None]  # (B, 1, S, S)
            allowed = seen if allowed is None else seen & allowed
        itself: Tensor | None = None if allowed is None else keys == places  # (S, K)
        if self.mems is not None:
            # The last layer's are states that were normalised: no token's are all zero.
            filled = (self.mems[-1] != 0).any(-1)[:, None, None]  # (B, 1, 1, M)
            if allowed is None:
                allowed = filled.new_ones(1, 1, 1, length)
            filled = filled & torch.ones_like(allowed[..., :1])
            allowed = torch.cat((filled, allowed & allowed.new_ones(filled.shape[0], 1, 1, 1)), -1)
        if self.config.attn_type == "uni":
            earlier = keys <= places
            if self.config.same_length:
                earlier = earlier & (keys >= places - before)
            allowed = earlier[None, None] if allowed is None else allowed & earlier
        return allowed if allowed is None or itself is None else allowed | itself, allowed

    def layers(self, hidden_states: Tensor) -> list[LayerContext]:
        """What each layer is given, to compute with numbers of the states' type."""
        of_tokens, of_targets = self._visible(hidden_states.device)
        other: Tensor | None = None
        types = self.token_type_ids
        if types is not None and self.packing is None:
            # The memory is of segment 0, as published.
            of_keys = (
                types if self.mems is None else torch.cat((types.new_zeros(types.shape[0], self.before), types), 1)
            )
            other = (types[:, :, None] != of_keys[:, None])[:, None]  # (B, 1, S, K)
        return [
            StreamContext(
                head_mask=head_mask,
                need_weights=self.need_weights,
                packing=self.packing,
                encodings=self.encodings,
                memory=None if self.mems is None else self.mems[i],
                allowed=of_tokens,
                allowed_targets=of_targets,
                target_mapping=self.target_mapping,
                other_segment=other,
                segments=types if self.packing is not None else None,
                causal=self.config.attn_type == "uni",
            )
            for i, head_mask in enumerate(layer_head_masks(self.head_mask, self.config, hidden_states.dtype))
        ]

    def through(
        self,
        stack: nn.Module,
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
        if self.attention_mask is not None and self.packing is None:
            present = (self.attention_mask > 0)[:, :, None]  # (B, S, 1)
        mems = []
        for i, each in enumerate(states):
            each = each[:, : self.length].detach()
            each = each if present is None else each * present
            each = each[:, : self.config.reuse_len or None]
            if self.mems is not None:
                each = torch.cat((self.mems[i].detach().to(each.dtype), each), 1)
            mems.append(each[:, -self.config.mem_len :].transpose(0, 1))
        return tuple(mems)


def _all_set(mask: Tensor | None) -> bool:
    """Whether a mask allows everything, where that can be told without waiting for an accelerator."""
    return mask is None or (mask.device.type == "cpu" and has_values(mask) and bool((mask > 0).all()))
