"""The README's first command, with its weights: examples/sentence_similarity.py prints the published similarities."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "sentence_similarity.py"
pytestmark = pytest.mark.skipif(
    "TX_MINILM" not in os.environ, reason="TX_MINILM: the folder of all-MiniLM-L6-v2 (tools/test downloads it)"
)


def run(*arguments: str, status: int = 0) -> str:
    command = [sys.executable, str(EXAMPLE), "--framework", "torch", "--model", os.environ["TX_MINILM"], *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stderr
    return result.stderr if status else result.stdout


def test_the_published_similarities_are_printed() -> None:
    found = re.findall(r"^  (\d\.\d{4})  (.*)$", run(), flags=re.MULTILINE)
    assert found == [
        ("0.6660", "The weather is lovely today.  |  It's so sunny outside!"),
        ("0.1411", "It's so sunny outside!  |  He drove to the stadium."),
        ("0.1046", "The weather is lovely today.  |  He drove to the stadium."),
    ]


def test_the_size_of_the_batch_changes_nothing() -> None:
    assert run("--batch-size", "1") == run("--batch-size", "2")


def test_what_cannot_be_done_is_said() -> None:
    assert "give two or more" in run("One sentence.", status=2)
    assert "--batch-size must be at least 1, not 0" in run("--batch-size", "0", status=2)
