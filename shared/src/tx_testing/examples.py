"""The example scripts, called as functions: a process for each call would take seconds to start."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest


class Example:
    """A script of the folder `examples` with a function `main` that takes a command line.

    Args:
        path: the script.
        output: what reads what it prints, pytest's `capsys.readouterr`.
    """

    def __init__(self, path: Path, output: Callable[[], tuple[str, str]]) -> None:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        self._output = output

    def run(self, *arguments: object) -> str:
        """What it prints."""
        self._output()
        self._module.main([*map(str, arguments)])
        return self._output()[0]

    def refusal(self, *arguments: object) -> str:
        """What it says of arguments that it refuses, as argparse does."""
        self._output()
        with pytest.raises(SystemExit) as error:
            self._module.main([*map(str, arguments)])
        assert error.value.code == 2
        return self._output()[1]
