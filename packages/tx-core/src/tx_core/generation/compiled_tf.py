"""The functions that TensorFlow compiles for ``generate``.

One reads prompts; it is traced once for all sizes. Two read single tokens: one a token a row, the other as many as it
likes best, for greedy search. These are traced for each number of rows and capacity of the memory.

Shapes: R rows, S sequence, T new tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from keras import ops

from tx_core.models.switches_tf import products_for_xla

from .memory_tf import CompiledMemory
from .prompts import BoolArray, IntArray, Prompts

Tensor = Any

# How many tokens greedy search reads at most before Python sees them. To come back after each takes a tenth of the
# time; to come back never would keep control-C waiting.
TOKENS_A_CALL = 32


class Compiled:
    """The compiled functions of a model, which is a ``CompiledGeneration``.

    Attributes:
        read: reads prompts.
        step: (with XLA or without) reads one token a row.
        run: reads tokens and chooses the likeliest next ones, several times.
        variables: what the model consisted of.
        settings: values of the configuration that they were traced with.
    """

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.variables, self.settings = model.variables, model._settings()

        def step(tokens: Tensor, start: Tensor, extra: Any, constants: Any, memory: Any) -> tuple[Tensor, Any]:
            extra = model.next_inputs(extra)
            logits, written = model._read_token(tokens, start, extra, constants, _values(memory))
            _assign(memory, written)
            return logits, extra

        def run(
            tokens: Tensor,
            start: Tensor,
            count: Tensor,
            ended: Tensor,
            ends: Tensor,
            extra: Any,
            constants: Any,
            memory: Any,
        ) -> tuple[Tensor, Tensor, Any]:
            def goes_on(done: Tensor, tokens: Tensor, ended: Tensor, chosen: Tensor, extra: Any, held: Any) -> Tensor:
                return ops.logical_and(done < count, ops.logical_not(ops.all(ended)))

            def once(
                done: Tensor, tokens: Tensor, ended: Tensor, chosen: Tensor, extra: Any, held: Any
            ) -> tuple[Any, ...]:
                extra = model.next_inputs(extra)
                logits, written = model._read_token(tokens, start + done, extra, constants, held)
                tokens = ops.expand_dims(ops.cast(ops.argmax(logits, axis=-1), "int32"), 1)  # (R, 1)
                ended = ops.logical_or(ended, ops.take(ends, tokens[:, 0]))
                return done + 1, tokens, ended, ops.slice_update(chosen, (0, done), tokens), extra, written

            chosen = ops.zeros((tokens.shape[0], TOKENS_A_CALL), "int32")
            state = (tf.constant(0), tokens, ended, chosen, extra, _values(memory))
            done, _, _, chosen, extra, written = tf.while_loop(goes_on, once, state)
            _assign(memory, written)
            return done, chosen, extra

        self.read = tf.function(model._read_prompts, autograph=False)
        self.step = {True: _for_xla(step), False: tf.function(step, autograph=False)}
        self.run = _for_xla(run)

    def read_prompts(self, prompts: Prompts) -> tuple[Tensor, Any]:
        """What the model's ``_read_prompts`` makes of prompts."""
        import tensorflow as tf

        extra = {name: tf.constant(x, tf.int32) for name, x in prompts.extra.items()}
        some = tf.TensorSpec((None, None), tf.int32)
        read = self.read.get_concrete_function(some, tf.TensorSpec((None, None), tf.bool), dict.fromkeys(extra, some))
        logits, found = read(tf.constant(prompts.ids, tf.int32), tf.constant(prompts.attended), extra)
        return logits, found

    def read_token(self, tokens: IntArray, memory: CompiledMemory) -> Tensor:
        """Read one token (R,) a row; returns the scores (R, V) of the next."""
        import tensorflow as tf

        inputs = (tf.constant(tokens[:, None], tf.int32), tf.constant(memory.length))
        logits, memory.extra = memory.call("step", self.step[memory.jit_compile], *inputs)
        memory.length += 1
        return logits

    def read_likeliest(
        self, tokens: IntArray, memory: CompiledMemory, count: int, ended: BoolArray, ends: BoolArray
    ) -> Tensor:
        """Read one token (R,) a row; returns the likeliest next ones (R, T), of which all but the last were read too.

        Args:
            count: the greatest T; it is less once all rows have ended.
            ended: (R,), which have. ends: (V,), the tokens that end a row.
        """
        import tensorflow as tf

        inputs = (
            tf.constant(tokens[:, None], tf.int32),
            tf.constant(memory.length),
            tf.constant(min(count, TOKENS_A_CALL)),
            tf.constant(ended),
            tf.constant(ends),
        )
        done, chosen, memory.extra = memory.call("run", self.run, *inputs)
        memory.length += int(done)
        return chosen[:, :done]


def _values(memory: Any) -> Any:
    import tensorflow as tf

    return tf.nest.map_structure(ops.convert_to_tensor, memory)


def _assign(memory: Any, written: Any) -> None:
    import tensorflow as tf

    tf.nest.map_structure(lambda variable, value: variable.assign(value), memory, written)


def _for_xla(function: Callable[..., Any]) -> Any:
    import tensorflow as tf

    @wraps(function)
    def traced(*inputs: Any) -> Any:
        # On other devices XLA leaves products to their libraries.
        with nullcontext() if tf.config.list_logical_devices("GPU") else products_for_xla.on():
            return function(*inputs)

    return tf.function(traced, jit_compile=True, autograph=False)
