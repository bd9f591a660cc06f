"""The environments that the commands of tools/ make: made once, made anew when something about them changed."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/bootstrap.py for a repository in tmp_path, with a pip that only notes what it is asked for."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module.Environment, "_create", create)
    monkeypatch.setattr(module.Environment, "pip", lambda self, arguments: CALLS.append(arguments))
    CALLS.clear()
    return module


CALLS: list[list[str]] = []


def create(environment: object) -> None:
    python: Path = environment.python  # type: ignore[attr-defined]
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    CALLS.append(["create"])


def test_an_environment_is_made_once(bootstrap: ModuleType) -> None:
    for _ in range(2):
        bootstrap.Environment(".venv-x").ensure({"a": [["x==1"], ["y"]]})
    assert CALLS == [["create"], ["install", "x==1"], ["install", "y"]]


def test_a_further_step_is_added(bootstrap: ModuleType) -> None:
    bootstrap.Environment(".venv-x").ensure({"build": [["p"]], "a": [["x"]]})
    bootstrap.Environment(".venv-x").ensure({"build": [["p"]], "b": [["y"]]})
    bootstrap.Environment(".venv-x").ensure({"build": [["p"]], "a": [["x"]]})
    assert CALLS == [["create"], ["install", "p"], ["install", "x"], ["install", "y"]]


def test_a_changed_step_is_made_anew(bootstrap: ModuleType) -> None:
    bootstrap.Environment(".venv-x").ensure({"a": [["x==1"]]})
    bootstrap.Environment(".venv-x").ensure({"a": [["x==2"]]})
    assert CALLS == [["create"], ["install", "x==1"], ["create"], ["install", "x==2"]]


def test_a_changed_file_makes_it_anew(bootstrap: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "constraints.txt"
    for text in ("x==1", "x==1", "x==2"):
        path.write_text(text)
        bootstrap.Environment(".venv-x").ensure({"a": [["x"]]}, depends_on=[path])
    assert CALLS == [["create"], ["install", "x"]] * 2


def test_an_interrupted_installation_is_made_anew(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.Environment(".venv-x").ensure({"a": [["x"]]})

    def interrupted(self: object, arguments: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(bootstrap.Environment, "pip", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.Environment(".venv-x").ensure({"b": [["y"]]})
    bootstrap.Environment(".venv-x").ensure({"b": [["y"]]})
    assert CALLS == [["create"], ["install", "x"], ["create"], ["install", "y"]]


def test_a_broken_marker_makes_it_anew(bootstrap: ModuleType) -> None:
    environment = bootstrap.Environment(".venv-x")
    environment.ensure({"a": [["x"]]})
    environment.marker.write_text("{")
    environment.ensure({"a": [["x"]]})
    assert CALLS == [["create"], ["install", "x"]] * 2


@pytest.mark.parametrize("command", ["build", "check", "bump", "quickstart", "test"])
def test_an_older_python_is_refused_with_a_cure(command: str) -> None:
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 0, 'final', 0); sys.version = '3.9.0 (x)';"
        f"sys.argv = ['tools/{command}']; sys.path.insert(0, 'tools'); runpy.run_path('tools/{command}')"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "tx needs Python 3.11, 3.12 or 3.13" in result.stderr
    assert f"python3.11 tools/{command}" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["bootstrap.py", "build", "bump", "check", "install", "quickstart", "test"])
def test_an_older_python_can_parse_what_refuses_it(command: str) -> None:
    ast.parse((ROOT / "tools" / command).read_text(encoding="utf-8"), feature_version=(3, 6))
