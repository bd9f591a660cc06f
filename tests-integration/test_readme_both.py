"""The Python code of the READMEs for TensorFlow: the tour, which ends in PyTorch, and blocks that name a TF class."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tx_testing import documented

ROOT = Path(__file__).resolve().parent.parent


def blocks() -> dict[str, str]:
    """The tour as it stands, and each block whose comment says what to write for TensorFlow, written so."""
    found: dict[str, str] = {}
    names = ("bert", "distilbert", "gpt2", "roberta", "tiny", "training", "xlm")
    for readme in (ROOT / "README.md", *(ROOT / f"packages/tx-{name}/README.md" for name in names)):
        for number, block in enumerate(documented.blocks(readme)):
            twin = re.search(r'# or TF(\w+), (?:with )?return_tensors="tf"', block)
            if twin:
                block = re.sub(rf"\b{twin[1]}\b", f"TF{twin[1]}", block.replace('"pt"', '"tf"'))
            if twin or re.search("tensorflow|keras", block):
                found[f"{readme.parent.relative_to(ROOT)}-{number}"] = block
    return found


def test_the_blocks_are_found() -> None:
    assert len(blocks()) == 11


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in blocks().items()])
def test_the_code_runs(block: str, tmp_path: Path) -> None:
    documented.run(block, tmp_path)
