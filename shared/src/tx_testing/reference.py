"""Runs the reference implementation (``transformers``) in a process of its own and brings its arrays and files back.

Importing the reference takes 5 to 15 seconds, and its TensorFlow half changes what ``tf.keras`` means for a whole
process: so it never runs in the tests' own process, and a script's process answers all requests of it.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections import OrderedDict
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
_MARKER = "tx-reference:"  # as in child.py, which this process cannot import

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

    A script is imported once, and ``main`` called for every request: it keeps nothing for the next one.

    Args:
        script: Python source, or the name of a file in ``reference_scripts``.
        arguments: anything JSON can carry.
        inputs: arrays.
        timeout: seconds after which the process is ended. Importing the reference is part of the first request.
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
    (folder / "arguments.json").write_text(request)
    arrays: dict[str, Any] = dict(inputs or {})
    np.savez(folder / "inputs.npz", **arrays)
    try:
        _server(python, source).answer(folder, timeout)
    except RuntimeError as error:
        _results[key] = error
        raise
    with np.load(folder / "outputs.npz", allow_pickle=False) as archive:
        result = Result({name: archive[name] for name in archive.files}, files)
    _results[key] = result
    return result


# Each takes some hundred MB. Suites ask in turns for the reference's PyTorch, its TensorFlow, and both again.
_MOST_SERVERS = 3
_servers: OrderedDict[tuple[str, str], _Server] = OrderedDict()


def _server(python: str, source: str) -> _Server:
    """The process that runs a script; the one that was not asked for the longest ends where there are too many."""
    server = _servers.pop((python, source), None)
    if server is None or server.ended:
        while len(_servers) >= _MOST_SERVERS:
            _servers.popitem(last=False)[1].end()
        server = _Server(python, source)
    _servers[python, source] = server
    return server


class _Server:
    """A process in which a script has imported the reference, and answers requests one by one."""

    def __init__(self, python: str, source: str) -> None:
        number = len(list(_root().glob("*.py")))
        script = _root() / f"script{number}.py"
        script.write_text(source)
        self._errors = script.with_suffix(".stderr")
        with self._errors.open("wb") as errors:
            # -I: neither this process's PYTHONPATH nor the current folder may decide what the reference imports.
            self._process = subprocess.Popen(
                [python, "-I", str(SCRIPTS / "child.py"), str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        atexit.register(self.end)

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        atexit.unregister(self.end)

    def answer(self, folder: Path, timeout: float) -> None:
        """Have a request answered.

        Raises:
            RuntimeError: if the script fails, or its process ends.
            subprocess.TimeoutExpired: if it takes longer than ``timeout`` seconds.
        """
        timer = threading.Timer(timeout, self._process.kill)
        timer.start()
        try:
            word = self._ask(folder)
        finally:
            in_time = timer.is_alive()
            timer.cancel()
        if word == "done":
            return
        if word == "failed":
            raise RuntimeError(f"the reference script failed:\n{(folder / 'error.txt').read_text()[-4000:]}")
        status = self._process.wait()
        if not in_time:
            raise subprocess.TimeoutExpired(self._process.args, timeout)
        errors = self._errors.read_text(errors="replace")[-4000:]
        raise RuntimeError(f"the reference script failed with exit status {status}:\n{errors}")

    def _ask(self, folder: Path) -> str:
        """What the process says of a request; nothing if it ends first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{folder}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return ""
        for line in self._process.stdout:
            if line.startswith(_MARKER):
                return line.removeprefix(_MARKER).strip()
        return ""
