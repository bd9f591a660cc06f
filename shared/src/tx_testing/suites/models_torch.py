"""PyTorch as the suites see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from .models import Backend, Models
from .spec import Array, ModelSpec


class TorchBackend(Backend):
    """PyTorch as the suites see it.

    Args:
        flags: what every call is given beside its inputs.
    """

    name = "torch"
    load_flags: ClassVar[Mapping[str, Mapping[str, bool]]] = {"h5": {"from_tf": True}}

    def __init__(self, **flags: Any) -> None:
        self.flags = flags

    def model_class(self, spec: ModelSpec, task: str) -> Any:
        return spec.model_class("torch", task)

    def tensor(self, array: Array) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array))

    def numpy(self, tensor: torch.Tensor) -> Array:
        return tensor.detach().cpu().numpy()

    def tensors(self, inputs: Mapping[str, Any]) -> dict[str, torch.Tensor]:
        return {name: self.tensor(array) for name, array in inputs.items()}

    def call(self, model: Any, inputs: Mapping[str, Any], **flags: Any) -> Any:
        with torch.no_grad():
            return model(**self.tensors(inputs), **{**self.flags, **flags})

    def arrays(self, model: Any) -> dict[str, Array]:
        return {self.published(model, name): self.numpy(p) for name, p in model.named_parameters()}

    def published(self, model: Any, name: str) -> str:
        # The bare model's parameters lack the architecture's prefix.
        return str(model.weight_table.published(name) or name)

    def embedding(self, layer: Any) -> Array:
        if hasattr(layer, "weight"):
            return self.numpy(layer.weight).copy()
        return self.numpy(layer(torch.arange(layer.num_embeddings)))

    def set_embedding(self, layer: Any, values: Array) -> None:
        with torch.no_grad():
            layer.weight.copy_(self.tensor(values))

    def make_embedding(self, values: Array) -> Any:
        return torch.nn.Embedding.from_pretrained(self.tensor(values), freeze=False)

    def loss(self, output: Any) -> torch.Tensor:
        if "loss" in output._fields:
            result: torch.Tensor = output.loss.mean()
            return result
        tensors = [value for value in output if isinstance(value, torch.Tensor) and value.is_floating_point()]
        return torch.stack([(value**2).mean() for value in tensors]).sum()

    def gradients(self, model: Any, inputs: Mapping[str, Array], **extra: Any) -> dict[str, Array | None]:
        model.zero_grad()
        self.loss(model(**self.tensors(inputs), **{**self.flags, **extra})).backward()
        return {
            self.published(model, name): None if p.grad is None else self.numpy(p.grad).copy()
            for name, p in model.named_parameters()
        }

    def input_gradient(self, model: Any, inputs: Mapping[str, Array], name: str) -> Array | None:
        tensors = self.tensors(inputs)
        tensors[name].requires_grad_()
        self.loss(model(**tensors)).backward()
        model.zero_grad()
        gradient = tensors[name].grad
        return None if gradient is None else self.numpy(gradient)


class TorchModels(Models):
    """The models that a suite tests, in PyTorch."""

    backend: ClassVar[TorchBackend] = TorchBackend()

    def tensors(self, task: str, *, labels: bool = False) -> dict[str, torch.Tensor]:
        inputs = self.spec.inputs(task)
        return self.backend.tensors({**inputs, **self.spec.make_labels(task)} if labels else inputs)

    def layers(self, model: Any) -> Any:
        """The layers of a model, in a list that tests may change."""
        base = model.base_model
        return base.get_submodule(base.layers_at)
