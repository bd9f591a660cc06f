"""Times an encoder with real weights on padded batches of real sentences: against itself with padding computed, and
against the reference library.

    TX_MINILM=FOLDER python tools/bench_padding.py --data DATA [--model distilbert] [--batch 32] [--batches 3] [--train]
    TX_MINILM=FOLDER python tools/bench_padding.py --data DATA --model roberta --framework tf --reference PYTHON

The weights are those of all-MiniLM-L6-v2 (`tools/test` downloads it), a BERT whose function the other architectures
compute under other names, so that all do the same work. The batches are sentences in the order of their file.

Each way of computing has a process of its own, with as many threads as --threads says. A round runs every batch once
each way, in turns, so that whatever else the machine does hits all alike; the fastest round of each batch and way
counts. What can be reached by skipping is the number of places for each token: then padding would cost nothing. Batches
without padding follow, for which nothing may be lost. In TensorFlow tx computes padding; both libraries' models run in
graphs, and as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

MODELS = ("bert", "distilbert", "roberta", "xlm")
# Task -> the columns of its sentences, and how many lines precede them.
TASKS = {"MRPC": ((3, 4), 1), "SST-2": ((0,), 1), "STS-B": ((7, 8), 1), "CoLA": ((3,), 0), "RTE": ((1, 2), 1)}
Batch = dict[str, np.ndarray[Any, Any]]

# Run by either interpreter, for its library. Asked for a way and a batch, it says how many seconds the batch took.
WORKER = r"""
import json, os, sys, warnings
from time import perf_counter

library, framework, folder, threads, train = sys.argv[1:]
os.environ.update(USE_TF="0") if framework == "torch" else os.environ.update(TF_USE_LEGACY_KERAS="1")
import numpy as np

batches = np.load(folder + "/batches.npz")
if library == "reference":
    import transformers as auto
    auto.logging.set_verbosity_error()
else:
    import tx_core as auto
if framework == "torch":
    import torch
    torch.set_num_threads(int(threads))
    model = auto.AutoModel.from_pretrained(folder).train(train == "train")
else:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = auto.TFAutoModel.from_pretrained(folder)
    graph = tf.function(lambda **inputs: model(inputs)[0])
tensor = torch.from_numpy if framework == "torch" else tf.constant
given = [
    {name: tensor(batches[f"{number}/{name}"]) for name in ("input_ids", "attention_mask")}
    for number in range(len(batches) // 2)
]

def states(way, inputs):
    if framework == "tf":
        return graph(**inputs) if way == "graph" else model(inputs)[0]
    options = {} if library == "reference" else {"skip_padding": way == "skipped"}
    if train == "train":
        found = model(**inputs, **options)[0]
        found.sum().backward()
        return found.detach()
    with torch.no_grad():
        return model(**inputs, **options)[0]

for line in sys.stdin:
    way, number = json.loads(line)
    start = perf_counter()
    found = states(way, given[number]).numpy()
    seconds = perf_counter() - start
    mask = batches[f"{number}/attention_mask"][..., None]
    # A few of the states, so that whoever asks can tell that all compute the same.
    print(json.dumps([seconds, (found * mask)[0, :3, :8].ravel().tolist()]), file=sys.__stdout__, flush=True)
"""


class Worker:
    """A process that runs batches one way."""

    def __init__(self, python: str, library: str, way: str, arguments: Sequence[str]) -> None:
        self.way = way
        threads = arguments[2]
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        command = [python, "-c", WORKER, library, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, number: int) -> tuple[float, list[float]]:
        """Seconds for a batch, and a few of the states."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([self.way, number]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process for {self.way!r} ended with status {self._process.wait()}")
        seconds, states = json.loads(line)
        return seconds, states

    def end(self) -> None:
        """Close the process's input, which ends it."""
        self._process.communicate()


def write_model(name: str, framework: str, folder: Path) -> int:
    """Write MiniLM as an architecture's model; returns the id of its padding."""
    from tx_core.architecture import find, load
    from tx_core.models.pretrained import write_h5
    from tx_testing import minilm
    from tx_testing.suites.models import write_safetensors

    record = find(name)
    if name == "bert":
        config, arrays = json.loads((minilm.folder() / "config.json").read_text()), minilm.one_segment()[1]
        arrays["embeddings.token_type_embeddings.weight"] = np.zeros((2, config["hidden_size"]), np.float32)
    else:
        spec = Path(__file__).parent.parent / "packages" / f"tx-{name}" / "tests" / f"{name}_spec.py"
        config, arrays = runpy.run_path(str(spec))["from_bert"](*minilm.one_segment())
    config_class: Any = load(record.config)
    made = config_class.from_dict(config)
    made.architectures = [f"{record.name}Model"]
    made.save_pretrained(folder)
    if framework == "torch":
        write_safetensors(folder / "model.safetensors", arrays)
    else:  # the reference's TensorFlow classes read no safetensors files with PyTorch's names
        readers = {key: partial(np.asarray, array) for key, array in arrays.items()}
        write_h5(folder / "tf_model.h5", made.architectures[0], readers, load(record.weights))  # type: ignore[arg-type]
    return int(made.pad_token_id)


def padded(rows: list[list[int]], pad: int) -> Batch:
    """Rows of ids, padded to the longest."""
    length = max(map(len, rows))
    mask = np.array([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    ids = np.array([row + [pad] * (length - len(row)) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def batches(data: Path, task: str, size: int, count: int, pad: int) -> list[Batch]:
    """The first batches of a task."""
    from tx_bert import BertTokenizer

    tokenizer = BertTokenizer.from_pretrained(data / "vocab/bert-base-uncased")
    columns, skipped = TASKS[task]
    lines = (data / "glue" / task / "dev.tsv").read_text(encoding="utf-8-sig").splitlines()[skipped:]
    rows = [[line.split("\t")[column] for column in columns] for line in lines[: size * count]]
    ids = [tokenizer.encode(row[0], row[1] if len(row) > 1 else None) for row in rows]
    return [padded(ids[start : start + size], pad) for start in range(0, len(ids), size)]


def best(workers: list[Worker], numbers: range, rounds: int, compared: bool) -> list[float]:
    """The seconds that all batches take in each way; whether their states are the same is ``compared`` before."""
    found: dict[tuple[int, int], float] = {}
    for number in numbers:
        states = [worker.ask(number)[1] for worker in workers]
        if compared:
            np.testing.assert_allclose(states, [states[0]] * len(states), atol=1e-4)
    for each in range(rounds):
        for number in numbers:
            order = [*enumerate(workers)]
            for way, worker in order if each % 2 else reversed(order):
                found[way, number] = min(worker.ask(number)[0], found.get((way, number), float("inf")))
    return [sum(found[way, number] for number in numbers) for way in range(len(workers))]


def ways(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, list[Worker]]]:
    """What is compared: its name, and the processes, of which the first is to be the faster."""
    given = [arguments.framework, str(folder), str(arguments.threads), "train" if arguments.train else "evaluate"]
    if arguments.reference is None:
        both = [Worker(sys.executable, "tx", way, given) for way in ("skipped", "computed")]
        yield "padding skipped against computed", both
    elif arguments.framework == "torch":
        both = [Worker(sys.executable, "tx", "skipped", given), Worker(arguments.reference, "reference", "", given)]
        yield "tx against the reference", both
    else:
        for way in ("graph", "eager"):
            pair = [(sys.executable, "tx"), (arguments.reference, "reference")]
            yield f"tx against the reference, {way}", [Worker(*each, way, given) for each in pair]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("TX_DATA"), help="the test data's folder (default: TX_DATA)")
    parser.add_argument("--model", choices=MODELS, default="bert")
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--reference", help="a Python that has transformers, whose speed tx's is compared with")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--batch", type=int, default=32, help="sentences or pairs of a batch")
    parser.add_argument("--batches", type=int, default=3, help="how many of each task")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--train", action="store_true", help="forward and backward, with dropout; PyTorch only")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data (or TX_DATA) must name the folder of the test data")
    if "TX_MINILM" not in os.environ:
        parser.error("TX_MINILM must name the folder of all-MiniLM-L6-v2")
    if arguments.framework == "tf" and (arguments.train or arguments.reference is None):
        parser.error("in TensorFlow tx is compared with the reference (--reference), in evaluation mode")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pad = write_model(arguments.model, arguments.framework, folder)
        made: dict[str, list[Batch]] = {
            task: batches(Path(arguments.data), task, arguments.batch, arguments.batches, pad)
            for task in arguments.tasks
        }
        rng = np.random.default_rng(0)
        for length in (32, 128):
            ids = rng.integers(1000, 30000, (arguments.batch, length))
            made[f"none, {length}"] = [{"input_ids": ids, "attention_mask": np.ones_like(ids)}]
        every = [batch for some in made.values() for batch in some]
        arrays: dict[str, Any] = {f"{i}/{key}": x for i, each in enumerate(every) for key, x in each.items()}
        np.savez(folder / "batches.npz", **arrays)
        what = "forward and backward" if arguments.train else "forward"
        print(f"MiniLM as {arguments.model}, {what}, float32, {arguments.framework}, {arguments.threads} threads")
        print(f"{arguments.batches} batches of {arguments.batch} a task, the best of {arguments.rounds} rounds")
        for title, workers in ways(arguments, folder):
            compare(title, workers, made, arguments.rounds, not arguments.train)


def compare(title: str, workers: list[Worker], made: dict[str, list[Batch]], rounds: int, compared: bool) -> None:
    """Print the table of two ways."""
    print(f"\n{title}\n\ntask       places/tokens      first     second    speed-up")
    start, sums = 0, [0.0, 0.0]
    for task, some in made.items():
        places, tokens = (sum(int(x) for x in each) for each in zip(
            *((batch["attention_mask"].size, batch["attention_mask"].sum()) for batch in some), strict=True
        ))  # fmt: skip
        one, two = best(workers, range(start, start + len(some)), rounds, compared)
        start += len(some)
        print(f"{task:10}{places / tokens:14.3f}{one:9.3f} s{two:9.3f} s{two / one:12.3f}", flush=True)
        if places > tokens:
            sums = [sums[0] + one, sums[1] + two]
    print(f"all that are padded    {sums[0]:10.3f} s{sums[1]:9.3f} s{sums[1] / sums[0]:12.3f}")
    for worker in workers:
        worker.end()


if __name__ == "__main__":
    main()
