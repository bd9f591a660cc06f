"""Runs one request of ``tx_testing.reference`` in the reference's interpreter: ``child.py FOLDER``."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np


def main(folder: Path) -> None:
    with np.load(folder / "inputs.npz", allow_pickle=False) as archive:
        inputs = {name: archive[name] for name in archive.files}
    arguments = json.loads((folder / "arguments.json").read_text())
    script = runpy.run_path(str(folder / "script.py"))
    outputs = script["main"](arguments, inputs, folder / "files")
    np.savez(folder / "outputs.npz", **outputs)


main(Path(sys.argv[1]))
