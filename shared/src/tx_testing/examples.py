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


def check_choices_that_cannot_be_predicted_are_refused(script: Example, folder: Path) -> None:
    """Ask a script of multiple choice about an empty test set, and about rows that are too long."""
    (folder / "test.csv").write_text("sent1,sent2,ending0,ending1,ending2,ending3\n")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "swag", "--data_dir", folder, "--do_predict"]
    common += ["--output_dir", folder / "out", "--max_seq_length"]
    with pytest.raises(ValueError, match="--do_predict: the test set has no rows"):
        script.run(*common, 128)
    with pytest.raises(ValueError, match="--max_seq_length 129: tx-tiny/bert reads 128 tokens at most"):
        script.run(*common, 129)
