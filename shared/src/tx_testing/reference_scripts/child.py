"""Answers requests of ``tx_testing.reference`` in the reference's interpreter: ``child.py SCRIPT``.

Each line of the standard input is the folder of a request. The answer is a line of the standard output, with the
marker before it: ``done`` when the arrays are in the folder, or ``failed`` when ``error.txt`` is. What the reference
prints by itself has no marker.
"""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MARKER = "tx-reference:"


def answer(main: Callable[..., dict[str, Any]], folder: Path) -> None:
    with np.load(folder / "inputs.npz", allow_pickle=False) as archive:
        inputs = {name: archive[name] for name in archive.files}
    outputs = main(json.loads((folder / "arguments.json").read_text()), inputs, folder / "files")
    np.savez(folder / "outputs.npz", **outputs)


def serve(script: str) -> None:
    main = runpy.run_path(script)["main"]
    for line in sys.stdin:
        folder = Path(line.rstrip("\n"))
        try:
            answer(main, folder)
            word = "done"
        except Exception:  # noqa: BLE001 - the asking process raises it
            (folder / "error.txt").write_text(traceback.format_exc())
            word = "failed"
        sys.stdout.write(f"\n{MARKER}{word}\n")
        sys.stdout.flush()


serve(sys.argv[1])
