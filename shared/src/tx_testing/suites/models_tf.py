"""TensorFlow (Keras 3) as the suites see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

from tx_core.models.variables_tf import named_parameters

from .models import SAME, Backend, Models
from .spec import Array, ModelSpec, assert_close


class TFBackend(Backend):
    """TensorFlow as the suites see it."""

    name = "tf"
    load_flags: ClassVar[Mapping[str, Mapping[str, bool]]] = {"bin": {"from_pt": True}}

    def model_class(self, spec: ModelSpec, task: str) -> Any:
        return spec.model_class("tf", task)

    def tensor(self, array: Array) -> Any:
        return tf.constant(array)

    def numpy(self, tensor: Any) -> Array:
        return np.asarray(keras.ops.convert_to_numpy(tensor))

    def tensors(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.tensor(array) for name, array in inputs.items()}

    def call(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> Any:
        return model(**self.tensors(inputs), **flags)

    def _parameters(self, model: Any) -> dict[str, Any]:
        seen: dict[int, Any] = {}
        for parameter in named_parameters(model):
            seen.setdefault(id(parameter.variable), parameter)
        return {parameter.name: parameter for parameter in seen.values()}

    def arrays(self, model: Any) -> dict[str, Array]:
        return {name: parameter.read() for name, parameter in self._parameters(model).items()}

    def embedding(self, layer: Any) -> Array:
        for name in ("embeddings", "weight"):
            if hasattr(layer, name):
                return np.array(self.numpy(getattr(layer, name)))
        return self.numpy(layer(tf.range(layer.input_dim)))

    def set_embedding(self, layer: Any, values: Array) -> None:
        layer.embeddings.assign(values)

    def make_embedding(self, values: Array) -> Any:
        layer = keras.layers.Embedding(*values.shape)
        layer.build()
        self.set_embedding(layer, values)
        return layer

    def loss(self, output: Any) -> Any:
        if "loss" in output._fields:
            return tf.reduce_mean(output.loss)
        tensors = [value for value in output if not isinstance(value, tuple) and value.dtype.is_floating]
        return tf.add_n([tf.reduce_mean(value**2) for value in tensors])

    def gradients(self, model: Any, inputs: Mapping[str, Array], **extra: Any) -> dict[str, Array | None]:
        parameters = self._parameters(model)
        with tf.GradientTape() as tape:
            loss = self.loss(model(**self.tensors(inputs), **extra))
        found = tape.gradient(loss, [parameter.variable.value for parameter in parameters.values()])
        gradients: dict[str, Array | None] = {}
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True):
            values = None if gradient is None else np.asarray(tf.convert_to_tensor(gradient))
            gradients[name] = values.T if values is not None and parameter.transposed else values
        return gradients

    def input_gradient(self, model: Any, inputs: Mapping[str, Array], name: str) -> Array | None:
        tensors = self.tensors(inputs)
        with tf.GradientTape() as tape:
            tape.watch(tensors[name])
            loss = self.loss(model(**tensors))
        gradient = tape.gradient(loss, tensors[name])
        return None if gradient is None else np.asarray(gradient)


class TFModels(Models):
    """The models that a suite tests, in TensorFlow."""

    backend: ClassVar[TFBackend] = TFBackend()

    def tensors(self, task: str) -> dict[str, Any]:
        return self.backend.tensors(self.spec.inputs(task))

    def classes_task(self) -> str:
        """A task whose only label is a class of each row."""
        for task in self.tasks():
            if list(self.spec.label_keywords(task).values()) == ["classes"]:
                return task
        pytest.skip("does not apply: no class of this architecture classifies sequences")

    def _same(self, output: Any, wanted: Mapping[str, Any], tolerance: float = SAME) -> None:
        found = self.backend.named(output)
        assert list(found) == list(wanted)
        for name, value in wanted.items():
            assert_close(found[name], value, tolerance, name)

    def _dataset(self, task: str, rows: int = 8) -> Any:
        rng = np.random.default_rng(0)
        inputs = {
            name: np.concatenate([array] * rows)[:rows].astype(np.int32)
            for name, array in self.spec.inputs(task).items()
        }
        inputs["input_ids"] = rng.integers(5, self.spec.vocab_size(), inputs["input_ids"].shape).astype(np.int32)
        return inputs, (inputs["input_ids"][:, 0] % 2).astype(np.int64)
