"""Runs the reference implementation (``transformers``) in a process of its own and brings its arrays and files back.

Importing the reference takes 5 to 15 seconds, and its TensorFlow half changes what ``tf.keras`` means for a whole
process: so it never runs in the tests' own process, and one process answers many requests.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REFERENCE = "TX_REFERENCE_PYTHON"
# What is compared with is REFERENCE. The other has to read what is written here, where it is set.
REFERENCE_5 = "TX_REFERENCE5_PYTHON"
SKIP_REASONS = {
    REFERENCE: f"{REFERENCE}: no reference implementation (set it to a Python that has transformers 4.57.6)",
    REFERENCE_5: f"{REFERENCE_5}: no newer reference (set it to a Python that has transformers 5.x, peft, accelerate)",
}
SCRIPTS = Path(__file__).parent / "reference_scripts"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Result:
    """What a script gave: the arrays it returned, and the folder it saved files in."""

    arrays: dict[str, Array]
    folder: Path

    def group(self, prefix: str) -> dict[str, Array]:
        """The arrays named ``<prefix>/<rest>``, by their rest."""
        return {name[len(prefix) + 1 :]: a for name, a in self.arrays.items() if name.startswith(f"{prefix}/")}


_results: dict[str, Result | RuntimeError] = {}


def reference_python(variable: str = REFERENCE) -> str:
    """The interpreter that has the reference implementation; skips the test when the variable is not set."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(SKIP_REASONS[variable], allow_module_level=True)
    return python


@cache
def _root() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tx-reference-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def run(
    script: str,
    arguments: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Array] | None = None,
    *,
    timeout: float = 600,
    variable: str = REFERENCE,
) -> Result:
    """Run ``main(arguments, inputs, folder) -> dict of arrays`` of a script with the reference's interpreter.

    Args:
        script: Python source, or the name of a file in ``reference_scripts``.
        arguments: anything JSON can carry.
        inputs: arrays.
        timeout: seconds after which the process is ended.
        variable: the one that names the interpreter.

    Returns:
        The arrays and the folder of the files that the script saved. A request that was made before in this session
        (same script, arguments and inputs) is not run again.

    Raises:
        RuntimeError: if the script fails; the message ends with its standard error.
        subprocess.TimeoutExpired: if it takes longer than ``timeout``.
    """
    python = reference_python(variable)
    source = (SCRIPTS / script).read_text() if script.endswith(".py") else script
    request = json.dumps(dict(arguments or {}), sort_keys=True)
    digest = hashlib.sha256(f"{python}\0{source}\0{request}".encode())
    for name, array in sorted((inputs or {}).items()):
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    key = digest.hexdigest()
    known = _results.get(key)
    if isinstance(known, RuntimeError):
        raise known
    if known is not None:
        return known

    folder = _root() / key[:16]
    files = folder / "files"
    files.mkdir(parents=True)
    (folder / "script.py").write_text(source)
    (folder / "arguments.json").write_text(request)
    arrays: dict[str, Any] = dict(inputs or {})
    np.savez(folder / "inputs.npz", **arrays)
    # -I: neither this process's PYTHONPATH nor the current folder may decide what the reference imports.
    done = subprocess.run(
        [python, "-I", str(SCRIPTS / "child.py"), str(folder)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        error = RuntimeError(f"the reference script failed with exit status {done.returncode}:\n{done.stderr[-4000:]}")
        _results[key] = error
        raise error
    with np.load(folder / "outputs.npz", allow_pickle=False) as archive:
        result = Result({name: archive[name] for name in archive.files}, files)
    _results[key] = result
    return result
