"""`tx env`: what is installed, to be pasted into a bug report."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any

from . import text

_EXAMPLES = """\
Frameworks are not imported: what is shown is what their installation says. The address of a hub is shown without
passwords, and of tokens only whether there is one.

example:
  tx env > environment.txt
"""
# What a framework's module is called → the distributions that may bring it.
_FRAMEWORKS = {
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel", "tf-nightly"),
    "keras": ("keras", "keras-nightly"),
}
_EXTRAS = {"torch": "torch", "tensorflow": "tf", "keras": "tf"}
_LIBRARIES = ("numpy", "ml-dtypes", "h5py", "safetensors", "requests", "filelock", "tqdm", "transformers")
_VARIABLES = (
    "KERAS_BACKEND",
    "TX_DATA",
    "TX_OFFLINE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
)
_DRIVER = "/proc/driver/nvidia/version"


def add(commands: Any, formatter: Any) -> None:
    """Describes the command to argparse."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "env",
        help="what is installed, for a bug report",
        description="Print the versions of Python, tx, the frameworks and the libraries they need.",
        epilog=_EXAMPLES,
        formatter_class=formatter,
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints the versions."""
    import platform
    import sys

    rows = [("python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})")]
    rows += [("platform", platform.platform()), ("processors", str(os.cpu_count()))]
    rows += _packages()
    rows += [(module, _framework(module)) for module in _FRAMEWORKS]
    rows.append(("NVIDIA driver", _driver()))
    rows += [(library, _version(library) or "not installed") for library in _LIBRARIES]
    rows += _settings()
    print("\n".join(text.table([(f"{name}:", value) for name, value in rows], indent="")))


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _packages() -> list[tuple[str, str]]:
    """The installed packages of tx, by name."""
    from importlib.metadata import distributions

    names = {re.sub(r"[-_.]+", "-", each.metadata["Name"] or "").lower() for each in distributions()}
    return [(name, _version(name) or "?") for name in sorted(names) if name.startswith("tx-") and name != "tx-testing"]


def _framework(module: str) -> str:
    """The version of a framework and what it is built for, without importing it."""
    from importlib.util import find_spec

    spec = find_spec(module)
    if spec is None:
        return f'not installed (pip install "tx-all[{_EXTRAS[module]}]")'
    found = [(name, version) for name in _FRAMEWORKS[module] if (version := _version(name)) is not None]
    said = ", ".join(version if name == module else f"{version} ({name})" for name, version in found)
    if module == "torch" and spec.origin:
        said += _built_for(os.path.join(os.path.dirname(spec.origin), "version.py"))
    return said or "installed, of an unknown version"


def _built_for(path: str) -> str:
    """Which CUDA or ROCm PyTorch is built for, as its version.py says; "" if that is not to be had."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            content = file.read(1 << 16)
    except OSError:
        return ""
    for kind, variable in (("CUDA", "cuda"), ("ROCm", "hip")):
        found = re.search(rf"^{variable}\b[^=\n]*=\s*['\"]([\w.-]+)['\"]", content, flags=re.MULTILINE)
        if found:
            return f", built for {kind} {found[1]}"
    return ", built for the CPU alone"


def _driver() -> str:
    """The version of the NVIDIA driver, which Linux tells in a file."""
    try:
        with open(_DRIVER, encoding="utf-8", errors="replace") as file:
            found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", file.readline(1000))
    except OSError:
        return f"none found ({_DRIVER} is not there)"
    return found[1] if found else "of an unknown version"


def _settings() -> list[tuple[str, str]]:
    """What in the environment changes where files come from, or which backend Keras takes."""
    from tx_core.files.source import DEFAULT_ENDPOINT, Source, cache_folder, shown

    rows = [("cache", str(cache_folder()))]
    endpoint = os.environ.get("HF_ENDPOINT")
    if endpoint and endpoint.rstrip("/") != DEFAULT_ENDPOINT:
        rows.append(("HF_ENDPOINT", shown(endpoint)))
    try:
        has_token = Source().implicit_token() is not None
    except ValueError:
        rows.append(("token", "there is one, but it is malformed"))
    else:
        rows.append(("token", "there is one" if has_token else "none"))
    return rows + [(name, os.environ[name]) for name in _VARIABLES if os.environ.get(name)]
