"""The 2019 README's TensorFlow training on MRPC, run as it stands there, and what it loads in PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tx_bert import BertConfig, TFBertForSequenceClassification
from tx_testing import published
from tx_testing.data import data_root

PROGRAMS = Path(__file__).with_name("readme_2019")
# After the program: whether it learned, and whether PyTorch gives the numbers of TensorFlow.
CHECKS = """
batch = next(iter(valid_dataset))[0]
ours = model.predict_on_batch(batch)[0]
theirs = pytorch_model(**{name: torch.tensor(values.numpy()).long() for name, values in batch.items()})[0].detach()
print(history.history["loss"][1] < history.history["loss"][0])
print(float(abs(theirs.numpy() - ours).max()) < 1e-5)
"""


def rows(folder: Path) -> Path:
    """MRPC's training set where the test data is; else pairs of our own in its form."""
    root = data_root()
    if root is not None:
        return root / "glue" / "MRPC" / "train.tsv"
    subjects, objects = ("The ship", "A river", "His brother", "The old town"), ("in 1998", "at night", "for a year")
    pairs = [(a, b, c, d) for a in subjects for b in objects for c in subjects for d in objects]
    lines = [f"{int(a == c and b == d)}\t1\t2\t{a} was found {b} .\t{d} , {c} was found ." for a, b, c, d in pairs]
    path = folder / "train.tsv"
    path.write_text("\n".join(["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *lines, ""]))
    return path


def test_tensorflow_training_and_pytorch(tmp_path: Path) -> None:
    # The tokenizer of a small trained model, and a model that 230 steps take seconds of.
    published.write(tmp_path / "bert-base-cased", "bert-base-cased")
    config = BertConfig.from_pretrained(
        tmp_path / "bert-base-cased", num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=32
    )
    TFBertForSequenceClassification(config).save_pretrained(tmp_path / "bert-base-cased")
    program = (PROGRAMS / "tf_training.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport torch\n{CHECKS}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "TX_OFFLINE": "1",
            "MRPC_TSV": str(rows(tmp_path)),
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PROGRAMS), os.environ.get("PYTHONPATH")))),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, first, second, learned, same = done.stdout.splitlines()
    for number, line in enumerate((first, second), start=1):
        assert line in (
            f"sentence_{number} is a paraphrase of sentence_0",
            f"sentence_{number} is not a paraphrase of sentence_0",
        )
    assert (learned, same) == ("True", "True")
