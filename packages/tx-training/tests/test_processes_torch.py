"""Two processes, started by torchrun, against one: the same losses, the same models, the same evaluations."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tx_gpt2 import GPT2LMHeadModel
from tx_xlnet import XLNetLMHeadModel

# The program of both processes, and of the one that they are compared with.
PROGRAM = '''
import shutil
import sys
import time
from pathlib import Path

import torch

from tx_gpt2 import GPT2Config, GPT2LMHeadModel
from tx_training import Evaluation, Processes, TrainingLoop, TrainingOptions
from tx_xlnet import XLNetConfig, XLNetLMHeadModel

CONFIG = GPT2Config(
    vocab_size=20, n_embd=8, n_layer=2, n_head=2, n_positions=8, resid_pdrop=0.0, attn_pdrop=0.0, embd_pdrop=0.0
)
OPTIONS = dict(epochs=2, accumulation_steps=2, learning_rate=0.02, weight_decay=0.1, log_every=1, save_every=3)


XLNET = XLNetConfig(vocab_size=20, d_model=8, n_layer=1, n_head=2, d_inner=8, dropout=0.0)


def model(kind):
    torch.manual_seed(0)
    return XLNetLMHeadModel(XLNET) if kind == "xlnet" else GPT2LMHeadModel(CONFIG)


def examples(count):
    ids = torch.randint(1, 20, (count, 6), generator=torch.Generator().manual_seed(1))
    labels = ids.clone()
    for number, row in enumerate(labels):
        row[2 + number % 5 :] = -100
    return [{"input_ids": row, "labels": label} for row, label in zip(ids, labels)]


def metrics(predictions, labels):
    """The labels in their order, as a number that depends on it."""
    return {"order": float(sum(i * int(row.sum()) for i, row in enumerate(labels))), "count": float(len(predictions))}


def train(folder, batch_size, resume=False, kind="gpt2", **options):
    evaluation = Evaluation(examples(7), batch_size=2, metrics=metrics)
    options = TrainingOptions(batch_size=batch_size, **OPTIONS, **options)
    return TrainingLoop(
        model(kind), examples(20), folder, options, evaluation=evaluation, processes=Processes.start("cpu")
    ).run(resume)


def main(folder):
    processes = Processes.start("cpu")
    with processes.main_first():
        if processes.is_main:
            (folder / "prepared").write_text("")
        assert (folder / "prepared").is_file()
    for kind, name in (("gpt2", ""), ("xlnet", "xlnet-")):  # of XLNet's parameters some have no gradient
        train(folder / f"{name}two", 2, kind=kind)
        whole, resumed = folder / f"{name}sharded", folder / f"{name}resumed"
        train(whole, 2, kind=kind, fsdp=True)
        if processes.is_main:
            shutil.copytree(whole, resumed, ignore=shutil.ignore_patterns("checkpoint-6"))
        processes.share(None)
        train(resumed, 2, resume=True, kind=kind, fsdp=True)
    if processes.is_main:
        time.sleep(1)
        (folder / "written").write_text("")
    processes.stop()
    assert (folder / "written").is_file()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both processes made, and what one does."""
    folder = tmp_path_factory.mktemp("processes")
    program = folder / "program.py"
    program.write_text(PROGRAM)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*launcher, str(program), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    alone = runpy.run_path(str(program))["train"]
    alone(folder / "one", 4)
    alone(folder / "xlnet-one", 4, kind="xlnet")
    return folder


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def weights(folder: Path, model_class: Any = GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = model_class.from_pretrained(folder).state_dict()
    return found


@pytest.mark.parametrize(
    ("kind", "alone"),
    [
        ("two", "one"), ("sharded", "one"), ("resumed", "one"),
        ("xlnet-two", "xlnet-one"), ("xlnet-sharded", "xlnet-one"), ("xlnet-resumed", "xlnet-one"),
    ],
)  # fmt: skip
def test_the_losses_are_those_of_one_process_with_a_batch_of_twice_the_size(
    kind: str, alone: str, folder: Path
) -> None:
    found, wanted = (results(folder / name)["history"] for name in (kind, alone))
    assert len(found) == 6 + 2
    for row, want in zip(found, wanted, strict=True):
        assert row == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("kind", ["two", "sharded", "resumed"])
@pytest.mark.parametrize("name", [".", "checkpoint-6"])
def test_so_is_the_model(kind: str, name: str, folder: Path) -> None:
    torch.testing.assert_close(weights(folder / kind / name), weights(folder / "one" / name), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "model_class"), [("", GPT2LMHeadModel), ("xlnet-", XLNetLMHeadModel)])
def test_a_resumed_sharded_training_is_the_uninterrupted_one_bit_by_bit(
    kind: str, model_class: Any, folder: Path
) -> None:
    found, wanted = (weights(folder / f"{kind}{name}" / "checkpoint-6", model_class) for name in ("resumed", "sharded"))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_checkpoint_of_two_processes_is_not_taken_up_by_one(folder: Path) -> None:
    with pytest.raises(ValueError, match="with processes = 2, and this one has 1"):
        runpy.run_path(str(folder / "program.py"))["train"](folder / "two", 2, resume=True)
