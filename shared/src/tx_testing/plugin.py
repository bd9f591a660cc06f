"""pytest plugin of the tx repository.

A test module says by its name which framework it needs: ``test_x_torch.py``, ``test_x_tf.py``, ``test_x_both.py``
(both in one process), ``test_x_reference.py`` (runs the reference implementation in a process of its own); any other
name needs none. ``--framework torch`` collects only the modules of that kind (several kinds are separated by commas),
and a module that loads a framework which its name does not declare fails.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from . import data, reference

KINDS = ("none", "torch", "tf", "both", "reference")
ALLOWED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "torch": frozenset({"torch"}),
    "tf": frozenset({"tf"}),
    "both": frozenset({"torch", "tf"}),
    "reference": frozenset({"torch", "tf"}),
}
# Modules whose presence in sys.modules says that a framework was loaded. The reference implementation is run in its own
# process only: its TensorFlow half changes what tf.keras means for the whole process.
MODULES = {"torch": "torch", "tensorflow": "tf", "keras": "tf", "tf_keras": "tf_keras", "transformers": "transformers"}
# One thread a process: the tests are small, and several processes share the cores. For tests alone; tx sets none.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}

_SUFFIX = re.compile(r"_(torch|tf|both|reference)\.py$")


def kind_of(path: Path) -> str:
    """The kind of the test module at ``path``: one of KINDS."""
    match = _SUFFIX.search(path.name)
    return match.group(1) if match else "none"


def loaded_frameworks() -> frozenset[str]:
    """The frameworks that this process has loaded so far."""
    return frozenset(framework for module, framework in MODULES.items() if module in sys.modules)


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
    kinds = wanted(config)
    # pytest collects a file that is named on the command line whatever pytest_ignore_collect says.
    files = [arg for arg in config.args if not _is_unwanted(Path(arg.partition("::")[0]), kinds)]
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
    return True if _is_unwanted(collection_path, wanted(config)) else None


def _is_unwanted(path: Path, kinds: frozenset[str]) -> bool:
    return path.suffix == ".py" and path.name.startswith("test_") and kind_of(path) not in kinds


def undeclared(path: Path, before: frozenset[str]) -> str | None:
    """What is wrong when the module at ``path`` loaded a framework beyond ``before`` that its name does not declare."""
    kind = kind_of(path)
    new = loaded_frameworks() - before - ALLOWED[kind]
    if not new:
        return None
    return (
        f"{path.name} loaded {', '.join(sorted(new))}, but a module of the kind {kind!r} may load "
        f"{', '.join(sorted(ALLOWED[kind])) or 'no framework'}: rename it, or import less"
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    before = loaded_frameworks()
    report = yield
    if isinstance(collector, pytest.Module) and report.passed:
        message = undeclared(collector.path, before)
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
    message = undeclared(item.path, before)
    if message:
        pytest.fail(message, pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts = dict.fromkeys((data.SKIP_REASON, reference.SKIP_REASON), 0)
    for report in terminalreporter.getreports("skipped"):
        longrepr = getattr(report, "longrepr", None)
        text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
        for reason in counts:
            counts[reason] += reason in text
    for reason, count in counts.items():
        if count:
            name = reason.partition(":")[0]
            terminalreporter.write_line(f"{count} skipped for want of {name}", yellow=True)
