"""Runs every architecture on a GPU and compares it with the CPU.

    python tests-integration/gpu/run.py                            # every check, tiny models
    python tests-integration/gpu/run.py --size base --json FILE    # models of the size of BERT-base
    python tests-integration/gpu/run.py --device cpu --only bert   # a rehearsal where there is no GPU

It needs a checkout, PyTorch or TensorFlow, NumPy and ml_dtypes, and no installation of tx, no data and no network. With
TX_INSTALLED set, the packages that are installed are run in place of the checkout's. Exit status: 0 if nothing failed,
or if there is no such device, which it says; 1 if a check failed; 2 if it could not run. CONTRIBUTING.md
says more.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"torch": ("torch", "numpy", "ml_dtypes"), "tf": ("tensorflow", "keras", "numpy", "ml_dtypes")}
DISTRIBUTIONS = {"ml_dtypes": "ml-dtypes", "tensorflow": "'tensorflow[and-cuda]'"}


def find_packages() -> None:
    """Put the checkout's packages before what may be installed, and the checks themselves."""
    paths = [str(Path(__file__).resolve().parent)]
    if "TX_INSTALLED" not in os.environ:
        paths += [str(path) for path in sorted(ROOT.glob("packages/*/src"))] + [str(ROOT / "shared" / "src")]
    sys.path[:0] = [path for path in paths if path not in sys.path]


def missing(framework: str) -> list[str]:
    """The distributions to install before anything can run."""
    return [DISTRIBUTIONS.get(name, name) for name in MODULES[framework] if find_spec(name) is None]


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, checked. It needs nothing but Python."""
    known = sorted(
        path.stem.removesuffix("_spec").replace("_", "-") for path in ROOT.glob("packages/*/tests/*_spec.py")
    )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=tuple(MODULES), default="torch")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), default="cuda", help="cpu is a rehearsal")
    parser.add_argument("--size", choices=("tiny", "base"), default="tiny")
    parser.add_argument("--only", default=",".join(known), help="architectures, separated by commas (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to a file too")
    arguments = parser.parse_args(argv)
    arguments.only = arguments.only.split(",")
    if unknown := [name for name in arguments.only if name not in known]:
        parser.error(f"--only names {', '.join(unknown)}; there are {', '.join(known)}")
    return arguments


def run(checks: Any, names: Sequence[str], device: str, size: str) -> Iterator[Any]:
    """The lines of the table, as they come."""
    from gpu_checks.cases import Case, Result

    for name in names:
        subject = checks.make_subject(Case(name, size, device == "cpu"), device)
        for title, check in checks.CHECKS.items():
            try:
                yield from check(subject)
            except Exception as error:  # noqa: BLE001 - whatever a check raises, the others are run too
                failed = Result(name, title)
                failed.fail(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
                yield failed


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks and print the table; returns the exit status."""
    arguments = parsed(argv)
    if sys.version_info < (3, 11):  # noqa: UP036 - a system's Python may be any
        print(f"tx needs Python 3.11 or newer; this is {platform.python_version()} ({sys.executable})")
        return 2
    if absent := missing(arguments.framework):
        print(f"missing: {sys.executable} -m pip install {' '.join(absent)}")
        return 2
    find_packages()
    from gpu_checks import table

    checks: Any = import_module(f"gpu_checks.checks_{arguments.framework}")
    reason = checks.unavailable(arguments.device)
    if reason is not None:
        print(f"nothing was run: {reason}")
        return 0
    import tx_core

    header = {
        "tx": str(Path(tx_core.__file__).parent),
        "Python": f"{platform.python_version()}, {platform.platform()}",
        **checks.describe(arguments.device),
        "size": arguments.size,
    }
    for title, text in header.items():
        print(f"{title + ':':18}{text}")
    if arguments.device == "cpu":
        print("A rehearsal: the CPU is compared with itself, and nothing is said of a GPU.")
    print("\n" + table.laid_out(table.HEADINGS))
    results = []
    for result in run(checks, arguments.only, arguments.device, arguments.size):
        print(table.line(result), flush=True)
        results.append(result)
    if arguments.json:
        table.write_json(arguments.json, header, results)
    failed = [f"{each.architecture} {each.check}" for each in results if each.ok is False]
    skipped = sum(each.ok is None for each in results)
    print(f"\n{len(results) - len(failed) - skipped} ok, {skipped} skipped, {len(failed)} failed")
    if failed:
        print("FAILED: " + ", ".join(failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
