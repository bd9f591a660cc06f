"""``generate`` in Keras on TensorFlow. What needs no framework is in ``generate``; mirrors ``generate_torch``.

Shapes: B prompts, R rows (B times the sequences or beams of each), S sequence, M capacity of the memory, N heads, D
head width, H hidden size, V vocabulary.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tx_core.models.attention_tf import allowed_to_bias, attention_bias
from tx_core.models.forward_tf import ForwardContext, LayerContext
from tx_core.models.layers_tf import nothing_of

from .compiled_tf import Compiled
from .generate import Generation, with_argument
from .loops_tf import Run, array
from .memory_tf import CompiledMemory, KeyValueMemory, Memory
from .options import Options
from .prompts import BoolArray, IntArray, Prompts

Tensor = Any

_JIT_COMPILE = inspect.Parameter("jit_compile", inspect.Parameter.KEYWORD_ONLY, default=True, annotation="bool")

_making_functions = threading.Lock()


class GenerationMixin(Generation[Any, Any]):
    """``generate`` for a model with a language model head, which says how it reads tokens one after the other."""

    _own_arguments = ("jit_compile",)

    generate = with_argument(
        Generation.generate,
        _JIT_COMPILE,
        """jit_compile: whether XLA compiles the model's step: faster tokens after a longer first call. Plain greedy
        search is then a compiled loop too, faster than a token at a time. In either case TensorFlow compiles when a
        number of rows, or a power of two of tokens (prompt and new ones), comes up for the first time; that takes
        seconds.""",
        "RuntimeError: if Keras does not run on TensorFlow, or within a ``tf.function``.",
    )

    def _begin(self, prompts: Prompts, times: int, jit_compile: bool) -> tuple[Tensor, Memory]:
        """Read prompts; returns the scores (B, V) of the next token and what is remembered. Given by the architecture.

        Args:
            times: rows of each prompt in the memory, beside each other.
        """
        raise NotImplementedError

    def _continue(self, tokens: IntArray, memory: Any) -> Tensor:
        """Read one token (R,) a row; returns the scores (R, V) of the next. Given by the architecture."""
        raise NotImplementedError

    def _likeliest(self, tokens: IntArray, memory: Any, count: int, ended: BoolArray, eos: Sequence[int]) -> IntArray:
        """Read one token (R,) a row; returns the likeliest next ones (R, T), of which all but the last were read too.

        Without a compiled function that does so, only one.

        Args:
            count: the greatest T; it is less once all rows have ``ended`` (R,) or have one of the tokens ``eos``.
        """
        found: IntArray = array(ops.argmax(self._continue(tokens, memory), axis=-1)).astype(np.int64)[:, None]
        return found

    def next_inputs(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The ``generation_inputs`` (R, 1) of a new token, given those of the token before it.

        They are the same by default: a language goes on.
        """
        return dict(inputs)

    def _prepare(self) -> None:
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"{type(self).__name__}.generate() needs Keras on TensorFlow, but Keras's backend is "
                f"{keras.backend.backend()!r}: set the environment variable KERAS_BACKEND=tensorflow"
            )
        import tensorflow as tf

        if not tf.executing_eagerly():
            raise RuntimeError(
                f"{type(self).__name__}.generate() compiles what it needs itself and cannot be a part of a tf.function"
            )

    def _untensored(self, x: Any) -> Any:
        import tensorflow as tf

        return array(x) if tf.is_tensor(x) else x

    def _run(self, prompts: Prompts, options: Options, generator: Any, seed: int | None, **own: Any) -> Run:
        import tensorflow as tf

        if seed is not None:
            generator = tf.random.Generator.from_seed(seed)
        elif generator is not None and not isinstance(generator, tf.random.Generator):
            raise TypeError(f"generator must be a tf.random.Generator, not {type(generator).__name__}")
        return Run(self, prompts, options, generator, **own)


class CompiledGeneration(GenerationMixin):
    """``generate`` for a model that reads tokens in compiled functions, which write to a memory of fixed size in place.

    The architecture gives what is traced, ``_read_prompts`` and ``_read_token``, and the memory, ``_remember``.
    """

    variables: Any
    _generation: Compiled | None = None

    def _read_prompts(self, ids: Tensor, mask: Tensor, extra: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        """Read prompts.

        Args:
            ids: (B, S). mask: (B, S) boolean, False for padding, which is on the left.
            extra: the ``generation_inputs`` that are given, (B, S).

        Returns:
            The scores (B, V) of the next token, and what a memory is made of.
        """
        raise NotImplementedError

    def _remember(self, found: Any, prompts: Prompts, times: int, jit_compile: bool) -> CompiledMemory:
        """The memory of what :meth:`_read_prompts` found, with ``times`` rows of each prompt beside each other."""
        raise NotImplementedError

    def _read_token(
        self, tokens: Tensor, start: Tensor, extra: Mapping[str, Tensor], constants: Mapping[str, Tensor], memory: Any
    ) -> tuple[Tensor, Any]:
        """Read one token (R, 1) a row.

        Args:
            start: how many tokens the memory holds.
            extra: the ``generation_inputs`` of this token, (R, 1).
            constants: the memory's. memory: the values of its variables.

        Returns:
            The scores (R, V) of the next token, and the new values of the memory's variables.
        """
        raise NotImplementedError

    def _functions(self) -> Compiled:
        # Threads that generate for the first time would each compile functions of their own.
        with _making_functions:
            if self._generation is None:
                self._generation = Compiled(self)
            return self._generation

    def _prepare(self) -> None:
        super()._prepare()
        compiled = self._generation
        # Adapters and quantisation give a model other variables without a word.
        if compiled is not None and (
            [*map(id, compiled.variables)] != [*map(id, self.variables)] or compiled.settings != self._settings()
        ):
            self._generation = None

    def _settings(self) -> tuple[Any, ...]:
        """Values of the configuration that can be set at any time, and are read when functions are traced."""
        return ()

    def _changed(self) -> None:
        """Forget the functions that were compiled, for variables that the model no longer has."""
        super()._changed()  # type: ignore[misc]
        self._generation = None

    def _begin(self, prompts: Prompts, times: int, jit_compile: bool) -> tuple[Tensor, Memory]:
        logits, found = self._functions().read_prompts(prompts)
        return logits, self._remember(found, prompts, times, jit_compile)

    def _continue(self, tokens: IntArray, memory: Any) -> Tensor:
        return self._functions().read_token(tokens, memory)

    def _likeliest(self, tokens: IntArray, memory: Any, count: int, ended: BoolArray, eos: Sequence[int]) -> IntArray:
        if not memory.jit_compile:
            return super()._likeliest(tokens, memory, count, ended, eos)
        # Of the vocabulary's size however many ends there are: another shape would have to be compiled for.
        ends = np.zeros(self.config.vocab_size, np.bool_)
        ends[list(eos)] = True
        found: IntArray = array(self._functions().read_likeliest(tokens, memory, count, ended, ends)).astype(np.int64)
        return found


def written_at(start: Tensor, states: Tensor, memory: Any, presents: Any) -> Any:
    """The values of a memory's variables once a token is written to it.

    Args:
        start: the token's place. states: (R, H), the result of reading it.
        memory, presents: per layer keys and values, (R, N, M, D) and the token's (R, N, 1, D).
    """
    # XLA writes to a memory where it is if all that reads it comes before; otherwise it copies it. So the place to
    # write to is made to depend on the result.
    place = (0, 0, start + ops.cast(nothing_of(states[0, 0]), "int32"), 0)
    return tuple(
        (ops.slice_update(keys, place, present[0]), ops.slice_update(values, place, present[1]))
        for (keys, values), present in zip(memory, presents, strict=True)
    )


class KeyValueGeneration(CompiledGeneration):
    """``generate`` for a model whose layers remember keys and values.

    The main layer says what the first layer reads (``embed``), which layers follow (``layer_calls``), what becomes of
    the last one's states (``finish``); the model with the head, how they score the vocabulary (``score``).
    """

    base_model: Any
    compute_dtype: str
    get_output_embeddings: Any

    def _max_positions(self) -> int | None:
        return self.config.longest_sequence

    def _read_prompts(self, ids: Tensor, mask: Tensor, extra: Mapping[str, Tensor]) -> tuple[Tensor, Any]:
        length = ops.shape(ids)[1]
        positions = self.base_model.make_positions(ids, mask, length, length)
        bias = attention_bias(mask, True, length, length, self.compute_dtype)
        states, presents = self._through(ids, positions, bias, extra, None)
        return self.score(states), (presents, positions[:, -1:])

    def _remember(self, found: Any, prompts: Prompts, times: int, jit_compile: bool) -> CompiledMemory:
        presents, last = found
        return KeyValueMemory(presents, last, prompts, times, jit_compile)

    def _read_token(
        self, tokens: Tensor, start: Tensor, extra: Mapping[str, Tensor], constants: Mapping[str, Tensor], memory: Any
    ) -> tuple[Tensor, Any]:
        # The memory holds the tokens before `start`; what is behind them is not to be attended to, the token is.
        allowed = constants["allowed"]
        held = ops.logical_and(allowed, ops.arange(allowed.shape[1]) < start)  # (R, M)
        attended = ops.concatenate((held, ops.ones((held.shape[0], 1), "bool")), axis=1)  # (R, M + 1)
        bias = allowed_to_bias(ops.expand_dims(attended, (1, 2)), self.compute_dtype)
        # Rows that have ended would run on to positions that the model does not know.
        positions = ops.minimum(start + constants["ahead"], constants["final"])
        states, presents = self._through(tokens, positions, bias, extra, memory)
        return self.score(states), written_at(start, states, memory, presents)

    def _through(
        self, ids: Tensor, positions: Tensor, bias: Tensor, extra: Mapping[str, Tensor], memory: Sequence[Any] | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The way of the next tokens (R, S) through the layers, after those of the memory.

        Returns:
            The last one's state (R, H), and per layer the keys and values of these tokens, (2, R, N, S, D).
        """
        base = self.base_model
        context = ForwardContext(self.config, ids, None, None, None, positions, ops.shape(ids)[1], extra=extra)
        states, presents = base.embed(context), []
        for i, layer in enumerate(base.layer_calls()):
            past = None if memory is None else memory[i]
            states, _, present = layer(states, context=LayerContext(bias, past=past, keep=True))
            presents.append(present)
        return base.finish(states[:, -1]), tuple(presents)

    def score(self, states: Tensor) -> Tensor:
        """The scores (R, V) of the next token, of the last one's states (R, H)."""
        return self.get_output_embeddings()(states)
