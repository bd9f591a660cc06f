"""Times a BERT-base of random weights in PyTorch that skips padding against one that computes it.

    OMP_NUM_THREADS=2 python tools/bench_padding.py --data DATA [--batch 32] [--batches 3] [--rounds 5] [--train]

The batches are real sentences in the order of their file. Each round runs every batch once either way, one after the
other; the fastest round of each batch and way counts. What can be reached is the number of places for each token: then
padding would cost nothing. Batches without padding follow, for which nothing may be lost.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
from torch import Tensor

from tx_bert import BertConfig, BertModel, BertTokenizer

# Task -> the columns of its sentences, and how many lines precede them.
TASKS = {"MRPC": ((3, 4), 1), "SST-2": ((0,), 1), "STS-B": ((7, 8), 1), "CoLA": ((3,), 0), "RTE": ((1, 2), 1)}
Batch = dict[str, Tensor]


def batches(data: Path, task: str, size: int, count: int) -> list[Batch]:
    """The first batches of a task, padded to their longest row."""
    tokenizer = BertTokenizer.from_pretrained(data / "vocab/bert-base-uncased")
    columns, skipped = TASKS[task]
    lines = (data / "glue" / task / "dev.tsv").read_text(encoding="utf-8-sig").splitlines()[skipped:]
    rows = [[line.split("\t")[column] for column in columns] for line in lines[: size * count]]
    ids = [torch.tensor(tokenizer.encode(row[0], row[1] if len(row) > 1 else None)) for row in rows]
    made = []
    for start in range(0, len(ids), size):
        padded = torch.nn.utils.rnn.pad_sequence(ids[start : start + size], batch_first=True)
        made.append({"input_ids": padded, "attention_mask": (padded != 0).long()})
    return made


def seconds(model: BertModel, batch: Batch, skip_padding: bool, train: bool) -> float:
    start = time.perf_counter()
    if train:
        model(**batch, skip_padding=skip_padding)[1].sum().backward()
    else:
        with torch.no_grad():
            model(**batch, skip_padding=skip_padding)
    return time.perf_counter() - start


def best(model: BertModel, made: list[Batch], rounds: int, train: bool) -> tuple[float, float]:
    """The seconds that all batches take with padding skipped, and with padding computed."""
    found: dict[tuple[int, bool], float] = {}
    for each in range(rounds):
        for number, batch in enumerate(made):
            for skip_padding in (True, False) if each % 2 else (False, True):
                taken = seconds(model, batch, skip_padding, train)
                found[number, skip_padding] = min(taken, found.get((number, skip_padding), taken))
    skipped, computed = (sum(t for (_, way), t in found.items() if way is skip) for skip in (True, False))
    return skipped, computed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TX_DATA"), help="the test data's folder (default: TX_DATA)")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--batch", type=int, default=32, help="sentences or pairs of a batch")
    parser.add_argument("--batches", type=int, default=3, help="how many of each task")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--train", action="store_true", help="forward and backward, with dropout")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data (or TX_DATA) must name the folder of the test data")
    torch.manual_seed(0)
    model = BertModel(BertConfig()).train(arguments.train)
    what = "forward and backward" if arguments.train else "forward"
    print(f"BERT-base, {what}, float32; PyTorch {torch.__version__} on the CPU, {torch.get_num_threads()} threads")
    print(f"{arguments.batches} batches of {arguments.batch} a task, the best of {arguments.rounds} rounds\n")
    print("task       places/tokens  computed    skipped    speed-up  of what can be reached")
    for task in arguments.tasks:
        made = batches(Path(arguments.data), task, arguments.batch, arguments.batches)
        places, tokens = (sum(int(x) for x in each) for each in zip(
            *((batch["attention_mask"].numel(), batch["attention_mask"].sum()) for batch in made), strict=True
        ))  # fmt: skip
        skipped, computed = best(model, made, arguments.rounds, arguments.train)
        ratio, speed_up = places / tokens, computed / skipped
        print(f"{task:9}{ratio:15.3f}{computed:9.3f} s{skipped:10.3f} s{speed_up:10.3f}{speed_up / ratio:12.1%}")
    for length in (32, 128):
        ids = torch.randint(1000, 30000, (arguments.batch, length))
        made = [{"input_ids": ids, "attention_mask": torch.ones_like(ids)}]
        skipped, computed = best(model, made, 3 * arguments.rounds, arguments.train)
        print(f"none, {length:3}{1:15.3f}{computed:9.3f} s{skipped:10.3f} s{computed / skipped:10.3f}")


if __name__ == "__main__":
    main()
