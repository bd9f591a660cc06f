"""The Python code of the READMEs runs as it stands there, with PyTorch and without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tx_testing import published

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
    found = re.findall(r"^```python\n(.*?)^```", readme.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [block for block in found if not re.search("tensorflow|keras", block)]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=f"{readme.parent.relative_to(ROOT)}-{number}")
        for readme in READMES
        for number, block in enumerate(blocks(readme))
    ],
)
def test_the_code_runs(block: str, tmp_path: Path) -> None:
    # What the texts fetch from the hub is a folder of that name here, which wins; their numbers are not looked at.
    for name in published.NAMES:
        if f'"{name}"' in block:
            published.write(tmp_path / name, name)
    result = subprocess.run(
        [sys.executable, "-c", block],
        cwd=tmp_path,
        env={**os.environ, "TX_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for word in re.findall(r"^print\(.*\)  # (.+)$", block, flags=re.MULTILINE):
        assert result.stdout == f"{word}\n"
