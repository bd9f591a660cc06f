"""``generate`` in PyTorch. What needs no framework is in ``generate``; mirrored by ``generate_tf``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, H hidden size, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tx_core.messages import quoted
from tx_core.models.forward_torch import ForwardContext, LayerContext
from tx_core.models.past_torch import past_length
from tx_core.models.steps_torch import apply_linear, steps

from .generate import Generation
from .loops_torch import Run
from .memory_torch import KeyValueMemory, Memory
from .options import Options
from .prompts import Prompts


class GenerationMixin(Generation[Tensor, torch.Generator]):
    """``generate`` for a model with a language model head, which says how it reads tokens one after the other."""

    device: Any
    modules: Any

    def _begin(self, prompts: Prompts, times: int) -> tuple[Tensor, Memory]:
        """Read prompts; returns the scores (B, V) of the next token and what is remembered. Given by the architecture.

        Args:
            times: rows of each prompt in the memory, beside each other.
        """
        raise NotImplementedError

    def _continue(self, tokens: Tensor, memory: Any) -> Tensor:
        """Read one token (R,) a row; returns the scores (R, V) of the next. Given by the architecture."""
        raise NotImplementedError

    def next_inputs(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The ``generation_inputs`` (R, 1) of a new token, given those of the token before it.

        They are the same by default: a language goes on.
        """
        return dict(inputs)

    @property
    def generation_config(self) -> None:
        """None: what :meth:`generate` is not told it takes from ``config``. Tools like peft hand this on."""

    @generation_config.setter
    def generation_config(self, value: object) -> None:
        if value is not None:
            raise ValueError(
                f"generation_config must be None, not {quoted(value)}: generate() takes its options as arguments, and "
                "from config"
            )

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, past: Any = None, attention_mask: Tensor | None = None, **inputs: Any
    ) -> dict[str, Any]:
        """The arguments of a forward pass that reads what ``past`` has not, for loops of one's own and tools like peft.

        :meth:`generate` does not ask for it.

        Args:
            input_ids: (B, S), all tokens so far.
            past: what the last forward pass returned under this name; None to read all tokens.
            attention_mask: (B, S), 1 for tokens, 0 for padding.
            inputs: further arguments. Those of each token, (B, S), are cut as the ids are.
        """
        length, before = input_ids.shape[1], past_length(past, self.config.num_hidden_layers)
        given = {"past": past, "attention_mask": attention_mask, **inputs}
        for name in ("token_type_ids", "position_ids", "inputs_embeds"):
            if isinstance(each := given.get(name), Tensor) and each.shape[1] == length:
                given[name] = each[:, before:]
        return {"input_ids": input_ids[:, before:], **{name: x for name, x in given.items() if x is not None}}

    def _tensor(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _untensored(self, x: Any) -> Any:
        return x.cpu().numpy() if isinstance(x, Tensor) else x

    def _run(
        self, prompts: Prompts, options: Options, generator: torch.Generator | None, seed: int | None, **own: Any
    ) -> Run:
        if seed is not None:
            generator = torch.Generator(self.device).manual_seed(seed)
        return Run(self, prompts, options, generator)


class KeyValueGeneration(GenerationMixin):
    """``generate`` for a model whose layers remember keys and values.

    The bare model says what the first layer reads (``embed``), which layers follow (``layer_calls``), what becomes of
    the last one's states (``finish``); the model with the head, how they score the vocabulary (``score``). A layer may
    have a ``step``, a fast form of its ``forward`` for single tokens, see :mod:`tx_core.models.steps_torch`.
    """

    base_model: Any
    get_output_embeddings: Any

    def _max_positions(self) -> int | None:
        return self.config.longest_sequence

    def _begin(self, prompts: Prompts, times: int) -> tuple[Tensor, Memory]:
        base = self.base_model
        ids, extra = self._tensor(prompts.ids), {name: self._tensor(x) for name, x in prompts.extra.items()}
        mask = None if prompts.mask is None else self._tensor(prompts.mask)
        positions = base.make_positions(ids, mask, ids.shape[1], ids.shape[1], ids.device)
        memory = KeyValueMemory(self.config.num_hidden_layers, _all_positions(positions, prompts), mask, extra)
        memory.steps = steps(base, memory.layers)
        logits = self._read_tokens(ids, memory)
        memory.extra = {name: x[:, -1:] for name, x in extra.items()}
        memory.repeat(times)
        return logits, memory

    def _continue(self, tokens: Tensor, memory: Any) -> Tensor:
        if memory.extra:
            memory.extra = self.next_inputs(memory.extra)
        return self._read_tokens(tokens[:, None], memory)

    def _read_tokens(self, ids: Tensor, memory: KeyValueMemory) -> Tensor:
        """Read the next tokens (R, S); returns the scores (R, V) of the one after them."""
        base, length = self.base_model, ids.shape[1]
        context = ForwardContext(self.config, ids, None, None, None, memory.next(length), length, extra=memory.extra)
        states = base.embed(context)  # (R, S, H)
        bias, is_causal = memory.bias(states.dtype)
        if memory.steps and length == 1:
            states = states[:, 0]
            for step in memory.steps:
                states = step(states, bias)
        else:
            for layer, past in zip(base.layer_calls(), memory.layers, strict=True):
                states = layer(states, LayerContext(bias, is_causal, past=past))[0]
            states = states[:, -1]
        return self.score(base.finish(states))

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the last one's states (R, H)."""
        return apply_linear(self.get_output_embeddings(), states)


def _all_positions(positions: Tensor, prompts: Prompts) -> Tensor:
    """The positions of prompts (1 or B, S), and of the tokens that may follow: (1 or B, total).

    Rows with a lower limit than others go on, for nothing, when they have reached it. They keep the last position: the
    model may know no other.
    """
    following = np.arange(1, prompts.limits.max() + 1)[None]  # (1, T)
    if (prompts.limits != prompts.limits[0]).any():
        following = np.minimum(following, prompts.limits[:, None])  # (B, T)
    after = positions[:, -1:] + torch.from_numpy(following).to(positions)
    return torch.cat((positions.expand(len(after), -1), after), 1)
