"""Tests that an architecture's two model files mirror each other; they are read, not run, so no framework is needed."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from .base import Suite

# What a Keras class takes beside the PyTorch one's arguments.
KERAS_ONLY = frozenset({"training", "kwargs", "dtype", "name"})
# What a PyTorch class takes beside the Keras one's: Keras computes padding.
TORCH_ONLY = frozenset({"skip_padding"})


def classes_of(module: str) -> list[ast.ClassDef]:
    """The public classes that a module defines, in order."""
    spec = importlib.util.find_spec(module)
    assert spec is not None, f"there is no module {module}"
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def parameters(cls: ast.ClassDef, method: str) -> list[str] | None:
    """The names of a method's parameters after self; None if the class does not define it."""
    for node in cls.body:
        if isinstance(node, ast.FunctionDef) and node.name == method:
            args = node.args
            names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)][1:]
            return [name for name in names if name not in KERAS_ONLY]
    return None


class MirrorSuite(Suite):
    """``model_torch`` and ``model_tf`` define the same classes in the same order with the same arguments."""

    def modules(self) -> tuple[str, str]:
        return self.spec.module("torch"), self.spec.module("tf")

    def test_classes_mirror_each_other(self) -> None:
        torch, tf = (classes_of(module) for module in self.modules())
        in_torch = [f"TF{cls.name}" for cls in torch]
        in_tf = [cls.name for cls in tf if cls.name not in self.spec.tf_only]
        assert in_tf == in_torch

    def test_arguments_mirror_each_other(self) -> None:
        torch, tf = (classes_of(module) for module in self.modules())
        twins = {cls.name: cls for cls in tf}
        for cls in torch:
            twin = twins.get(f"TF{cls.name}")
            if twin is None:
                continue
            if "TFBareModel" in [base.id for base in twin.bases if isinstance(base, ast.Name)]:
                twin = twins[f"TF{cls.name.removesuffix('Model')}MainLayer"]  # whose arguments it takes
            assert parameters(twin, "__init__") == parameters(cls, "__init__"), f"__init__ of {twin.name}"
            taken = parameters(cls, "forward")
            wanted = None if taken is None else [name for name in taken if name not in TORCH_ONLY]
            assert parameters(twin, "call") == wanted, f"call of {twin.name}"

    def test_record_names_twins(self) -> None:
        torch, tf = self.spec.classes("torch"), self.spec.classes("tf")
        assert list(tf) == list(torch)
        for task, dotted in torch.items():
            assert tf[task].partition(":")[2] == f"TF{dotted.partition(':')[2]}", task

    def test_every_model_is_recorded(self) -> None:
        """Each public model class is some task's: those with a new_heads statement or derived from …PreTrainedModel."""
        named = {dotted.partition(":")[2] for dotted in self.spec.classes("torch").values()}
        for cls in classes_of(self.modules()[0]):
            bases = [base.id for base in cls.bases if isinstance(base, ast.Name)]
            if any(base.endswith("PreTrainedModel") for base in bases) and not cls.name.endswith("PreTrainedModel"):
                assert cls.name in named, f"{cls.name} is no task of the Architecture record"
