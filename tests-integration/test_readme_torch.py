"""The Python code of the READMEs runs as it stands there, with PyTorch and without a network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tx_testing import documented

ROOT = Path(__file__).resolve().parent.parent
READMES = [
    ROOT / "README.md",
    *(
        ROOT / f"packages/tx-{name}/README.md"
        for name in (
            "all",
            "bert",
            "core",
            "distilbert",
            "gpt2",
            "roberta",
            "tiny",
            "tokenizers",
            "training",
            "transfo-xl",
            "xlm",
        )
    ),
]


def blocks(readme: Path) -> list[str]:
    """The blocks that need no TensorFlow."""
    return [block for block in documented.blocks(readme) if not re.search("tensorflow|keras", block)]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{readme.parent.relative_to(ROOT)}-{number}")
        for readme in READMES
        for number, block in enumerate(blocks(readme))
    ],
)
def test_the_code_runs(block: str, tmp_path: Path) -> None:
    documented.run(block, tmp_path)
