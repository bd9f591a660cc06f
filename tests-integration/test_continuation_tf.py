"""The README's first command, its second half: what tx-tiny/gpt2 writes, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_published_continuation_is_printed() -> None:
    command = [sys.executable, str(ROOT / "examples" / "run_generation.py"), "--framework", "tf"]
    command += ["--model_type", "gpt2", "--model_name_or_path", "tx-tiny/gpt2", "--prompt", "The ship was"]
    command += ["--length", "40", "--temperature", "0", "--repetition_penalty", "1.2"]
    environment = {**os.environ, "TX_OFFLINE": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr
    published = (ROOT / "README.md").read_text(encoding="utf-8").partition("Continuation (tx-tiny/gpt2)\n\n")[2]
    assert "The ship was" + result.stdout == published.partition("```")[0]
