"""Changing Keras layers that are built: other layers, other sizes. Mirrors ``pruning_torch``.

Keras locks what a built layer consists of, and has no public way to change it. All use of its private attributes is
here.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from .layers_tf import Linear, OutputEmbedding
from .variables_tf import Array, numpy


def allow_additions(layer: Any) -> None:
    """Let a layer be given more layers though it is built, as the constructors of classes that extend its class do."""
    layer._tracker.unlock()


def replace_variable(layer: Any, attribute: str, value: Array) -> None:
    """Give a layer another variable, of any shape, in the place of one it has."""
    old = getattr(layer, attribute)
    variables = layer._trainable_variables
    position = next(i for i, variable in enumerate(variables) if variable is old)
    # Keras locks a layer's variables once it is built, and has no public way to change their shapes.
    layer._untrack_variable(old)
    layer._tracker.unlock()
    new = layer.add_weight(
        shape=value.shape,
        initializer="zeros",
        dtype=old.dtype,
        autocast=old._autocast,
        name=old.name,
    )
    new._path = old.path
    # Not in add_weight, after which a frozen layer could never be trained again.
    new.trainable = old.trainable
    # An optimizer's state is saved in the order of the variables, which is that of a new model.
    variables.insert(position, variables.pop())
    setattr(layer, attribute, new)
    layer._tracker.lock()
    new.assign(value)


def replace_layer(owner: Any, attribute: str, layer: Any) -> None:
    """Give a layer another layer in the place of one it has."""
    layers, old = owner._layers, getattr(owner, attribute)
    position = next(i for i, each in enumerate(layers) if each is old)
    owner._tracker.unlock()
    owner._tracker.untrack(old)
    setattr(owner, attribute, layer)
    layers.insert(position, layers.pop())
    owner._tracker.lock()


def kept_columns(kept: Array, width: int) -> Array:
    """The columns of heads, each of so many: (heads,) → (heads · width,)."""
    columns: Array = (kept[:, None] * width + np.arange(width)).flatten()
    return columns


def prune_linear(layer: Linear, index: Array, dim: int = 0) -> None:
    """Keep only the given outputs (``dim`` 0) or inputs (``dim`` 1) of a linear layer."""
    kernel = np.take(numpy(layer.kernel), index, axis=1 - dim)  # (inputs, outputs)
    replace_variable(layer, "_kernel", kernel)
    if dim == 0:
        layer.units = len(index)
        if layer.bias is not None:
            replace_variable(layer, "bias", numpy(layer.bias)[index])
    else:
        layer.in_features = len(index)
        layer.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: len(index)})


def resize(layer: Any, rows: int) -> None:
    """Change how many vectors an :class:`Embedding` or :class:`OutputEmbedding` has; new ones are initialised anew."""
    attribute, size, initializer = (
        ("_own_weight", "num_embeddings", "weight_initializer")
        if isinstance(layer, OutputEmbedding)
        else ("_embeddings", "input_dim", "embeddings_initializer")
    )
    setattr(layer, size, rows)
    if isinstance(layer, OutputEmbedding) and layer.tied:
        return
    old = numpy(getattr(layer, attribute))
    # Another seed, or the new rows would be those that the old ones began with.
    kind = getattr(layer, initializer)
    fresh = kind.from_config({name: None if name == "seed" else value for name, value in kind.get_config().items()})
    value = numpy(fresh((rows, old.shape[1]), "float32")).astype(old.dtype)
    kept = min(rows, len(old))
    value[:kept] = old[:kept]
    replace_variable(layer, attribute, value)


def resize_vector(layer: Any, attribute: str, size: int) -> None:
    """Change the length of a variable with one axis; new numbers are 0."""
    old = numpy(getattr(layer, attribute))
    value = np.zeros((size,), old.dtype)
    value[: min(size, len(old))] = old[:size]
    replace_variable(layer, attribute, value)
