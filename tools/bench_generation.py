"""Time greedy generation with a GPT-2-small-sized random model against the reference library, in the same sitting.

    python tools/bench_generation.py --reference /path/to/python    # one that has transformers; or TX_REFERENCE_PYTHON
    python tools/bench_generation.py --framework tf --reference /path/to/python

Each library runs in a process of its own, both with the same number of threads; the two take turns, so that whatever
else the machine does hits both alike. Printed are seconds (least and median) for each batch size, their ratios, and
tx's time for one token after 64, 256 and 1000. Without a reference only tx is timed.

In TensorFlow the turns are taken with the reference's generation compiled by XLA; as it runs by default, uncompiled,
it is timed once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from typing import Any

PROMPT, VOCABULARY = 16, 50257
MARKS = (64, 256, 1000)  # tokens after which the time for one is told
WINDOW = 12  # over how many tokens that is averaged


def serve_tx(threads: int) -> None:
    """Answer requests on standard input with the seconds they took, by tx."""
    from time import perf_counter

    import torch

    from tx_gpt2.config import GPT2Config
    from tx_gpt2.model_torch import GPT2LMHeadModel

    torch.set_num_threads(threads)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    for line in sys.stdin:
        request = json.loads(line)
        ids = torch.randint(0, VOCABULARY, (request["batch"], PROMPT))
        if request["what"] == "tokens":
            times = [perf_counter()]
            for _ in model.generate(ids, max_new_tokens=MARKS[-1], eos_token_id=(), pad_token_id=0, stream=True):
                times.append(perf_counter())
            answer: Any = [(times[mark] - times[mark - WINDOW]) / WINDOW for mark in MARKS]
        else:
            start = perf_counter()
            model.generate(ids, max_new_tokens=request["new"], eos_token_id=(), pad_token_id=0)
            answer = perf_counter() - start
        print(json.dumps(answer), flush=True)


def serve_tx_tf(threads: int) -> None:
    """As :func:`serve_tx`, in TensorFlow."""
    from time import perf_counter

    import numpy as np
    import tensorflow as tf

    from tx_gpt2.config import GPT2Config
    from tx_gpt2.model_tf import TFGPT2LMHeadModel

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    model = TFGPT2LMHeadModel(GPT2Config())
    for line in sys.stdin:
        request = json.loads(line)
        ids = np.random.default_rng().integers(0, VOCABULARY, (request["batch"], PROMPT))
        if request["what"] == "tokens":
            answer: Any = []
            for mark in MARKS:
                streams = (
                    model.generate(ids, max_new_tokens=mark, eos_token_id=(), pad_token_id=0, stream=True)
                    for _ in range(2)
                )
                warm = next(streams)  # what has to be compiled is, with the second token
                next(warm), next(warm)
                times = [perf_counter()]
                for _ in next(streams):
                    times.append(perf_counter())
                answer.append((times[mark] - times[mark - WINDOW]) / WINDOW)
        else:
            start = perf_counter()
            model.generate(ids, max_new_tokens=request["new"], eos_token_id=(), pad_token_id=0)
            answer = perf_counter() - start
        print(json.dumps(answer), flush=True)


# Run by the reference's interpreter, which need not have tx.
REFERENCE = f"""
import json, os, sys
from time import perf_counter
os.environ["USE_TF"] = "0"
import torch, transformers
transformers.logging.set_verbosity_error()
torch.set_num_threads(int(sys.argv[1]))
model = transformers.GPT2LMHeadModel(transformers.GPT2Config()).eval()
model.generation_config.eos_token_id = None
for line in sys.stdin:
    request = json.loads(line)
    ids = torch.randint(0, {VOCABULARY}, (request["batch"], {PROMPT}))
    start = perf_counter()
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=request["new"], do_sample=False, pad_token_id=0
    )
    assert out.shape[1] == {PROMPT} + request["new"]
    print(json.dumps(perf_counter() - start), flush=True)
"""


REFERENCE_TF = f"""
import json, os, sys
from time import perf_counter
os.environ["USE_TORCH"] = "0"
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
import transformers
transformers.logging.set_verbosity_error()
model = transformers.TFGPT2LMHeadModel(transformers.GPT2Config())
model.build_in_name_scope()
model.generation_config.eos_token_id = None
compiled = tf.function(model.generate, jit_compile=True)
for line in sys.stdin:
    request = json.loads(line)
    ids = tf.random.uniform((request["batch"], {PROMPT}), 0, {VOCABULARY}, tf.int32)
    generate = model.generate if request["what"] == "eager" else compiled
    start = perf_counter()
    out = generate(
        ids, attention_mask=tf.ones_like(ids), max_new_tokens=request["new"], do_sample=False, pad_token_id=0
    ).numpy()
    assert out.shape[1] == {PROMPT} + request["new"]
    print(json.dumps(perf_counter() - start), flush=True)
"""


class Worker:
    """A process that answers requests."""

    def __init__(self, command: list[str], threads: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def ask(self, **request: Any) -> Any:
        """Send a request; returns its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Time both, in turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", default=os.environ.get("TX_REFERENCE_PYTHON"), help="a Python with transformers")
    parser.add_argument("--framework", choices=("torch", "tf"), default="torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--new", type=int, default=64, help="new tokens")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-marks", action="store_true", help="skip the time for one token after many")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    in_tf = arguments.framework == "tf"
    if arguments.serve:
        (serve_tx_tf if in_tf else serve_tx)(arguments.threads)
        return

    threads = str(arguments.threads)
    commands = {"tx": [sys.executable, __file__, "--serve", "--framework", arguments.framework, "--threads", threads]}
    if arguments.reference:
        commands["reference"] = [arguments.reference, "-c", REFERENCE_TF if in_tf else REFERENCE, threads]
    workers = {name: Worker(command, arguments.threads) for name, command in commands.items()}
    print(f"load average before: {os.getloadavg()[0]:.2f}; {arguments.threads} threads, {arguments.new} new tokens")
    for batch in arguments.batch:
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for worker in workers.values():
            worker.ask(what="batch", batch=batch, new=arguments.new if in_tf else 4)  # warm up, compile
        for _ in range(arguments.rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.ask(what="batch", batch=batch, new=arguments.new))
        for name, values in seconds.items():
            print(f"batch {batch}: {name:9} least {min(values):.3f} s, median {statistics.median(values):.3f} s")
        if "reference" in seconds:
            tx, other = seconds["tx"], seconds["reference"]
            pairs = statistics.median(o / t for o, t in zip(other, tx, strict=True))
            print(f"batch {batch}: tx is {min(other) / min(tx):.2f}x as fast (least), {pairs:.2f}x (median of pairs)")
        if "reference" in seconds and in_tf:
            value = workers["reference"].ask(what="eager", batch=batch, new=arguments.new)
            print(f"batch {batch}: reference uncompiled {value:.3f} s, tx is {value / min(seconds['tx']):.2f}x as fast")
    if not arguments.no_marks:
        for mark, value in zip(MARKS, workers["tx"].ask(what="tokens", batch=1), strict=True):
            print(f"batch 1: {value * 1e3:.1f} ms for a token after {mark}")
    print(f"load average after: {os.getloadavg()[0]:.2f}")
    for worker in workers.values():
        worker.close()


if __name__ == "__main__":
    main()
