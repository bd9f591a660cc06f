"""PyTorch treats outputs as the tuples they are: compiled, traced, exported, gathered, collated."""

from __future__ import annotations

import collections
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import scatter_gather
from torch.utils import _pytree
from torch.utils.data import default_collate

from tx_core import outputs
from tx_core.models import outputs_torch as outputs_torch  # what pretrained_torch imports
from tx_core.outputs import output, plain


class Inner(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return output("InnerOutput", last_hidden_state=x + 1, pooler_output=None, hidden_states=(x, x * 2))


class Outer(nn.Module):
    def __init__(self, names: bool = True) -> None:
        super().__init__()
        self.inner = Inner()
        self.names = names

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        inner = self.inner(x)
        logits = inner.last_hidden_state * 3
        loss = None if labels is None else (logits - labels).square().mean()
        result = output("OuterOutput", loss=loss, logits=logits, hidden_states=inner.hidden_states)
        return result if self.names else plain(result)


@pytest.fixture
def no_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process, where no output was made yet."""
    monkeypatch.setattr(outputs, "_classes", outputs._Classes())
    torch._dynamo.reset()


@pytest.mark.usefixtures("no_classes")
def test_compile_without_graph_breaks_from_the_first_call() -> None:
    model = Outer()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = torch.arange(6.0).reshape(2, 3)
    for arguments in ((x,), (x, torch.ones(2, 3)), (x + 1,)):
        result, wanted = compiled(*arguments), model(*arguments)
        assert type(result) is type(wanted)
        torch.testing.assert_close(result, wanted)


@pytest.mark.usefixtures("no_classes")
def test_compiled_outputs_train() -> None:
    compiled = torch.compile(Outer(), fullgraph=True, backend="aot_eager", dynamic=True)
    for rows in (2, 3):
        x = torch.ones(rows, 3, requires_grad=True)
        compiled(x, torch.zeros(rows, 3)).loss.backward()
        assert x.grad is not None
        assert x.grad.abs().sum() > 0


def test_trace() -> None:
    x = torch.arange(6.0).reshape(2, 3)
    traced = torch.jit.trace(Outer(), x)
    file = io.BytesIO()
    torch.jit.save(traced, file)
    file.seek(0)
    for model in (traced, torch.jit.load(file)):
        logits, hidden_states = model(x + 1)
        torch.testing.assert_close(logits, (x + 2) * 3)
        torch.testing.assert_close(hidden_states[1], (x + 1) * 2)


def test_trace_of_plain_tuples() -> None:
    x = torch.ones(2, 3)
    assert type(Outer(names=False)(x)) is tuple
    logits, _ = torch.jit.trace(Outer(names=False), x)(x)
    torch.testing.assert_close(logits, torch.full((2, 3), 6.0))


@pytest.mark.usefixtures("no_classes")
def test_export() -> None:
    x = torch.ones(2, 3)
    program = torch.export.export(Outer(), (x,))
    torch.testing.assert_close(program.module()(x), Outer()(x))


@pytest.mark.parametrize("name", ["tx_bert", "tx_core.models.pretrained_torch"])
def test_a_saved_program_is_loaded_by_another_process(name: str, tmp_path: Path) -> None:
    """Which has made no output before, and imports a package of tx alone."""
    x = torch.ones(2, 3)
    torch.export.save(torch.export.export(Outer(), (x,)), tmp_path / "program.pt2")
    code = f"""
import torch
import {name}
found = torch.export.load({str(tmp_path / "program.pt2")!r}).module()(torch.ones(2, 3))
assert repr(type(found)) == "<class 'tx_core.outputs.OuterOutput'>", type(found)
assert found._fields == ("logits", "hidden_states")
assert found.logits.eq(6).all()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_named_tuples_of_others_are_saved_as_ever() -> None:
    other = collections.namedtuple("Other", "x")
    spec = _pytree.tree_flatten(other(1))[1]
    with pytest.raises(NotImplementedError, match="_register_namedtuple"):
        _pytree.treespec_dumps(spec)
    _pytree._register_namedtuple(other, serialized_type_name="tests.Other")
    assert _pytree.treespec_loads(_pytree.treespec_dumps(spec)) == spec


def test_pytree() -> None:
    result = _pytree.tree_map(lambda each: each + 1, Outer()(torch.zeros(1, 1)))
    assert type(result) is type(Outer()(torch.zeros(1, 1)))
    assert result.logits.item() == 4


def test_data_parallel_gathers_them(monkeypatch: pytest.MonkeyPatch) -> None:
    # Gathering itself wants several GPUs; what it does with a named tuple does not.
    monkeypatch.setattr(scatter_gather.Gather, "apply", lambda device, dim, *parts: torch.cat(parts, dim))
    parts = [Outer()(torch.full((2, 3), float(value))) for value in (0, 1)]
    gathered = scatter_gather.gather(parts, 0)
    assert gathered.logits.shape == (4, 3)
    assert gathered.hidden_states[1].shape == (4, 3)


def test_batches_of_outputs_are_collated() -> None:
    collated: Any = default_collate([output("ToyOutput", logits=torch.ones(3)) for _ in range(2)])
    assert collated.logits.shape == (2, 3)


def test_save_and_load_of_a_plain_tuple_of_tensors() -> None:
    file = io.BytesIO()
    torch.save(plain(Outer()(torch.ones(2, 3))), file)
    file.seek(0)
    assert torch.load(file, weights_only=True)[0].shape == (2, 3)
