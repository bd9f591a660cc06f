"""The variables of Keras layers under their published names.

In Keras 3 a variable's name is only its last part, and automatic suffixes change with the order of creation. So names
follow the Python attributes: the attribute path of a layer is its published (PyTorch) name, and a table per kind of
leaf says what its variables are called there, e.g. a Dense layer's ``kernel`` is ``weight``, transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from .layers_tf import Conv1D, OutputEmbedding, attributes, named_children

Tensor = Any
Array = np.ndarray[Any, Any]

# Kind of layer → (attribute of the variable, its initialiser, published name, whether the published layout is the
# transpose). The first kind that fits counts.
_LEAVES: tuple[tuple[type, tuple[tuple[str, str, str, bool], ...]], ...] = (
    (
        OutputEmbedding,
        (("weight", "weight_initializer", "weight", False), ("bias", "bias_initializer", "bias", False)),
    ),
    (
        Conv1D,
        (("kernel", "kernel_initializer", "weight", False), ("bias", "bias_initializer", "bias", False)),
    ),
    (
        keras.layers.Dense,
        (("kernel", "kernel_initializer", "weight", True), ("bias", "bias_initializer", "bias", False)),
    ),
    (keras.layers.Embedding, (("embeddings", "embeddings_initializer", "weight", False),)),
    (
        keras.layers.LayerNormalization,
        (("gamma", "gamma_initializer", "weight", False), ("beta", "beta_initializer", "bias", False)),
    ),
)


@dataclass(frozen=True)
class Parameter:
    """A variable under its published name.

    Attributes:
        name: the published name.
        variable: the Keras variable.
        transposed: whether the published layout is the variable's transpose.
        initializer: what gives the variable its first values; None if its layer does not say.
    """

    name: str
    variable: Any
    transposed: bool
    initializer: Callable[..., Tensor] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape in the published layout."""
        shape = tuple(int(size) for size in self.variable.shape)
        return shape[::-1] if self.transposed else shape

    def read(self) -> Array:
        """The values in the published layout."""
        value = numpy(self.variable)
        return np.ascontiguousarray(value.T) if self.transposed else value

    def assign(self, value: Array) -> None:
        """Set the values, given in the published layout."""
        value = value.T if self.transposed else value
        # The framework copies the array as it is strided; another copy here would be one too many.
        self.variable.assign(np.asarray(value, dtype=keras_dtype(self.variable)))

    def initialize(self) -> None:
        """Give the variable new first values."""
        if self.initializer is None:
            raise ValueError(f"{self.name}: the layer that holds it does not say how it is initialised")
        self.variable.assign(self.initializer(tuple(self.variable.shape), dtype=self.variable.dtype))


def numpy(value: Any) -> Array:
    """The values of a variable or tensor."""
    tensor = ops.convert_to_tensor(value)
    # What Keras does for TensorFlow warns with NumPy 2.
    return np.asarray(tensor.numpy() if keras.backend.backend() == "tensorflow" else ops.convert_to_numpy(tensor))


def keras_dtype(variable: Any) -> np.dtype[Any]:
    """NumPy's type for a variable's, bfloat16 included."""
    name = keras.backend.standardize_dtype(variable.dtype)
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def named_parameters(layer: Any, prefix: str = "") -> Iterator[Parameter]:
    """All variables within a layer under their published names; one that has several names comes several times."""
    leaf = next((table for kind, table in _LEAVES if isinstance(layer, kind)), None)
    if leaf is not None:
        if not layer.built:
            raise ValueError(
                f"layer {prefix.removesuffix('.')!r} ({type(layer).__name__}) has no variables yet: "
                "call the model on some input first, or use tx_core.models.layers_tf.Linear, which knows its sizes"
            )
        for attribute, initialized_by, name, transposed in leaf:
            variable = getattr(layer, attribute)
            if variable is not None:
                yield Parameter(prefix + name, variable, transposed, getattr(layer, initialized_by))
        return
    for attribute, value in attributes(layer):
        if isinstance(value, keras.Variable):
            initializer = getattr(layer, f"{attribute}_initializer", None)
            yield Parameter(prefix + attribute.removesuffix("_"), value, False, initializer)
    for name, child in named_children(layer):
        yield from named_parameters(child, f"{prefix}{name}.")
