"""examples/run_glue.py in two processes: the losses of one whose batch is twice as large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tx_bert import BertConfig
from tx_testing.glue import first_files

SCRIPT = Path(__file__).resolve().parent.parent / "examples" / "run_glue.py"
# The line of 2019, and that which replaced it.
LAUNCHERS = {"ddp": "torch.distributed.launch", "fsdp": "torch.distributed.run"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of MRPC, a configuration without dropout, and what one process makes of them."""
    folder = first_files("MRPC", tmp_path_factory.mktemp("MRPC"), train=24)
    config = BertConfig.from_pretrained("tx-tiny/bert")
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    config.save_pretrained(folder / "config")
    run(folder, "alone", [], 8)
    return folder


def run(folder: Path, name: str, launcher: list[str], batch_size: int, *flags: str) -> None:
    command = [sys.executable, *launcher, str(SCRIPT), "--model_name_or_path", "tx-tiny/bert", "--task_name", "mrpc"]
    command += ["--config_name", str(folder / "config"), "--data_dir", str(folder), "--do_lower_case", "--do_train"]
    command += ["--max_seq_length", "48", "--no_cuda", "--logging_steps", "1", "--num_train_epochs", "2"]
    command += ["--learning_rate", "1e-3", "--per_gpu_train_batch_size", str(batch_size), *flags]
    command += ["--output_dir", str(folder / name)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def losses(folder: Path) -> list[float]:
    return [row["loss"] for row in json.loads((folder / "results.json").read_text())["history"]]


@pytest.mark.parametrize("kind", LAUNCHERS)
def test_the_losses_are_those_of_one_process_with_a_batch_of_twice_the_size(kind: str, folder: Path) -> None:
    launcher = ["-m", LAUNCHERS[kind], "--standalone", "--nproc_per_node", "2"]
    run(folder, kind, launcher, 4, *(["--fsdp"] if kind == "fsdp" else []))
    wanted = losses(folder / "alone")
    assert len(wanted) == 6
    assert losses(folder / kind) == pytest.approx(wanted, rel=0, abs=1e-5)
