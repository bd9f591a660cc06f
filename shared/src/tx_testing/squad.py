"""Questions of SQuAD for tests of the example scripts: the test data has its files, see :mod:`tx_testing.data`."""

from __future__ import annotations

import json
from pathlib import Path

from .data import data_path


def few_questions(folder: Path) -> Path:
    """Eight questions of version 1.1, of one context, as a file in the folder; skips without the test data."""
    whole = json.loads(data_path("squad/v1.1/dev-v1.1.json").read_text(encoding="utf-8"))
    paragraph = whole["data"][0]["paragraphs"][0]
    paragraph["qas"] = paragraph["qas"][:8]
    path = folder / "v1.json"
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "", "paragraphs": [paragraph]}]}))
    return path


def command_line(model: str, file: Path) -> list[object]:
    """Arguments of run_squad.py or run_tf_squad.py with a model of tx-tiny; what follows is the folder of the output.

    Args:
        model: its name in tx-tiny, ``bert``.
        file: the questions, to train on and to measure by.
    """
    lengths = ["--max_seq_length", 96, "--doc_stride", 32, "--do_eval", "--predict_file", file, "--train_file", file]
    batches = ["--no_cuda", "--per_gpu_train_batch_size", 4, "--learning_rate", 1e-3]
    return ["--model_name_or_path", f"tx-tiny/{model}", *lengths, *batches, "--output_dir"]
