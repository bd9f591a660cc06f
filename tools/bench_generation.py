"""Time greedy generation with a random model of GPT-2-small's size against the reference library, in the same sitting.

    python tools/bench_generation.py --reference /path/to/python    # one that has transformers; or TX_REFERENCE_PYTHON
    python tools/bench_generation.py --framework tf --reference /path/to/python
    python tools/bench_generation.py --model xlnet --prompt 170     # or transfo-xl, against the reference's XLNet

Each library runs in a process of its own, both with the same number of threads; the two take turns, so that whatever
else the machine does hits both alike. Printed are seconds (least and median) for each batch size, their ratios, and
tx's time for one token after 64, 256 and 1000. Without a reference only tx is timed.

In TensorFlow the turns are taken with the reference's generation compiled by XLA; as it runs by default, uncompiled,
it is timed once. Its XLNet cannot be compiled: turns are taken with it uncompiled.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib import import_module
from typing import Any

# Model type -> module, class of the configuration, of the model (without TF), sizes; what the reference's class names
# begin with, and its sizes. All have 12 layers of width 768.
XLNET = {"vocab_size": 32000, "d_model": 768, "n_layer": 12, "n_head": 12, "d_inner": 3072}
TRANSFO_XL = {
    "vocab_size": 32000,
    "cutoffs": [4000, 16000],
    "div_val": 1,
    "d_model": 768,
    "d_embed": 768,
    "n_layer": 12,
    "n_head": 12,
    "d_head": 64,
    "d_inner": 3072,
    "mem_len": 256,
}
MODELS: dict[str, tuple[str, str, str, dict[str, Any], str, dict[str, Any]]] = {
    "gpt2": ("tx_gpt2", "GPT2Config", "GPT2LMHeadModel", {}, "GPT2", {}),
    "xlnet": ("tx_xlnet", "XLNetConfig", "XLNetLMHeadModel", XLNET, "XLNet", XLNET),
    "transfo-xl": ("tx_transfo_xl", "TransfoXLConfig", "TransfoXLLMHeadModel", TRANSFO_XL, "XLNet", XLNET),
}
VOCABULARY = 32000  # of which prompts are made
MARKS = (64, 256, 1000)  # tokens after which the time for one is told
WINDOW = 12  # over how many tokens that is averaged


def random_model(kind: str, prefix: str) -> Any:
    """A model of tx; ``prefix`` is "TF" for the one in TensorFlow."""
    module, config, model, sizes, _, _ = MODELS[kind]
    package = import_module(module)
    return getattr(package, prefix + model)(getattr(package, config)(**sizes))


def serve_tx(kind: str, prompt: int, threads: int) -> None:
    """Answer requests on standard input with the seconds they took, by tx."""
    from time import perf_counter

    import torch

    torch.set_num_threads(threads)
    model = random_model(kind, "").eval()
    for line in sys.stdin:
        request = json.loads(line)
        ids = torch.randint(0, VOCABULARY, (request["batch"], prompt))
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


def serve_tx_tf(kind: str, prompt: int, threads: int) -> None:
    """As :func:`serve_tx`, in TensorFlow."""
    from time import perf_counter

    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    model = random_model(kind, "TF")
    for line in sys.stdin:
        request = json.loads(line)
        ids = np.random.default_rng().integers(0, VOCABULARY, (request["batch"], prompt))
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
threads, prompt, name, sizes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
torch.set_num_threads(threads)
config = getattr(transformers, name + "Config")(**sizes)
model = getattr(transformers, name + "LMHeadModel")(config).eval()
model.generation_config.eos_token_id = None
for line in sys.stdin:
    request = json.loads(line)
    ids = torch.randint(0, {VOCABULARY}, (request["batch"], prompt))
    start = perf_counter()
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=request["new"], do_sample=False, pad_token_id=0
    )
    assert out.shape[1] == prompt + request["new"]
    print(json.dumps(perf_counter() - start), flush=True)
"""


REFERENCE_TF = f"""
import json, os, sys
from time import perf_counter
os.environ["USE_TORCH"] = "0"
import tensorflow as tf
threads, prompt, name, sizes = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
tf.config.threading.set_intra_op_parallelism_threads(threads)
import transformers
transformers.logging.set_verbosity_error()
config = getattr(transformers, name + "Config")(**sizes)
model = getattr(transformers, "TF" + name + "LMHeadModel")(config)
model.build_in_name_scope()
model.generation_config.eos_token_id = None
compiled = tf.function(model.generate, jit_compile=True)
for line in sys.stdin:
    request = json.loads(line)
    ids = tf.random.uniform((request["batch"], prompt), 0, {VOCABULARY}, tf.int32)
    generate = model.generate if request["what"] == "eager" or name == "XLNet" else compiled
    start = perf_counter()
    out = generate(
        ids, attention_mask=tf.ones_like(ids), max_new_tokens=request["new"], do_sample=False, pad_token_id=0
    ).numpy()
    assert out.shape[1] == prompt + request["new"]
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
    parser.add_argument("--model", choices=tuple(MODELS), default="gpt2")
    parser.add_argument("--prompt", type=int, default=16, help="tokens of a prompt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--new", type=int, default=64, help="new tokens")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-marks", action="store_true", help="skip the time for one token after many")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    in_tf = arguments.framework == "tf"
    if arguments.serve:
        (serve_tx_tf if in_tf else serve_tx)(arguments.model, arguments.prompt, arguments.threads)
        return

    threads, prompt, name, sizes = str(arguments.threads), str(arguments.prompt), *MODELS[arguments.model][4:]
    here = [sys.executable, __file__, "--serve", "--framework", arguments.framework, "--model", arguments.model]
    commands = {"tx": [*here, "--prompt", prompt, "--threads", threads]}
    if arguments.reference:
        script = REFERENCE_TF if in_tf else REFERENCE
        commands["reference"] = [arguments.reference, "-c", script, threads, prompt, name, json.dumps(sizes)]
    workers = {name: Worker(command, arguments.threads) for name, command in commands.items()}
    print(f"{arguments.model}; the reference's model is its {name}; load average before: {os.getloadavg()[0]:.2f}")
    print(f"{threads} threads, {prompt} tokens of a prompt, {arguments.new} new tokens")
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
        if "reference" in seconds and in_tf and arguments.model == "gpt2":
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
