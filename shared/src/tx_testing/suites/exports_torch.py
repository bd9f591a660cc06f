"""What PyTorch's exporters make of models. Files for ONNX are tested by ``onnx_torch``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from .base import exports
from .models import FLAGS, SAME
from .models_torch import TorchModels
from .spec import assert_close


class Positional(nn.Module):
    """A model called by position, as torch.jit.trace does, with keyword names of our choice."""

    def __init__(self, model: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *tensors: torch.Tensor) -> Any:
        return self.model(**dict(zip(self.names, tensors, strict=True)))


class TorchExportSuite(TorchModels):
    """Standard tests of exported models."""

    @pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
    def test_traced_model_can_be_saved(self, tmp_path: Path) -> None:
        model = self.model("base", torchscript=True)
        ids = self.tensors("base")["input_ids"]
        with torch.no_grad():
            traced = torch.jit.trace(model, (ids,), check_trace=False)
            torch.jit.save(traced, str(tmp_path / "traced.pt"))
            loaded = torch.jit.load(str(tmp_path / "traced.pt"))
            # Not to the bit: compiled operations may be others than those of eager PyTorch.
            assert_close(loaded(ids)[0], model(ids)[0], SAME)

    @pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
    def test_traced_model_counts_numbers(self, task: str) -> None:
        """Eager PyTorch counts booleans too; ONNX's ``CumSum``, which the graph becomes, does not."""
        self.needs_padding()
        model, inputs = self.model(task, torchscript=True), self.tensors(task)
        with torch.no_grad():
            traced = torch.jit.trace(
                Positional(model, tuple(inputs)), tuple(inputs.values()), check_trace=False, strict=False
            )
        graph = traced.inlined_graph
        sums = graph.findAllNodes("aten::cumsum", recurse=True)
        assert sums
        assert all(next(node.inputs()).type().scalarType() in ("Int", "Long", "Float") for node in sums)

    @exports
    @pytest.mark.parametrize("strict", [True, False])
    def test_export(self, task: str, strict: bool, tmp_path: Path) -> None:
        """An exported program gives the model's outputs by their names, also when it was saved and loaded."""
        model, inputs = self.model(task, **FLAGS), self.tensors(task)
        with torch.no_grad():
            program = torch.export.export(model, (), inputs, strict=strict)
            torch.export.save(program, tmp_path / "program.pt2")
            loaded = torch.export.load(tmp_path / "program.pt2")
            other = self.backend.tensors(self.spec.inputs(task, seed=5))
            model.skip_padding = False  # as in a graph
            wanted = model(**other)
            for each in (program, loaded):
                found = each.module()(**other)
                assert type(found) is type(wanted)
                for one, two in zip(self.backend._numpy(found), self.backend._numpy(wanted), strict=True):
                    assert_close(one, two, SAME)

    @pytest.mark.skipif(not hasattr(torch.export.Dim, "AUTO"), reason="torch.export cannot find out which sizes vary")
    def test_export_for_any_size(self) -> None:
        """A program that is recorded without the compiler's help keeps the numbers of rows and tokens open."""
        model, inputs = self.model("base"), self.tensors("base")
        shapes = {name: dict.fromkeys((0, tensor.dim() - 1), torch.export.Dim.AUTO) for name, tensor in inputs.items()}
        other = self.backend.tensors(self.spec.inputs("base", seed=5))
        with torch.no_grad():
            program = torch.export.export(model, (), inputs, dynamic_shapes=shapes, strict=False).module()
            model.skip_padding = False  # as in a graph
            for batch in (other, {name: tensor[:2, ..., :5] for name, tensor in other.items()}):
                wanted, found = model(**batch), program(**batch)
                for one, two in zip(self.backend._numpy(found), self.backend._numpy(wanted), strict=True):
                    assert_close(one, two, SAME)
