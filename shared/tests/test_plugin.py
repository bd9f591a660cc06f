"""The pytest plugin: kinds of test modules, undeclared frameworks, skip counts."""

import os
import subprocess
from pathlib import Path

import pytest

from tx_testing import data, plugin, reference

pytest_plugins = ["pytester"]

FAKE_TORCH = "def set_num_threads(n):\n    pass\n"


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project whose "torch" and "tensorflow" are empty modules, run in processes of their own."""
    pytester.makepyfile(torch=FAKE_TORCH, tensorflow="")
    for name, body in {
        "test_a": "def test_it(): pass",
        "test_a_torch": "import torch\ndef test_it(): pass",
        "test_a_tf": "import tensorflow\ndef test_it(): pass",
        "test_a_both": "import torch, tensorflow\ndef test_it(): pass",
        "test_a_reference": "def test_it(): pass",
    }.items():
        pytester.makepyfile(**{name: body})
    monkeypatch.setenv("PYTHONPATH", str(pytester.path), prepend=os.pathsep)
    return pytester


def names(result: pytest.RunResult) -> set[str]:
    return {line.partition("::")[0] for line in result.outlines if "::" in line}


@pytest.mark.parametrize(
    ("option", "collected"),
    [
        ("none", {"test_a.py"}),
        ("torch", {"test_a_torch.py"}),
        ("tf", {"test_a_tf.py"}),
        ("both", {"test_a_both.py"}),
        ("reference", {"test_a_reference.py"}),
        ("none,torch", {"test_a.py", "test_a_torch.py"}),
    ],
)
def test_framework_option_collects_by_suffix(project: pytest.Pytester, option: str, collected: set[str]) -> None:
    result = project.runpytest_subprocess("--framework", option, "--collect-only", "-q")
    assert result.ret == 0
    assert names(result) == collected


def test_framework_option_goes_for_files_that_are_named(project: pytest.Pytester) -> None:
    files = ("test_a.py", "test_a_torch.py", "test_a_tf.py::test_it")
    result = project.runpytest_subprocess("--framework", "torch", "--collect-only", "-q", *files)
    assert names(result) == {"test_a_torch.py"}
    result = project.runpytest_subprocess("--framework", "both", "--collect-only", "-q", *files)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--framework both leaves out all of test_a.py*"])


def test_without_the_option_all_is_collected(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--collect-only", "-q")
    assert len(names(result)) == 5


def test_unknown_kind_is_refused(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess("--framework", "jax")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'jax' is not one of none, torch, tf, both, reference*"])


def test_module_that_imports_an_undeclared_framework_fails(project: pytest.Pytester) -> None:
    project.makepyfile(test_b_torch="import tensorflow\ndef test_it(): pass")
    result = project.runpytest_subprocess("test_b_torch.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*test_b_torch.py loaded tf*kind 'torch' may load torch*"])


def test_test_that_loads_an_undeclared_framework_fails(project: pytest.Pytester) -> None:
    project.makepyfile(test_b="def test_bad():\n    import torch\ndef test_good():\n    pass")
    result = project.runpytest_subprocess("test_b.py")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*test_b.py loaded torch*may load no framework*"])


def test_fixture_that_loads_an_undeclared_framework_fails(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_b="import pytest\n@pytest.fixture\ndef bad():\n    import torch\ndef test_bad(bad):\n    pass"
    )
    project.runpytest_subprocess("test_b.py").assert_outcomes(errors=1)


def test_the_reference_is_never_loaded_here(project: pytest.Pytester) -> None:
    project.makepyfile(transformers="", test_b_reference="import transformers\ndef test_it(): pass")
    project.runpytest_subprocess("test_b_reference.py").assert_outcomes(errors=1)


def test_one_thread(project: pytest.Pytester) -> None:
    project.makepyfile(test_b="import os\ndef test_it():\n    assert os.environ['OMP_NUM_THREADS'] == '1'")
    project.runpytest_subprocess("test_b.py").assert_outcomes(passed=1)


def test_skips_are_counted(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TX_DATA", raising=False)
    monkeypatch.delenv("TX_REFERENCE_PYTHON", raising=False)
    project.makepyfile(
        test_b="""
        from tx_testing.data import data_path
        from tx_testing.reference import reference_python
        def test_one(): data_path("vocab")
        def test_two(): data_path("vocab")
        def test_three(): reference_python()
        """
    )
    result = project.runpytest_subprocess("test_b.py")
    result.assert_outcomes(skipped=3)
    result.stdout.fnmatch_lines(["2 skipped for want of TX_DATA", "1 skipped for want of TX_REFERENCE_PYTHON"])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("test_x.py", "none"),
        ("test_torch.py", "torch"),
        ("test_x_torch.py", "torch"),
        ("test_x_torchy.py", "none"),
        ("test_x_inside.py", "inside"),
    ],
)
def test_kind_of(name: str, kind: str) -> None:
    assert plugin.kind_of(Path(name)) == kind


def test_data_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vocab").mkdir()
    monkeypatch.setenv("TX_DATA", str(tmp_path))
    assert data.data_path("vocab") == tmp_path / "vocab"
    with pytest.raises(FileNotFoundError, match="vocabulary"):
        data.data_path("vocabulary")
    monkeypatch.setenv("TX_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="nowhere"):
        data.data_path("vocab")


def test_data_beside_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TX_DATA", raising=False)
    monkeypatch.setattr(data, "_start", tmp_path / "repository" / "packages")
    assert data.data_root() is None
    (tmp_path / "shared" / "data" / "vocab").mkdir(parents=True)
    assert data.data_root() == tmp_path / "shared" / "data"


def test_reference_runs_a_script_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import numpy as np

    monkeypatch.setenv("TX_REFERENCE_PYTHON", sys.executable)
    script = """
import os
def main(arguments, inputs, folder):
    (folder / "saved.txt").write_text(arguments["word"])
    return {"a/double": inputs["x"] * 2, "a/pid": inputs["x"] * 0 + os.getpid(), "b": inputs["x"]}
"""
    x = np.arange(3.0)
    first = reference.run(script, {"word": "hello"}, {"x": x})
    assert (first.folder / "saved.txt").read_text() == "hello"
    group = first.group("a")
    assert set(group) == {"double", "pid"}
    np.testing.assert_array_equal(group["double"], x * 2)
    assert reference.run(script, {"word": "hello"}, {"x": x}) is first
    other = reference.run(script, {"word": "hello"}, {"x": x + 1})
    assert other.folder != first.folder
    # One process answers all requests.
    np.testing.assert_array_equal(other.group("a")["pid"], group["pid"])


def test_reference_failure_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("TX_REFERENCE_PYTHON", sys.executable)
    script = "def main(arguments, inputs, folder):\n    raise ValueError('no such model')\n"
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no such model"):
            reference.run(script)


def test_reference_that_ends_or_hangs_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("TX_REFERENCE_PYTHON", sys.executable)
    script = """
import os, sys, time
import numpy as np
def main(arguments, inputs, folder):
    print("what a library says")
    if arguments["do"] == "end":
        sys.stderr.write("out of memory")
        sys.stderr.flush()
        os._exit(3)
    if arguments["do"] == "hang":
        time.sleep(60)
    return {"pid": np.array(os.getpid())}
"""
    first = reference.run(script, {"do": "answer"})
    with pytest.raises(RuntimeError, match="exit status 3:\nout of memory"):
        reference.run(script, {"do": "end"})
    second = reference.run(script, {"do": "answer again"})
    with pytest.raises(subprocess.TimeoutExpired):
        reference.run(script, {"do": "hang"}, timeout=0.5)
    third = reference.run(script, {"do": "answer once more"})
    assert len({int(each.arrays["pid"]) for each in (first, second, third)}) == 3


def test_reference_processes_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("TX_REFERENCE_PYTHON", sys.executable)
    for number in range(reference._MOST_SERVERS + 2):
        reference.run(f"def main(arguments, inputs, folder):\n    return {{}}  # {number}\n")
        assert len(reference._servers) <= reference._MOST_SERVERS
