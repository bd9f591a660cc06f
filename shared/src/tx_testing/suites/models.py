"""Models as the suites see them: through a small :class:`Backend`, with NumPy arrays in and out."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from .base import Suite
from .spec import Array, ModelSpec, random_like

FILES = {"safetensors": "model.safetensors", "bin": "pytorch_model.bin", "h5": "tf_model.h5"}
OTHERS = [form for form in FILES if form != "safetensors"]  # which is what models save by themselves
FLAGS = {"output_hidden_states": True, "output_attentions": True}
SAME = 1e-5  # of the largest output: two ways to compute the same in float32


@cache
def temporary_root() -> Path:
    """A folder that goes away with the process."""
    folder = Path(tempfile.mkdtemp(prefix="tx-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def read_safetensors(path: Path) -> dict[str, Array]:
    from safetensors.numpy import load_file

    return dict(load_file(path))


def write_safetensors(path: Path, arrays: Mapping[str, Array]) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path, metadata={"format": "pt"})


def edited(source: Path, target: Path, edit: Callable[[dict[str, Array]], None]) -> Path:
    """A copy of a saved model's folder whose arrays ``edit`` has changed."""
    shutil.copytree(source, target)
    arrays = read_safetensors(target / FILES["safetensors"])
    edit(arrays)
    write_safetensors(target / FILES["safetensors"], arrays)
    return target


class Backend(ABC):
    """A framework as the suites see it: models in, NumPy out."""

    name: ClassVar[str]
    load_flags: ClassVar[Mapping[str, Mapping[str, bool]]]  # file format → what from_pretrained needs to be told

    @abstractmethod
    def model_class(self, spec: ModelSpec, task: str) -> Any: ...

    @abstractmethod
    def tensor(self, array: Array) -> Any: ...

    @abstractmethod
    def numpy(self, tensor: Any) -> Array: ...

    @abstractmethod
    def call(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> Any:
        """The model's own output for arrays, without gradients."""

    @abstractmethod
    def arrays(self, model: Any) -> dict[str, Array]:
        """Published name, with the architecture's prefix → values in the published layout; tied parameters once."""

    @abstractmethod
    def embedding(self, layer: Any) -> Array:
        """The matrix of an embedding layer, or of the output layer in the published layout (vocabulary, hidden).

        Of a layer that has none the vectors of all words.
        """

    @abstractmethod
    def set_embedding(self, layer: Any, values: Array) -> None: ...

    @abstractmethod
    def make_embedding(self, values: Array) -> Any:
        """A new embedding layer of the framework's own class, with a matrix (vocabulary, hidden)."""

    @abstractmethod
    def gradients(self, model: Any, inputs: Mapping[str, Array], **extra: Any) -> dict[str, Array | None]:
        """As :meth:`arrays`, the gradient of the mean loss (without labels: of the mean square of all outputs)."""

    @abstractmethod
    def input_gradient(self, model: Any, inputs: Mapping[str, Array], name: str) -> Array | None:
        """Gradient of the same with respect to the input ``name``."""

    def run(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> dict[str, Any]:
        """Field → NumPy array, or tuple of arrays, in the output's order, without those that are None."""
        return self.named(self.call(model, inputs, **flags))

    def named(self, output: Any) -> dict[str, Any]:
        fields = zip(output._fields, output, strict=True)
        return {name: self._numpy(value) for name, value in fields if value is not None}

    def _numpy(self, value: Any) -> Any:
        if value is None:
            return None
        return tuple(self._numpy(item) for item in value) if isinstance(value, tuple | list) else self.numpy(value)

    def randomised(self, spec: ModelSpec, task: str, **config: Any) -> Path:
        """A saved model of random weights, biases and normalisations included; the same for the same arguments."""
        key = spec.key(self.name, task, dict(spec.task_config.get(task, {})), config)
        return self._randomised(spec, task, config, key)

    def _randomised(self, spec: ModelSpec, task: str, config: Mapping[str, Any], key: str) -> Path:
        folder = temporary_root() / hashlib.sha256(key.encode()).hexdigest()[:16]
        if not folder.exists():
            model = self.model_class(spec, task)(spec.make_config(**{**spec.task_config.get(task, {}), **config}))
            model.save_pretrained(folder)
            weights = folder / FILES["safetensors"]
            table, prefix = type(model).weight_table, type(model).base_model_prefix
            arrays = {}
            for name, array in read_safetensors(weights).items():
                # The base model's names lack the prefix: with it, equal parameters get equal values in every class.
                published = table.published(name)
                arrays[name] = random_like(published or f"{prefix}.{name}", array)
            write_safetensors(weights, arrays)
        return folder


class Models(Suite):
    """The models that a suite tests, in the framework of its ``backend``."""

    backend: ClassVar[Backend]
    _shared: ClassVar[dict[str, Any]] = {}

    def cls(self, task: str) -> Any:
        return self.backend.model_class(self.spec, task)

    def folder(self, task: str, **config: Any) -> Path:
        return self.backend.randomised(self.spec, task, **config)

    def model(self, task: str, **changes: Any) -> Any:
        """A loaded random model that the test may change."""
        return self.cls(task).from_pretrained(str(self.folder(task)), **changes)

    def shared(self, task: str) -> Any:
        """A loaded random model that several tests read and none changes."""
        key = self.spec.key(self.backend.name, task)
        if key not in self._shared:
            self._shared[key] = self.model(task)
        return self._shared[key]

    def run(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> dict[str, Any]:
        return self.backend.run(model, inputs, **flags)

    def tasks(self) -> list[str]:
        return list(self.spec.class_names())

    def published(self, task: str, name: str) -> str:
        """A parameter's name with the architecture's prefix."""
        full = self.cls(task).weight_table.published(name)
        assert full is not None, f"{name} of {self.cls(task).__name__} is in no row of the weight table"
        return str(full)

    def a_head(self) -> tuple[str, tuple[str, ...]]:
        """A task with a documented new head, and the prefixes of the head's parameters."""
        for task, prefixes in self.spec.new_heads.items():
            return task, prefixes
        pytest.skip("does not apply: no class of this architecture adds a head to the base model's checkpoint")
