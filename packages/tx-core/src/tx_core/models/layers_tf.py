"""Keras layers that know their sizes, and those that several architectures publish. Mirrors ``layers_torch``.

The attribute path of a layer is its published (PyTorch) name, see ``variables_tf``. An attribute that Keras reserves
carries a trailing underscore (``output_`` stands for ``output``).

Shapes: B batch, S sequence, H hidden size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from .activations_tf import ACTIVATIONS
from .attention_tf import is_set
from .switches_tf import products_for_xla, skipping_initialization

Tensor = Any


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
        if skipping_initialization:
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
        if not products_for_xla or self.in_features % _PART or any(size != 1 for size in inputs.shape[:-1]):
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
        if products_for_xla and len(inputs.shape) == 2:
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


class SequenceSummary(Module):
    """The head that scores a whole sequence, as the configuration's ``summary_…`` fields say.

    Args:
        labels: how many scores, unless ``summary_proj_to_labels`` is off: then they are a vector of the hidden size.
        last_dropout: dropout of the result.
    """

    def __init__(self, config: Any, labels: int, last_dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summary_type = config.summary_type
        self.first_dropout = keras.layers.Dropout(config.summary_first_dropout, name="first_dropout")
        outputs = labels if config.summary_proj_to_labels else config.hidden_size
        self.summary = (
            Linear(config.hidden_size, outputs, config.initializer_range, name="summary")
            if config.summary_use_proj
            else keras.layers.Identity(name="summary")
        )
        self.activation = ACTIVATIONS[config.summary_activation or "linear"]
        self.last_dropout = keras.layers.Dropout(last_dropout, name="last_dropout")

    def call(self, hidden_states: Tensor, index: Tensor | None, attention_mask: Tensor | None) -> Tensor:
        """Score sequences.

        Args:
            hidden_states: (B, S, H).
            index: (B,), the token to score, if ``summary_type`` is ``cls_index``; by default the last.
            attention_mask: (B, S), 0 for padding.

        Returns:
            (B, outputs).
        """
        vectors = summarize(hidden_states, self.summary_type, index, attention_mask)  # (B, H)
        return self.last_dropout(self.activation(self.summary(self.first_dropout(vectors))))


def summarize(hidden_states: Tensor, kind: str, index: Tensor | None, attention_mask: Tensor | None) -> Tensor:
    """One vector a sequence: its last or first token's, the mean of all, or the one at an index. Padding is left out.

    Args:
        hidden_states: (B, S, H).
        kind: ``last``, ``first``, ``mean`` or ``cls_index``.
        index: (B,), positions, for ``cls_index``; the last token's by default.
        attention_mask: (B, S), 1 for tokens, 0 for padding; None for no padding.

    Returns:
        (B, H).
    """
    batch, length = ops.shape(hidden_states)[:2]
    if attention_mask is None or len(attention_mask.shape) != 2:
        present = ops.ones((batch, length), dtype="int32")
    else:
        # With a past, the mask covers that too.
        present = ops.cast(is_set(attention_mask[:, -length:]), "int32")
        present = ops.broadcast_to(present, (batch, length))
    if kind == "mean":
        weights = ops.expand_dims(ops.cast(present, hidden_states.dtype), -1)
        return ops.sum(hidden_states * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1)
    if index is None or kind != "cls_index":
        # The last of equal values wins where positions are added, the first where they are taken away.
        steps = ops.arange(length, dtype="int32")
        index = ops.argmax(present * (steps + 1 if kind != "first" else length - steps), axis=-1)  # (B,)
    elif len(index.shape) != 1 or (isinstance(batch, int) and index.shape[0] not in (batch, None)):
        raise ValueError(f"the index of the token to classify must have shape ({batch},), not {tuple(index.shape)}")
    index = ops.expand_dims(ops.cast(index, "int32"), (1, 2))  # (B, 1, 1)
    return ops.take_along_axis(hidden_states, index, axis=1)[:, 0]


# -- the layers within a layer ----------------------------------------


def attributes(layer: Any) -> Iterator[tuple[str, Any]]:
    """The public attributes that a layer was given, in order."""
    # On Keras's PyTorch backend a layer is a torch module, which keeps the modules that are its attributes here.
    given = {**vars(layer), **vars(layer).get("_modules", {})}
    return ((name, value) for name, value in given.items() if not name.startswith("_"))


def named_children(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers that are attributes of a layer (or items of a list that is one), with the attributes' names."""
    for attribute, value in attributes(layer):
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
