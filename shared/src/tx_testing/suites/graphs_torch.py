"""The standard tests of PyTorch models that are traced, compiled, or called without values."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

from tx_core.weights import WeightsError

from .base import exports, in_graphs
from .exports_torch import Positional
from .model_ids import IdSuite
from .models import FILES, FLAGS, SAME
from .models_torch import TorchModels
from .spec import assert_close, leaves


class TorchGraphSuite(TorchModels, IdSuite):
    """Models under ``torch.jit``, ``torch.compile``, ``torch.func`` and on fake tensors."""

    # --- compilation

    @pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
    def test_trace(self, task: str) -> None:
        """torch.jit.trace with ``torchscript=True``: plain tuples, cloned ties, and other shapes than those traced."""
        model = self.model(task, torchscript=True)
        model.skip_padding = False  # as in a graph, which is for any number of tokens
        inputs = self.tensors(task)
        output = model(**inputs)
        assert type(output) is tuple
        if task in self.spec.output_heads:
            weights = model.get_input_embeddings().weight, model.get_output_embeddings().weight
            assert weights[0] is not weights[1]
            assert torch.equal(*weights)
        names = tuple(inputs)
        with torch.no_grad():
            trace: Any = torch.jit.trace
            traced = trace(Positional(model, names), tuple(inputs.values()), check_trace=False)
            other = self.backend.tensors(self.spec.inputs(task, seed=5))
            for batch in (inputs, {n: t[:2, ..., :5] for n, t in other.items()}):
                wanted = model(**batch)
                found = traced(*batch.values())
                assert len(found) == len(wanted)
                for one, two in zip(found, wanted, strict=True):
                    assert_close(self.backend._numpy(one), self.backend._numpy(two), SAME)

    @pytest.mark.parametrize("file_format", FILES)
    def test_clones_that_were_trained_apart_are_both_saved(self, file_format: str, tmp_path: Path) -> None:
        for task in self.spec.output_heads:
            if task not in self.tasks():
                continue
            model = self.model(task, torchscript=True)
            with torch.no_grad():
                model.get_output_embeddings().weight.add_(torch.randn(model.config.hidden_size))
            folder = tmp_path / task
            model.save_pretrained(folder, format=file_format)
            with pytest.raises(WeightsError, match="tie_word_embeddings=False"):
                self.cls(task).from_pretrained(folder)
            again = self.cls(task).from_pretrained(folder, tie_word_embeddings=False)
            for name, parameter in model.named_parameters():
                assert torch.equal(again.get_parameter(name), parameter), name

    def test_a_new_head_with_torchscript(self, task: str) -> None:
        """A file of the bare model loads as it does without: cloned ties are no weights of their own."""
        _, wanted = self.cls(task).from_pretrained(str(self.folder("base")), output_loading_info=True)
        model, report = self.cls(task).from_pretrained(
            str(self.folder("base")), output_loading_info=True, torchscript=True
        )
        assert dict(report) == dict(wanted)
        assert not any(parameter.is_meta for parameter in model.parameters())
        if task in self.spec.output_heads:
            assert torch.equal(model.get_input_embeddings().weight, model.get_output_embeddings().weight)

    @in_graphs
    def test_compile_without_graph_breaks(self, task: str) -> None:
        model = self.model(task)
        model.skip_padding = False  # as in a graph, which is for any number of tokens
        torch._dynamo.reset()
        compiled: Any = torch.compile(model, fullgraph=True, backend="eager")
        inputs = self.tensors(task, labels=True)
        with torch.no_grad():
            for flags in ({}, FLAGS):
                wanted, found = model(**inputs, **flags), compiled(**inputs, **flags)
                assert found._fields == wanted._fields
                for one, two in zip(self.backend._numpy(found), self.backend._numpy(wanted), strict=True):
                    assert_close(one, two, SAME)
        torch._dynamo.reset()

    @exports
    def test_compiled_once_for_all_sizes(self, task: str) -> None:
        model = self.model(task)
        model.skip_padding = False  # as in a graph, which is for any number of tokens
        torch._dynamo.reset()
        compiled: Any = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
        inputs = self.tensors(task)
        with torch.no_grad(), torch._dynamo.config.patch(error_on_recompile=True):
            for batch in (inputs, {name: tensor[:2, ..., :5].contiguous() for name, tensor in inputs.items()}):
                wanted, found = model(**batch), compiled(**batch)
                for one, two in zip(self.backend._numpy(found), self.backend._numpy(wanted), strict=True):
                    assert_close(one, two, SAME)
        torch._dynamo.reset()

    # --- tensors without values

    def _single(self, task: str) -> tuple[dict[str, torch.Tensor], Any]:
        """A labelled batch, and a function of parameters and one row of it: the loss, or of a bare model the states."""
        model = self.model(task, **dict.fromkeys(self.spec.dropouts, 0.0))
        inputs = self.tensors(task, labels=True)

        def call(parameters: dict[str, torch.Tensor], row: dict[str, torch.Tensor]) -> torch.Tensor:
            batch = {name: tensor[None] for name, tensor in row.items()}
            result: torch.Tensor = torch.func.functional_call(model, parameters, (), batch)[0].mean()
            return result

        return inputs, (call, {name: p.detach() for name, p in model.named_parameters()})

    def test_gradients_of_each_row(self, task: str) -> None:
        """By torch.func, whose tensors stand for those of all rows."""
        inputs, (call, parameters) = self._single(task)
        found = torch.func.vmap(torch.func.grad(call), in_dims=(None, 0))(parameters, inputs)
        rows = len(inputs["input_ids"])
        for row in range(rows):
            alone = torch.func.grad(call)(parameters, {name: tensor[row] for name, tensor in inputs.items()})
            largest = max(float(gradient.abs().max()) for gradient in alone.values())
            for name, gradient in alone.items():
                assert (found[name][row] - gradient).abs().max() < SAME * largest, name

    def test_fake_tensors(self, task: str) -> None:
        model, inputs = self.shared(task), self.tensors(task, labels=True)
        shapes = [value.shape for value in leaves(self.backend.named(model(**inputs))).values()]
        with FakeTensorMode(allow_non_fake_inputs=True) as mode:
            for given in (inputs, {name: mode.from_tensor(tensor) for name, tensor in inputs.items()}):
                found = leaves(model(**given)._asdict())
                assert [value.shape for value in found.values()] == shapes

    @exports
    @pytest.mark.parametrize("mode", ["real", "fake", "symbolic"])
    def test_make_fx(self, mode: Literal["real", "fake", "symbolic"], task: str) -> None:
        model, inputs = self.shared(task), self.tensors(task, labels=True)
        names = list(inputs)

        def call(*tensors: torch.Tensor) -> Any:
            return model(**dict(zip(names, tensors, strict=True)), skip_padding=False)[0]

        with torch.no_grad():
            graph = make_fx(call, tracing_mode=mode, _allow_non_fake_inputs=True)(*inputs.values())
            assert_close(self.backend.numpy(graph(*inputs.values())), self.backend.numpy(call(*inputs.values())), SAME)

    @in_graphs
    def test_numbers_outside_their_range_in_a_graph(self, task: str) -> None:
        """PyTorch's own operations raise an error there, where they read a table."""
        torch._dynamo.reset()
        compiled: Any = torch.compile(self.shared(task), fullgraph=True, backend="eager", dynamic=False)
        with torch.no_grad():
            compiled(**self.backend.tensors(self.all_ids(task)[0]))
            for case in self.ids_outside(task):
                with pytest.raises((IndexError, RuntimeError)):
                    compiled(**self.backend.tensors(case.inputs))
        torch._dynamo.reset()
