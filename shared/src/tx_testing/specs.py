"""Collects ``*_spec.py``: one description of an architecture, tested by the suites of every kind.

A test of ``x_spec.py`` that needs PyTorch is ``x_spec.py::torch::TestModel::test_dtype[XModel]``, and so on. The suites
of a kind are imported when pytest collects that kind, so ``--framework torch`` and ``x_spec.py::torch`` load no
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from .kinds import KINDS
from .suites.collected import suites_of
from .suites.spec import ModelSpec

ENDING = "_spec.py"
# The kinds that --framework asks for.
WANTED = pytest.StashKey[frozenset[str]]()


def is_spec(path: Path) -> bool:
    """Whether a file describes an architecture."""
    return path.name.endswith(ENDING)


class SpecFile(pytest.Module):
    """A file that describes an architecture; its parts are the kinds of tests."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        spec = getattr(self.obj, "SPEC", None)
        if not isinstance(spec, ModelSpec):
            raise self.CollectError(f"{self.nodeid} must define SPEC, a ModelSpec; it has {spec!r}")
        kinds: frozenset[str] = self.config.stash[WANTED]
        return [Kind.from_parent(self, name=kind) for kind in KINDS if kind in kinds]


class Kind(pytest.Class):
    """The suites of one kind; pytest sees a class that holds them."""

    def _getobj(self) -> type:
        assert isinstance(self.parent, SpecFile)
        try:
            suites = suites_of(self.parent.obj.SPEC, self.name, self.parent.obj.__name__)
        except TypeError as error:
            raise self.CollectError(f"{self.nodeid}: {error}") from None
        return type(self.name, (), {"__doc__": None, **suites})
