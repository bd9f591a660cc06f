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
    """Change the rows of an :class:`Embedding` or :class:`OutputEmbedding`. New ones are the mean of the old."""
    scores = isinstance(layer, OutputEmbedding)
    setattr(layer, "num_embeddings" if scores else "input_dim", rows)
    if not (scores and layer.tied):
        resize_rows(layer, "_own_weight" if scores else "_embeddings", rows)


def resize_rows(layer: Any, attribute: str, rows: int) -> None:
    """Change how many rows a table, or numbers a bias, has. New ones are the mean of the old.

    A new token's score is then the mean of the old ones'. Rows around 0 would score 0: more than any other token where
    a model scores all of them below it. See Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language
    Models".
    """
    old = numpy(getattr(layer, attribute))
    value = np.empty((rows, *old.shape[1:]), old.dtype)
    value[: len(old)] = old[:rows]
    value[len(old) :] = old.mean(0, dtype=np.promote_types(old.dtype, np.float32))
    replace_variable(layer, attribute, value)
