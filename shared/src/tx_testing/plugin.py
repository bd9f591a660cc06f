"""pytest plugin of the tx repository.

A test module says by its name which framework it needs: ``test_x_torch.py``, ``test_x_tf.py``, ``test_x_both.py``
(both in one process), ``test_x_reference.py`` (runs the reference implementation in a process of its own),
``test_x_inside.py`` (PyTorch models inside other tools); any other name needs none. ``--framework torch`` collects only
the modules of that kind (several kinds are separated by commas), and a module that loads a framework which its name
does not declare fails. ``x_spec.py`` describes an architecture; it is tested by the suites of every kind that is asked
for (:mod:`tx_testing.specs`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from . import data, reference
from .kinds import KINDS, kind_of, loaded_frameworks, undeclared
from .specs import WANTED, Kind, SpecFile, is_spec

# One thread a process: the tests are small, and several processes share the cores. For tests alone; tx sets none.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--framework",
        default=None,
        metavar="KIND[,KIND]",
        help=f"collect only the test modules of these kinds: {', '.join(KINDS)} (default: all of them)",
    )


def pytest_configure(config: pytest.Config) -> None:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    torch = sys.modules.get("torch")
    if torch is not None:  # loaded by another plugin before the environment was set
        torch.set_num_threads(1)
    kinds = config.stash[WANTED] = wanted(config)
    config.addinivalue_line("python_files", "*_spec.py")
    # pytest collects a file that is named on the command line whatever pytest_ignore_collect says.
    files = [arg for arg in config.args if not _names_unwanted(arg, kinds)]
    if config.args and not files:
        raise pytest.UsageError(
            f"--framework {config.getoption('--framework')} leaves out all of {' '.join(config.args)}"
        )
    config.args[:] = files
    data.set_start(config.rootpath)


def wanted(config: pytest.Config) -> frozenset[str]:
    """The kinds that ``--framework`` asks for; raises pytest.UsageError for a kind that does not exist."""
    option: str | None = config.getoption("--framework")
    if option is None:
        return frozenset(KINDS)
    kinds = [kind.strip() for kind in option.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            raise pytest.UsageError(f"--framework {kind!r} is not one of {', '.join(KINDS)}")
    return frozenset(kinds)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if _is_unwanted(collection_path, config.stash[WANTED]) else None


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return SpecFile.from_parent(parent, path=module_path) if is_spec(module_path) else None


def _is_unwanted(path: Path, kinds: frozenset[str]) -> bool:
    return path.suffix == ".py" and path.name.startswith("test_") and kind_of(path) not in kinds


def _names_unwanted(argument: str, kinds: frozenset[str]) -> bool:
    """Whether an argument of the command line names nothing of these kinds."""
    file, *parts = argument.split("::")
    if parts and is_spec(Path(file)):
        return parts[0] in KINDS and parts[0] not in kinds
    return _is_unwanted(Path(file), kinds)


def _undeclared(node: pytest.Item | pytest.Collector, before: frozenset[str]) -> str | None:
    kind = node.getparent(Kind)
    if kind is None:
        return undeclared(node.path.name, kind_of(node.path), before)
    return undeclared(f"{node.path.name}::{kind.name}", kind.name, before)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    before = loaded_frameworks()
    report = yield
    if isinstance(collector, pytest.Module | Kind) and report.passed:
        message = _undeclared(collector, before)
        if message:
            report.outcome = "failed"
            report.longrepr = message
            report.result = []
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    before = loaded_frameworks()
    yield
    fail_undeclared(item, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    before = loaded_frameworks()
    yield
    fail_undeclared(item, before)


def fail_undeclared(item: pytest.Item, before: frozenset[str]) -> None:
    message = _undeclared(item, before)
    if message:
        pytest.fail(message, pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = dict.fromkeys((data.SKIP_REASON, *reference.SKIP_REASONS.values()), 0)
    for report in terminalreporter.getreports("skipped"):
        longrepr = getattr(report, "longrepr", None)
        text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        for reason in counts:
            counts[reason] += reason in text
    for reason, count in counts.items():
        if count:
            name = reason.partition(":")[0]
            terminalreporter.write_line(f"{count} skipped for want of {name}", yellow=True)
