"""Times tx's tokenizers against the reference library's, on one thread, in alternation.

    python tools/bench_tokenizers.py --reference-python REF/bin/python --data DATA [--model bert] [--rounds 3]

The reference's are the compiled ones, but for XLM and Transformer-XL, of which it has none: there fewer lines are
encoded. XLNet's is compared with both, the one in Python as "xlnet-slow"; the compiled one makes a token more of a
space that ends a line.

Each round starts a fresh process of each library, one after the other, which encodes the same lines of running text
several times: the first pass is "cold" (nothing is remembered yet), the best of the later ones "warm". The ratio of a
round is tx's speed over the reference's; the medians are printed. Ids are compared line by line.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

# The reference reads XLM's vocabulary in the form in which it is published, not the authors'.
REFERENCE_XLM = """
import tempfile
from transformers import XLMTokenizer
words = [line.split(" ")[0] for line in pathlib.Path(folder, "vocab_ende").read_text("utf-8").split("\\n")[:-1]]
tokens = ["<s>", "</s>", "<pad>", "<unk>", *(f"<special{number}>" for number in range(10))]
tokens += [word.replace("@@", "") if "@@" in word else word + "</w>" for word in words]
with tempfile.NamedTemporaryFile("w", suffix=".json") as vocabulary:
    json.dump({token: index for index, token in enumerate(tokens)}, vocabulary)
    vocabulary.flush()
    tokenizer = XLMTokenizer(vocabulary.name, folder + "/codes_ende")
"""

# No vocabulary of Transformer-XL's is among the test data: one is made of WikiText-103's texts.
MAKE_TRANSFO_XL = """
import collections, tempfile
texts = [pathlib.Path(folder, f"wiki.{name}.tokens").read_text("utf-8") for name in ("valid", "test")]
counts = collections.Counter(word for text in texts for word in text.split())
vocabulary = tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8")
vocabulary.write("\\n".join(["<eos>", "<formula>", *(word for word, _ in counts.most_common())]))
vocabulary.flush()
"""

MODELS = {
    # name -> (folder of the vocabulary, how tx makes its tokenizer, how the reference does)
    "bert": (
        "vocab/bert-base-uncased",
        "from tx_bert.tokenizer import BertTokenizer; tokenizer = BertTokenizer(folder + '/vocab.txt')",
        "from transformers import BertTokenizerFast; tokenizer = BertTokenizerFast(vocab_file=folder + '/vocab.txt')",
    ),
    "gpt2": (
        "vocab/gpt2",
        "from tx_gpt2.tokenizer import GPT2Tokenizer;"
        "tokenizer = GPT2Tokenizer(folder + '/vocab.json', folder + '/merges.txt')",
        "from transformers import GPT2TokenizerFast;"
        "tokenizer = GPT2TokenizerFast(folder + '/vocab.json', folder + '/merges.txt')",
    ),
    "roberta": (
        "vocab/roberta-base",
        "from tx_roberta.tokenizer import RobertaTokenizer;"
        "tokenizer = RobertaTokenizer(folder + '/vocab.json', folder + '/merges.txt')",
        "from transformers import RobertaTokenizerFast;"
        "tokenizer = RobertaTokenizerFast(folder + '/vocab.json', folder + '/merges.txt')",
    ),
    "xlm": (
        "vocab/xlm-ende",
        "from tx_xlm.tokenizer import XLMTokenizer; tokenizer = XLMTokenizer.from_pretrained(folder)",
        REFERENCE_XLM,
    ),
    "transfo-xl": (
        "lm/wikitext-103",
        f"{MAKE_TRANSFO_XL}from tx_transfo_xl.tokenizer import TransfoXLTokenizer\n"
        "tokenizer = TransfoXLTokenizer(vocab_file=vocabulary.name)",
        f"{MAKE_TRANSFO_XL}from transformers import TransfoXLTokenizer\n"
        "tokenizer = TransfoXLTokenizer(vocab_file=vocabulary.name)",
    ),
    "xlnet": (
        "vocab/xlnet-base-cased",
        "from tx_xlnet.tokenizer import XLNetTokenizer; tokenizer = XLNetTokenizer(folder + '/spiece.model')",
        "from transformers import XLNetTokenizerFast; tokenizer = XLNetTokenizerFast(folder + '/spiece.model')",
    ),
    "xlnet-slow": (
        "vocab/xlnet-base-cased",
        "from tx_xlnet.tokenizer import XLNetTokenizer; tokenizer = XLNetTokenizer(folder + '/spiece.model')",
        "from transformers import XLNetTokenizer; tokenizer = XLNetTokenizer(folder + '/spiece.model')",
    ),
}
LINES = {"xlm": 1500, "transfo-xl": 1500}
TEXTS = ("lm/wikitext-2/test.txt", "lm/wikitext-2/valid.txt", "lm/wikitext-2-raw/wiki.test.raw")

WORKER = """
import json, pathlib, sys, time
folder, files, passes, target, make, count = json.loads(sys.argv[1])
lines = [line for file in files for line in pathlib.Path(file).read_bytes().decode().split("\\n") if line.strip()]
if count:
    lines = lines[-count:]
size = sum(len(line.encode()) for line in lines)
exec(make)
def timed(work):
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, size / (time.perf_counter() - start) / 1e6, size / (time.process_time() - cpu) / 1e6
found = {"lines": len(lines), "bytes": size, "batch": [], "single": []}
for _ in range(passes):
    rows, *speed = timed(lambda: tokenizer(lines)["input_ids"])
    found["batch"].append(speed)
for _ in range(passes):
    rows, *speed = timed(lambda: [tokenizer.encode(line) for line in lines])
    found["single"].append(speed)
pathlib.Path(target).write_text(json.dumps(rows))
print(json.dumps(found))
"""


def measure(
    python: str, make: str, folder: Path, files: list[Path], passes: int, target: Path, count: int
) -> dict[str, Any]:
    request = json.dumps([str(folder), [str(file) for file in files], passes, str(target), make, count])
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([python, "-c", WORKER, request], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference-python", required=True, help="an interpreter that has transformers 4.57.6")
    parser.add_argument("--data", default=os.environ.get("TX_DATA"), help="the test data's folder (default: TX_DATA)")
    parser.add_argument("--model", choices=sorted(MODELS), default="bert")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data (or TX_DATA) must name the folder of the test data")
    data = Path(arguments.data)
    name, ours, theirs = MODELS[arguments.model]
    count = LINES.get(arguments.model, 0)  # the last ones; 0 takes all
    files = [data / text for text in TEXTS]
    print(f"tx: {sys.executable}; reference: {arguments.reference_python}; {arguments.model}, {name}")
    print(f"{arguments.rounds} rounds of a fresh process each, {arguments.passes} passes; MB/s of wall and (CPU) time")
    ratios: dict[tuple[str, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        targets = [Path(scratch) / "tx.json", Path(scratch) / "reference.json"]
        for number in range(arguments.rounds):
            tx = measure(sys.executable, ours, data / name, files, arguments.passes, targets[0], count)
            ref = measure(arguments.reference_python, theirs, data / name, files, arguments.passes, targets[1], count)
            if not number:
                print(f"{tx['lines']} lines, {tx['bytes'] / 1e6:.2f} MB of {', '.join(TEXTS)}")
                rows, expected = (json.loads(target.read_text()) for target in targets)
                same = sum(row == other for row, other in zip(rows, expected, strict=True))
                print(f"ids identical on {same} of {len(expected)} lines")
            for way in ("batch", "single"):
                speeds = {"cold": (tx[way][0], ref[way][0]), "warm": (max(tx[way][1:]), max(ref[way][1:]))}
                if way == "single":  # the batch has warmed both up
                    del speeds["cold"]
                for state, (mine, other) in speeds.items():
                    ratios.setdefault((way, state), []).append((mine[0] / other[0], mine[1] / other[1]))
                    print(
                        f"  round {number + 1} {way} {state}: tx {mine[0]:.2f} ({mine[1]:.2f}), "
                        f"reference {other[0]:.2f} ({other[1]:.2f})"
                    )
    for (way, state), found in ratios.items():
        wall, cpu = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"{way} {state}: tx is {wall:.1f} times as fast (CPU time: {cpu:.1f})")


if __name__ == "__main__":
    main()
