"""What importing each package costs and loads, in processes of their own, and what a type checker sees of it."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(path.parent.name.replace("-", "_") for path in ROOT.glob("packages/*/pyproject.toml"))


def exports(package: str) -> Mapping[str, Sequence[str]]:
    """Module -> names that a package offers; empty for one that offers none lazily."""
    module = importlib.import_module(package)
    return module.ARCHITECTURE.exports() if hasattr(module, "ARCHITECTURE") else getattr(module, "EXPORTS", {})


LAZY = [name for name in NAMES if exports(name)]
ARCHITECTURES = [name for name in LAZY if hasattr(importlib.import_module(name), "ARCHITECTURE")]
# What importing may take beyond the start of the interpreter, in times of what these modules of Python take: on the
# machine where that is 72 milliseconds of processor time, 50. NumPy takes more than all of them.
YARDSTICK = "import argparse, json, logging, unittest.mock"
BUDGET = 0.7
ROUNDS = range(3, 16)  # as few as show it
HEAVY = {"torch", "tensorflow", "keras", "numpy", "requests", "h5py", "safetensors", "tqdm", "importlib.metadata"}


def imports(package: str) -> str:
    """Code that imports the package with its configuration and its tokenizer."""
    names = [name for module in ("config", "tokenizer") for name in exports(package)[module]]
    return f"import {package}; {'; '.join(f'{package}.{name}' for name in names)}"


def seconds(code: str, cache: Path) -> float:
    """Processor time of a process that runs `code`: unlike the time of day it hardly depends on what else runs.

    Byte code is kept in the folder `cache`, as an installed package has it beside its modules.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("package", ARCHITECTURES)
def test_config_and_tokenizer_are_imported_within_the_budget(package: str, tmp_path: Path) -> None:
    codes = ("pass", YARDSTICK, imports(package))
    for code in codes:
        seconds(code, tmp_path)  # writes the byte code
    # The least of several: what else the machine does only adds to a time. Alternating, so that all meet the same.
    times: list[list[float]] = []
    for rounds in ROUNDS:
        times += [[seconds(code, tmp_path) for code in codes] for _ in range(rounds - len(times))]
        bare, yardstick, full = map(min, zip(*times, strict=True))
        if full - bare < BUDGET * (yardstick - bare):
            return
    pytest.fail(f"{full - bare:.3f} s, but {BUDGET * (yardstick - bare):.3f} s are allowed")


@pytest.mark.parametrize("package", ARCHITECTURES)
def test_config_and_tokenizer_load_nothing_heavy(package: str) -> None:
    code = f"import sys; {imports(package)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & {*loaded}
    assert {f"{package}.config", f"{package}.tokenizer"} <= {*loaded}


@pytest.mark.parametrize("package", ARCHITECTURES)
def test_config_and_tokenizer_need_no_docstrings(package: str) -> None:
    subprocess.run([sys.executable, "-OO", "-c", imports(package)], check=True)


@pytest.mark.parametrize("package", LAZY)
def test_the_type_checker_sees_every_export(package: str) -> None:
    stub = Path(inspect.getfile(importlib.import_module(package))).with_suffix(".pyi").read_text()
    imported = {
        (node.module, alias.name, alias.asname)
        for node in ast.walk(ast.parse(stub))
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert {(name, each, each) for name, exported in exports(package).items() for each in exported} <= imported
    assert "__version__: str" in stub.splitlines()


@pytest.mark.parametrize("package", LAZY)
def test_every_export_that_needs_no_framework_exists(package: str) -> None:
    module = importlib.import_module(package)
    for name, exported in exports(package).items():
        if not name.endswith(("_torch", "_tf")):
            for each in exported:
                assert getattr(module, each) is getattr(importlib.import_module(f"{package}.{name}"), each)
