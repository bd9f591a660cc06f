"""The 2019 README's quick tour with the classes it says to write for TensorFlow: every name with TF before it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import tensorflow as tf  # noqa: F401  # so that the models are written with it

from tx_testing import published

PROGRAM = Path(__file__).with_name("readme_2019") / "quick_tour.py"
NAMES = re.findall(r'Tokenizer, +"([a-z0-9-]+)"', PROGRAM.read_text())


def test_all_nine_encode_in_tensorflow(tmp_path: Path) -> None:
    assert len(NAMES) == 9
    for name in NAMES:
        published.write(tmp_path / name, name)
    # To the end of the first loop, without what is PyTorch's.
    code = PROGRAM.read_text().partition("BERT_MODEL_CLASSES")[0]
    code = re.sub(r"\((\w+Model),", r"(TF\1,", code.replace("import torch", "import tensorflow as tf"))
    code = code.replace("torch.tensor", "tf.constant").replace("    with torch.no_grad():\n        last", "    last")
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "TX_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    models = ("Bert", "OpenAIGPT", "GPT2", "CTRL", "TransfoXL", "XLNet", "XLM", "DistilBert", "Roberta")
    assert done.stdout.splitlines() == [f"TF{model}Model True" for model in models]
