"""Keras layers that know their sizes, and the published names of what they hold.

In Keras 3 a variable's name is only its last part, and automatic suffixes change with the order of creation. So names
follow the Python attributes: the attribute path of a layer is its published (PyTorch) name, and a table per kind of
leaf says what its variables are called there, e.g. a Dense layer's ``kernel`` is ``weight``, transposed. An attribute
that Keras reserves carries a trailing underscore (``output_`` stands for ``output``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any
Array = np.ndarray[Any, Any]

_skipping: ContextVar[bool] = ContextVar("tx_skip_initialization", default=False)
_for_xla: ContextVar[bool] = ContextVar("tx_products_for_xla", default=False)


@contextmanager
def skip_initialization() -> Iterator[None]:
    """Within it, :class:`Normal` leaves new variables undefined: for models whose weights come from a file."""
    token = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(token)


@contextmanager
def products_for_xla() -> Iterator[None]:
    """Within it, :class:`Linear` and :class:`OutputEmbedding` trace products in the form that XLA computes fastest for
    few rows on CPUs, where all the time goes into reading the weights.
    """
    token = _for_xla.set(True)
    try:
        yield
    finally:
        _for_xla.reset(token)


def nothing_of(x: Tensor) -> Tensor:
    """0 of a number's type, even of NaN: a value that XLA does not know before the number."""
    return ops.minimum(ops.abs(ops.where(ops.isnan(x), ops.zeros_like(x), x)), 0)


def _undefined(shape: tuple[int, ...], dtype: str) -> Tensor:
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Memory that is allocated and not written to takes no room yet.
        return tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False)
    return ops.zeros(shape, dtype)


@keras.saving.register_keras_serializable("tx_core")
class Normal(keras.initializers.RandomNormal):
    """Normal around 0. One for each variable: a Keras initialiser gives the same numbers each time it is called."""

    def __init__(self, stddev: float, seed: int | None = None) -> None:
        super().__init__(mean=0.0, stddev=stddev, seed=seed)

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "seed": super().get_config()["seed"]}

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        if _skipping.get():
            return _undefined(tuple(shape), keras.backend.standardize_dtype(dtype))
        return super().__call__(shape, dtype)


class Module(keras.layers.Layer):
    """A layer made of layers that know their sizes: ``build()`` needs no input shapes."""

    def build(self, input_shape: Any = None) -> None:
        """Create the variables of all layers within."""
        build_children(self)


class ModuleList(Module):
    """Layers under the names "0", "1", …, as attributes, so that Keras and TensorFlow's checkpoints see them alike."""

    def __init__(self, layers: Any = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._length = 0
        for layer in layers:
            setattr(self, str(self._length), layer)
            self._length += 1

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Any:
        if not -self._length <= index < self._length:
            raise IndexError(f"there is no layer {index}: there are {self._length}")
        return getattr(self, str(index % self._length))

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, str(index)) for index in range(self._length))

    def __dir__(self) -> list[str]:
        # On Keras's PyTorch backend a layer does not list attributes that are numbers, and Keras saves what is listed.
        return sorted({*super().__dir__(), *map(str, range(self._length))})


class Linear(keras.layers.Dense):
    """x·W + b, (…, in_features) → (…, out_features)."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        initializer_range: float = 0.02,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(out_features, use_bias=use_bias, kernel_initializer=Normal(initializer_range), **kwargs)
        self.in_features = in_features

    @property
    def out_features(self) -> int:
        return int(self.units)

    def build(self, input_shape: Any = None) -> None:
        super().build((None, self.in_features))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if not _for_xla.get() or self.in_features % _PART or any(size != 1 for size in inputs.shape[:-1]):
            return super().call(inputs, training=training)
        # XLA would read all of the weights on one thread; of several products it computes each on another.
        parts = self.in_features // _PART
        kernel = ops.reshape(self.kernel, (parts, _PART, self.units))
        products = ops.matmul(ops.reshape(inputs, (parts, 1, _PART)), kernel)  # (parts, 1, out_features)
        result = ops.reshape(ops.sum(products, axis=0), (*inputs.shape[:-1], self.units))
        return result if self.bias is None else ops.add(result, self.bias)


# How many of its inputs each part of a product of one row has. With 768 to 8192 inputs, parts of 64 and 128 were the
# fastest or close to it; those of 32 were slower.
_PART = 64


class Conv1D(Linear):
    """A linear layer whose published weight is (in_features, out_features), as in OpenAI's code and files."""


class Embedding(keras.layers.Embedding):
    """A table of vectors, (…) integers → (…, width)."""

    def __init__(self, num_embeddings: int, width: int, initializer_range: float = 0.02, **kwargs: Any) -> None:
        super().__init__(num_embeddings, width, embeddings_initializer=Normal(initializer_range), **kwargs)


class LayerNorm(keras.layers.LayerNormalization):
    """Normalisation over the last axis (Ba et al. 2016, https://arxiv.org/abs/1607.06450)."""

    def __init__(self, width: int, eps: float, **kwargs: Any) -> None:
        super().__init__(epsilon=eps, **kwargs)
        self.width = width

    def build(self, input_shape: Any = None) -> None:
        super().build((None, self.width))


class OutputEmbedding(keras.layers.Layer):
    """Scores of the vocabulary, (…, width) → (…, vocabulary), with the input embeddings' weights where they are tied.

    Its weight has the embeddings' layout, (vocabulary, width). A bias is its own.
    """

    def __init__(
        self,
        width: int,
        num_embeddings: int,
        initializer_range: float = 0.02,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_embeddings = num_embeddings
        self.width = width
        self.use_bias = use_bias
        self.bias: Any = None
        self.weight_initializer = Normal(initializer_range)
        self.bias_initializer = keras.initializers.Zeros()
        # A function, since Keras would take a layer for a part of this one.
        self._source: Callable[[], Any] | None = None

    def tie(self, embedding: Embedding) -> None:
        """From now on use the weights of an embedding layer."""
        self._source = lambda: embedding.embeddings

    @property
    def tied(self) -> bool:
        """Whether the weights are those of the input embeddings."""
        return self._source is not None

    @property
    def weight(self) -> Any:
        """The variable, (vocabulary, width)."""
        return self._own_weight if self._source is None else self._source()

    def build(self, input_shape: Any = None) -> None:
        if self._source is None:
            self._own_weight = self.add_weight(
                shape=(self.num_embeddings, self.width), initializer=self.weight_initializer, name="weight"
            )
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.num_embeddings,), initializer=self.bias_initializer, name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        if _for_xla.get() and len(inputs.shape) == 2:
            return self._columns(inputs)
        scores = self._products(inputs)
        return scores if self.bias is None else ops.add(scores, ops.cast(self.bias, scores.dtype))

    def _columns(self, inputs: Tensor) -> Tensor:
        """The same for XLA, which is faster with the table on the left: (R, width) → (R, vocabulary)."""
        weight = ops.cast(ops.convert_to_tensor(self.weight), inputs.dtype)
        scores = ops.matmul(weight, ops.transpose(inputs))  # (vocabulary, R)
        # XLA would turn the product around again if nothing came between it and its transposition.
        added = nothing_of(inputs[0, 0]) if self.bias is None else self.bias[:, None]
        return ops.transpose(ops.add(scores, ops.cast(added, scores.dtype)))

    def _products(self, inputs: Tensor) -> Tensor:
        weight = ops.cast(ops.convert_to_tensor(self.weight), inputs.dtype)
        if keras.backend.backend() != "tensorflow":
            return ops.matmul(inputs, ops.transpose(weight))
        # TensorFlow would copy the table to transpose it (94 MB for BERT-base); its product can read it as it is.
        import tensorflow as tf

        flat = tf.reshape(inputs, (-1, self.width))
        scores = tf.matmul(flat, weight, transpose_b=True)
        return ops.reshape(scores, (*ops.shape(inputs)[:-1], weight.shape[0]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.num_embeddings)


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


def _attributes(layer: Any) -> Iterator[tuple[str, Any]]:
    """The public attributes that a layer was given, in order."""
    # On Keras's PyTorch backend a layer is a torch module, which keeps the modules that are its attributes here.
    given = {**vars(layer), **vars(layer).get("_modules", {})}
    return ((name, value) for name, value in given.items() if not name.startswith("_"))


def named_children(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers that are attributes of a layer (or items of a list that is one), with the attributes' names."""
    for attribute, value in _attributes(layer):
        name = attribute.removesuffix("_")
        if isinstance(value, keras.layers.Layer):
            yield name, value
        elif isinstance(value, list | tuple):
            yield from ((f"{name}.{i}", item) for i, item in enumerate(value) if isinstance(item, keras.layers.Layer))


def descendants(layer: Any) -> Iterator[Any]:
    """All layers within a layer."""
    for _, child in named_children(layer):
        yield child
        yield from descendants(child)


# Kinds of layers that are built without an input's shape.
_SIZED = (Module, Linear, LayerNorm, OutputEmbedding, keras.layers.Embedding)


def build_children(layer: Any) -> None:
    """Create the variables of all layers within a layer that do not need an input's shape for it."""
    for _, child in named_children(layer):
        if not child.built and isinstance(child, _SIZED):
            child.build()
        elif not child.built:
            build_children(child)


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
    for attribute, value in _attributes(layer):
        if isinstance(value, keras.Variable):
            initializer = getattr(layer, f"{attribute}_initializer", None)
            yield Parameter(prefix + attribute.removesuffix("_"), value, False, initializer)
    for name, child in named_children(layer):
        yield from named_parameters(child, f"{prefix}{name}.")


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
