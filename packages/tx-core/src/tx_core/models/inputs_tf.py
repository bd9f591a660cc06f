"""Forms, checks and shapes of a call's inputs, in Keras. Mirrors ``inputs_torch``.

Shapes: B batch, C choices, S sequence, H hidden size.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from tx_core.messages import quoted

from .inputs import outside, refuse_empty
from .switches_tf import symbolic_build, symbolic_call

Tensor = Any
Size = Any  # an int, or a scalar tensor where the size is not known before the run


class NamedInputs:
    """Calls with all the inputs that models of 2019 took: a tensor, a list or a dictionary of them, or keywords."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = self._arguments(args, kwargs)
        return super().__call__(*args, **kwargs)  # type: ignore[misc]

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        with symbolic_call.on():
            return super().compute_output_spec(*args, **kwargs)  # type: ignore[misc]

    def stateless_call(self, trainable: Any, non_trainable: Any, *args: Any, **kwargs: Any) -> Any:
        """As ``keras.Model.stateless_call``, with the inputs that a call takes."""
        options = {name: kwargs.pop(name) for name in ("return_losses",) if name in kwargs}
        args, kwargs = self._arguments(args, kwargs)
        return super().stateless_call(trainable, non_trainable, *args, **options, **kwargs)  # type: ignore[misc]

    def _inputs(self) -> tuple[str, ...]:
        """The names of the inputs, in their order."""
        return input_names(type(self))  # type: ignore[arg-type]  # classes are hashable

    def _arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What Keras is called with."""
        if "input_ids" in self._inputs():
            # Keras takes neither lists of numbers nor mappings that are no dictionary; and with all inputs under their
            # names a call looks the same to it however it was written.
            return (), self._named(args, kwargs)
        # A class of a user, call(self, inputs, **kwargs), which hands all on.
        return tuple(dict(each) if isinstance(each, Mapping) else each for each in args), kwargs

    def _named(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        title, names = type(self).__name__, self._inputs()
        if len(args) > len(names):
            raise TypeError(f"{title} takes at most {len(names)} inputs ({', '.join(names)}), not {len(args)}")
        named: dict[str, Any] = {}

        def add(items: Iterable[tuple[str, Any]]) -> None:
            for name, value in items:
                if name not in names:
                    raise TypeError(f"{title} has no input {quoted(name)}; it has {', '.join(names)}")
                if name in named:
                    raise TypeError(f"{title} is given {quoted(name)} twice")
                named[name] = _to_tensors(name, value)

        rest = {name: value for name, value in kwargs.items() if name != "training"}
        first = args[0] if args else rest.get(names[0])
        several = isinstance(first, Mapping) or (isinstance(first, list | tuple) and not _is_numbers(first))
        if several and len(args) > 1:
            raise TypeError(f"{title} is given inputs both as a {type(first).__name__} and by position")
        if several and not args:
            del rest[names[0]]
        if isinstance(first, Mapping):
            add(first.items())
        elif several and first is not None:
            if len(first) > len(names):
                raise TypeError(f"{title} takes at most {len(names)} inputs ({', '.join(names)}), not {len(first)}")
            add(zip(names, first, strict=False))
        else:
            add(zip(names, args, strict=False))
        add(rest.items())
        if "training" in kwargs:
            named["training"] = kwargs["training"]
        return named


@functools.cache
def input_names(cls: Any) -> tuple[str, ...]:
    """The names of a model's inputs, in their order."""
    _, *names = inspect.signature(cls.call).parameters
    return tuple(name for name in names if name != "training")


@dataclass(eq=False, slots=True)
class Kept:
    """A dictionary that a model reads and adds to. Keras would hand on a copy of the dictionary itself."""

    entries: dict[Any, Any]


def _is_numbers(value: Any) -> bool:
    """Whether a list holds numbers, or lists of them, rather than one tensor for each input."""
    while isinstance(value, list | tuple):
        if not all(isinstance(item, list | tuple | int | float | np.number) for item in value):
            return False
        if not value:
            return True
        value = value[0]
    return isinstance(value, int | float | np.number)


def _holds_tensors(value: Any) -> bool:
    """Whether a list holds tensors, as a memory of earlier calls does, or lists of them."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return bool(ops.is_tensor(value)) or isinstance(value, keras.KerasTensor)


def _to_tensors(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return Kept(value)
    if not isinstance(value, list | tuple) or _holds_tensors(value):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: the rows have different lengths: pad them first ({error})") from None
    return array.astype("int32") if array.dtype.kind in "iub" else array.astype(keras.config.floatx())


def input_shape(
    input_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    max_positions: int | None = None,
    attention_mask: Tensor | None = None,
    past_length: Size = 0,
) -> tuple[Size, Size]:
    """Check what a model is called with; returns batch size and sequence length.

    Args:
        input_ids: (B, S). inputs_embeds: (B, S, H); exactly one of the two.
        max_positions: how many positions the model knows, if that is limited.
        attention_mask: its last axis must be as long as past and sequence together.
        past_length: number of tokens seen before.

    Raises:
        ValueError, TypeError: naming the argument, what it is and what it should be.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give either input_ids or inputs_embeds" + ("" if input_ids is None else ", not both"))
    given: Any = inputs_embeds if input_ids is None else input_ids
    name, rank = ("inputs_embeds", 3) if input_ids is None else ("input_ids", 2)
    wanted = "(batch, sequence)" if rank == 2 else "(batch, sequence, hidden)"
    if not is_dense(given):
        raise TypeError(
            f"{name} must be a tensor of shape {wanted}, not a {type(given).__name__}: "
            "pad rows of different lengths, and pass an attention_mask"
        )
    if len(given.shape) != rank:
        raise ValueError(f"{name} must have shape {wanted}, not {tuple(given.shape)}")
    if input_ids is not None and "int" not in keras.backend.standardize_dtype(given.dtype) and not symbolic_build:
        raise ValueError(f"input_ids must be integers, not {given.dtype}: a keras.Input for them needs dtype='int32'")
    refuse_empty(**{name: given})
    batch, length = ops.shape(given)[:2]
    tokens = past_length + length
    if isinstance(tokens, int) and not symbolic_call:
        if max_positions is not None and tokens > max_positions:
            raise ValueError(
                f"the sequence has {tokens} tokens, but the model knows only {max_positions} positions: "
                "truncate it, or split it"
            )
        if attention_mask is not None and attention_mask.shape[-1] not in (tokens, None):
            raise ValueError(f"attention_mask has shape {tuple(attention_mask.shape)}, but there are {tokens} tokens")
    return batch, length


def check_ids(name: str, ids: Tensor, size: Size | None, kind: str = "") -> tuple[Tensor, Tensor | None]:
    """Refuse numbers that are none of 0 to size - 1.

    Keras reads a table's last row for -1, and XLA the last one for a number beyond. An eager call raises an error, and
    so does TensorFlow when it runs a graph. XLA compiles no errors: there, what comes of a wrong number is to be NaN.

    Args:
        name: the argument. size: None if there is no upper limit. kind: what the numbers are, see :func:`outside`.

    Returns:
        The numbers, and where they are wrong, for :func:`undefined`; None where they could be read, and are right.

    Raises:
        ValueError: naming the argument, its range and the number found. In a graph it is TensorFlow's
            ``InvalidArgumentError``, which says the same.
    """
    if readable(ids):
        values = ids.numpy()  # not an operation, whose result would be symbolic inside a tf.function
        low, high = (int(values.min()), int(values.max())) if values.size else (0, -1)
        if low < 0 or (size is not None and high >= size):
            before, after = outside(name, size if size is None else int(size), kind, low >= 0)
            raise ValueError(f"{before} {low if low < 0 else high}, {after}")
        return ids, None
    numbers = ids if keras.backend.standardize_dtype(ids.dtype) in ("int32", "int64") else ops.cast(ids, "int32")
    wrong = numbers < 0
    if size is not None:
        wrong = ops.logical_or(wrong, numbers >= ops.cast(size, numbers.dtype))
    if keras.backend.backend() == "tensorflow":
        _assert_none(wrong, numbers, outside(name, size, kind))
        ids = ops.where(wrong, 0, numbers)  # or the operation that reads the table would be the first to complain
    return ids, wrong


def undefined(wrong: Tensor, dtype: str) -> Tensor:
    """What to add to numbers that come of ids: NaN where those are wrong, else 0."""
    return ops.where(wrong, ops.full((), float("nan"), dtype), ops.zeros((), dtype))


def _assert_none(wrong: Tensor, numbers: Tensor, said: tuple[str, str]) -> None:
    """Let a graph of TensorFlow raise an error where a number is wrong."""
    import tensorflow as tf

    if not tf.is_symbolic_tensor(numbers):
        return  # on an accelerator, where a look would wait for all queued work
    # As a number without a sign, a negative one is the greatest of all.
    unsigned = tf.uint32 if numbers.dtype == tf.int32 else tf.uint64
    found = tf.bitcast(tf.reduce_max(tf.bitcast(numbers, unsigned)), numbers.dtype)
    if numbers.dtype != tf.int32:
        # An assertion that says int32 is one operation. With int64 it would be a branch of the graph.
        found = tf.cast(tf.clip_by_value(found, tf.int32.min, tf.int32.max), tf.int32)
    tf.debugging.Assert(tf.logical_not(tf.reduce_any(wrong)), [said[0], found, said[1]])


def is_dense(x: Any) -> bool:
    """Whether something is an ordinary tensor, neither ragged nor sparse."""
    if keras.backend.backend() != "tensorflow":
        return bool(ops.is_tensor(x)) or isinstance(x, keras.Variable)
    import tensorflow as tf

    return isinstance(x, tf.Tensor | tf.Variable | keras.Variable)


def readable(x: Tensor) -> bool:
    """Whether the values of a tensor are known, and at hand: reading an accelerator would wait for all queued work."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return tf.is_tensor(x) and not tf.is_symbolic_tensor(x) and "GPU" not in x.device


def as_rows(input_ids: Tensor | None, *others: Tensor | None) -> tuple[tuple[Size, ...] | None, list[Tensor | None]]:
    """Token ids of any rank, (…, S), as (B, S), and so what comes with them.

    Returns:
        The axes before S, which :func:`from_rows` gives back to the outputs, None if there is nothing to be done; and
        the inputs.
    """
    inputs = [input_ids, *others]
    if input_ids is None or not is_dense(input_ids) or len(input_ids.shape) in (0, 2):
        return None, inputs
    refuse_empty(input_ids=input_ids)
    rows = [None if x is None else ops.reshape(x, (-1, ops.shape(x)[-1])) for x in inputs]
    return ops.shape(input_ids)[:-1], rows


def from_rows(x: Tensor, axes: tuple[Size, ...] | None) -> Tensor:
    """(B, …) → (axes, …), see :func:`as_rows`."""
    return x if axes is None else ops.reshape(x, (*axes, *ops.shape(x)[1:]))


def choices(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> Size:
    """The number of choices C of multiple-choice inputs, (B, C, S) or (B, C, S, H)."""
    given, rank = (input_ids, 3) if input_ids is not None else (inputs_embeds, 4)
    if given is None or len(given.shape) != rank:
        found = None if given is None else tuple(given.shape)
        raise ValueError(f"multiple-choice inputs must have shape (batch, choices, sequence), not {found}")
    if given.shape[1] == 0:
        raise ValueError(f"multiple-choice inputs have shape {tuple(given.shape)}, which is no choice at all")
    refuse_empty(input_ids=input_ids, inputs_embeds=inputs_embeds)
    return ops.shape(given)[1]


def have_choices(input_ids: Tensor | None, inputs_embeds: Tensor | None) -> bool:
    """Whether inputs are multiple-choice ones, (B, C, S) or (B, C, S, H), rather than (B, S) or (B, S, H)."""
    given, rank = (input_ids, 3) if input_ids is not None else (inputs_embeds, 4)
    return given is not None and len(given.shape) == rank


def flatten_choices(x: Tensor | None) -> Tensor | None:
    """(B, C, …) → (B·C, …)."""
    return None if x is None else ops.reshape(x, (-1, *ops.shape(x)[2:]))


def by_choice(x: Tensor, count: Size) -> Tensor:
    """(B·C, …) → (B, C, …)."""
    return ops.reshape(x, (-1, count, *ops.shape(x)[1:]))
