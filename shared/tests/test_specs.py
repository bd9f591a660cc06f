"""``*_spec.py`` is collected: every kind's suites test it, under readable ids, and load no framework but their own."""

import os

import pytest

pytest_plugins = ["pytester"]

KINDS = ("none", "torch", "tf", "both", "reference", "inside")
LOADS = dict(zip(KINDS, ("", "torch", "tensorflow", "torch, tensorflow", "torch", "torch"), strict=True))

CONFTEST = """
from tx_testing.suites import collected
collected.SUITES = {kind: {"TestModel": f"suite_{kind}:TheSuite"} for kind in collected.SUITES}
collected.CORE = {kind: {"TestModel": f"suite_{kind}:TheCore"} for kind in collected.SUITES}
"""
SUITE = """
import sys
import pytest
from tx_testing.suites.base import Suite
IMPORT
class TheSuite(Suite):
    @classmethod
    def applies(cls, spec):
        return spec.generates

    @pytest.mark.parametrize("x", ["one", "two"])
    def test_x(self, x):
        assert self.spec.config == {"size": 3}

    def test_frameworks(self):
        assert [name for name in ("torch", "tensorflow") if name in sys.modules] == LOADED

class TheCore(Suite):
    def test_size(self):
        assert self.spec.config == {"size": 4}
"""
SPEC = """
from tx_testing.suites.spec import ModelSpec
SPEC = ModelSpec(architecture="a:B", config={"size": 3}FIELDS)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with a spec, whose suites import a "torch" and a "tensorflow" that are empty."""
    pytester.makepyfile(torch="def set_num_threads(n):\n    pass\n", tensorflow="", conftest=CONFTEST)
    for kind, modules in LOADS.items():
        body = SUITE.replace("IMPORT", f"import {modules}" if modules else "")
        loaded = [name for name in ("torch", "tensorflow") if name in modules]
        pytester.makepyfile(**{f"suite_{kind}": body.replace("LOADED", repr(loaded))})
    write(pytester)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    return pytester


def write(project: pytest.Pytester, fields: str = "") -> None:
    project.makepyfile(a_spec=SPEC.replace("FIELDS", fields and f", {fields}"))


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_runs_its_suites(project: pytest.Pytester, kind: str) -> None:
    result = project.runpytest_subprocess("--framework", kind, "--collect-only", "-q")
    names = ("test_x[one]", "test_x[two]", "test_frameworks")
    assert ids(result) == [f"a_spec.py::{kind}::TestModel::{name}" for name in names]
    project.runpytest_subprocess("--framework", kind).assert_outcomes(passed=3)


def test_several_kinds(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--framework", "torch,none", "--collect-only", "-q")
    assert {each.split("::")[1] for each in ids(result)} == {"none", "torch"}
    assert len(ids(project.runpytest_subprocess("--collect-only", "-q", "a_spec.py"))) == 3 * len(KINDS)


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["a_spec.py::torch"], 3),
        (["a_spec.py::tf::TestModel"], 3),
        (["a_spec.py::torch::TestModel::test_x"], 2),
        (["a_spec.py::torch::TestModel::test_x[two]", "a_spec.py::torch::TestModel::test_frameworks"], 2),
        (["--framework", "tf", "-k", "TestModel and two"], 1),
        (["--framework", "torch", "a_spec.py::torch", "a_spec.py::tf"], 3),
    ],
)
def test_ids_select(project: pytest.Pytester, arguments: list[str], passed: int) -> None:
    """And what is not selected loads nothing: test_frameworks passes."""
    result = project.runpytest_subprocess(*arguments)
    assert result.parseoutcomes()["passed"] == passed
    assert result.ret == 0


def test_processes_share_the_tests(project: pytest.Pytester) -> None:
    pytest.importorskip("xdist")
    project.runpytest_subprocess("-n", "2", "--framework", "torch").assert_outcomes(passed=3)


def test_ids_of_other_kinds_are_left_out(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--framework", "torch", "a_spec.py::tf::TestModel")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--framework torch leaves out all of a_spec.py::tf::TestModel*"])


def test_a_suite_that_does_not_apply(project: pytest.Pytester) -> None:
    write(project, "generates=False")
    assert project.runpytest_subprocess().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_the_core_runs_for_every_variant(project: pytest.Pytester) -> None:
    write(project, 'variants={"large": {"config": {"size": 4}}, "small": {"config": {"size": 2}}}')
    result = project.runpytest_subprocess("--framework", "torch", "--collect-only", "-q")
    names = ("test_x[one]", "test_x[two]", "test_frameworks")
    assert ids(result) == [
        *(f"a_spec.py::torch::TestModel::{name}" for name in names),
        "a_spec.py::torch::TestModel_large::test_size",
        "a_spec.py::torch::TestModel_small::test_size",
    ]
    result = project.runpytest_subprocess("a_spec.py::torch::TestModel_large", "a_spec.py::torch::TestModel_small")
    result.assert_outcomes(passed=1, failed=1)


def test_a_test_of_a_variant_that_does_not_apply(project: pytest.Pytester) -> None:
    fields = 'variants={"small": {}}, overrides={"torch::TestModel_small::test_size": "it has none"}'
    write(project, fields)
    project.runpytest_subprocess("--framework", "torch").assert_outcomes(passed=3, skipped=1)


def test_a_suite_that_imports_an_undeclared_framework_fails(project: pytest.Pytester) -> None:
    project.makepyfile(suite_tf=SUITE.replace("IMPORT", "import torch"))
    result = project.runpytest_subprocess("--framework", "tf")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*a_spec.py::tf loaded torch*kind 'tf' may load tf*"])


def test_a_standard_test_that_loads_an_undeclared_framework_fails(project: pytest.Pytester) -> None:
    bad = "    def test_bad(self):\n        import torch\n\n    def test_frameworks"
    body = SUITE.replace("IMPORT", "").replace("LOADED", "[]").replace("    def test_frameworks", bad)
    project.makepyfile(suite_tf=body)
    result = project.runpytest_subprocess("--framework", "tf")
    result.assert_outcomes(passed=2, failed=2)  # test_frameworks, which comes after it, too
    result.stdout.fnmatch_lines(["*a_spec.py::tf loaded torch*"])


def test_a_spec_that_imports_a_framework_fails(project: pytest.Pytester) -> None:
    project.makepyfile(a_spec="import torch\n" + SPEC.replace("FIELDS", ""))
    result = project.runpytest_subprocess("--framework", "torch")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*a_spec.py loaded torch*may load no framework*"])


def test_a_file_without_a_spec_fails(project: pytest.Pytester) -> None:
    project.makepyfile(a_spec="SPEC = 3")
    result = project.runpytest_subprocess("--framework", "none")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*a_spec.py must define SPEC, a ModelSpec; it has 3*"])


def test_a_standard_test_that_does_not_apply(project: pytest.Pytester) -> None:
    write(project, 'overrides={"torch::TestModel::test_x": "there is no x"}')
    result = project.runpytest_subprocess("--framework", "torch", "-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*does not apply: there is no x*"])


@pytest.mark.parametrize(
    ("key", "reason", "message"),
    [
        ("torch::TestModel::test_y", "it is old", "*TestModel.overrides names 'test_y', which is no standard test*"),
        ("torch::TestModels::test_x", "it is old", "*'torch::TestModels::test_x'*there are only TestModel*"),
        ("torch::TestModel::test_x", " ", "*TestModel.overrides gives no reason for 'test_x'*"),
        ("test_x", "it is old", "*'test_x', which is not of the form 'torch::TestModel::test_name'*"),
        ("jax::TestModel::test_x", "it is old", "*not of the form 'torch::TestModel::test_name'*"),
    ],
)
def test_wrong_overrides_are_refused(project: pytest.Pytester, key: str, reason: str, message: str) -> None:
    write(project, f"overrides={{{key!r}: {reason!r}}}")
    result = project.runpytest_subprocess("--framework", "torch")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])
