"""The base of all suites: standard tests that cannot be dropped without a reason, parametrised over the classes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import pytest

from .spec import ModelSpec

Test = TypeVar("Test", bound=Callable[..., Any])


def in_graphs(test: Test) -> Test:
    """Mark a test that compiles, traces or exports every class: it runs for those of ``ModelSpec.graph_tasks``."""
    vars(test)["in_graphs"] = True
    return test


def exports(test: Test) -> Test:
    """Mark a test that exports a class, or compiles it in ways of its own: it runs for ``ModelSpec.exported``."""
    vars(test)["exports"] = True
    return test


def of_shared_code(test: Test) -> Test:
    """Mark a test of what all classes share, such as files: it runs for :meth:`ModelSpec.representatives`."""
    vars(test)["of_shared_code"] = True
    return test


def once(test: Test) -> Test:
    """Mark a test of what all architectures have of the core, which takes seconds: see ``ModelSpec.stands_for_all``."""
    vars(test)["once"] = True
    return test


class Suite:
    """Standard tests of an architecture described by ``spec``.

    A subclass that replaces a standard test, or for which one does not apply, says so in ``overrides``: name of the
    test → reason. A test named there that neither it nor a suite between them defines is skipped with the reason.
    Anything else that would hide a standard test is an error when the class is created.
    """

    spec: ClassVar[ModelSpec]
    overrides: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith("tx_testing.suites."):
            return  # the suites themselves
        standard = {
            name
            for base in cls.__mro__[1:]
            if issubclass(base, Suite)
            for name in vars(base)
            if name.startswith("test_")
        }
        for name in sorted(standard):
            if getattr(cls, name) is not None and name not in vars(cls):
                continue
            if not cls.overrides.get(name, "").strip():
                raise TypeError(
                    f"{cls.__name__} replaces or removes the standard test {name} without a reason: "
                    f"state it in overrides = {{{name!r}: '…'}}"
                )
        for name, reason in cls.overrides.items():
            if name not in standard:
                raise TypeError(f"{cls.__name__}.overrides names {name!r}, which is no standard test of this suite")
            if not reason.strip():
                raise TypeError(f"{cls.__name__}.overrides gives no reason for {name!r}")

    @classmethod
    def applies(cls, spec: ModelSpec) -> bool:
        """Whether an architecture is to be tested by this suite."""
        return True

    def needs_padding(self) -> None:
        """Skip the test for an architecture that knows no padding."""
        if not self.spec.padded:
            pytest.skip("does not apply: there is no attention mask, so no padding")

    def needs_pruning(self) -> None:
        """Skip the test for an architecture whose attention heads cannot be removed."""
        if not self.spec.prunes:
            pytest.skip("does not apply: attention heads cannot be removed")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run tests that take ``task`` for every class of the architecture in this framework, or as they are marked."""
        if "task" in metafunc.fixturenames:
            names = self.spec.class_names()
            tasks = [*names]
            if getattr(metafunc.function, "in_graphs", False) and self.spec.graph_tasks is not None:
                tasks = [task for task in tasks if task in self.spec.graph_tasks]
            if getattr(metafunc.function, "of_shared_code", False) or (self.spec.varied and not self.spec.only):
                tasks = self.spec.representatives()
            if getattr(metafunc.function, "exports", False):
                tasks = self.spec.exported_tasks()
            metafunc.parametrize("task", tasks, ids=[names[task] for task in tasks])

    @pytest.fixture(autouse=True)
    def _not_applicable(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.function, "__name__", "")
        replaced = any(name in vars(cls) and name in vars(cls).get("overrides", ()) for cls in type(self).__mro__)
        if name in self.overrides and not replaced:
            pytest.skip(f"does not apply: {self.overrides[name]}")
        if getattr(request.function, "once", False) and not self.spec.stands_for_all:
            pytest.skip("tested once: the core does it for all architectures, and some stand for them")


def standard_tests(suite: type[Suite]) -> list[str]:
    """The names of a suite's tests."""
    return sorted(name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_"))
