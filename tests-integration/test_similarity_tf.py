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


def run(*arguments: str) -> str:
    command = [sys.executable, str(EXAMPLE), "--framework", "tf", "--model", os.environ["TX_MINILM"], *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_published_similarities_are_printed() -> None:
    found = re.findall(r"^  (\d\.\d{4})  (.*)$", run(), flags=re.MULTILINE)
    assert found == [
        ("0.6660", "The weather is lovely today.  |  It's so sunny outside!"),
        ("0.1411", "It's so sunny outside!  |  He drove to the stadium."),
        ("0.1046", "The weather is lovely today.  |  He drove to the stadium."),
    ]


def test_the_size_of_the_batch_changes_nothing() -> None:
    assert run("--batch-size", "1") == run("--batch-size", "2")
