#!/usr/bin/env python3
"""Trains the example scripts on real data, and writes what came out into docs/results.md.

    python tools/real_runs.py run   --data DATA --minilm MODEL --out RUNS [--only NAME …]
    python tools/real_runs.py table --out RUNS

`run` makes the folders that the scripts read (below RUNS/data), and trains each row of TRAININGS with each of its
seeds, unless RUNS has it already: one row after another, with one thread. Each leaves RUNS/NAME/SEED/run.json with its
command, seconds, versions and measures. `table` puts them into docs/results.md, between the lines that say so.
DATA has the folders glue, glue-all-tasks, squad, ner, multiple-choice and lm; MODEL is all-MiniLM-L6-v2, which
`python tools/minilm.py` fetches.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results.md"
SEEDS = (42, 43, 44)
BEGIN, END = "<!-- runs: begin -->", "<!-- runs: end -->"


@dataclass(frozen=True)
class Training:
    """A row of the table.

    Attributes:
        title: what it says first.
        script: in examples/.
        arguments: without --output_dir and --seed. {data}, {minilm} and {runs} stand for folders.
        measures: what the table shows of eval_results.txt, with a name for each.
        seeds: one training for each.
        keep: whether the model stays, for a later row.
        before: a command whose folder, named last, the training begins with.
    """

    title: str
    script: str
    arguments: str
    measures: dict[str, str]
    seeds: tuple[int, ...] = SEEDS
    keep: bool = False
    before: str = ""


TRAIN = "--do_train --do_eval --per_gpu_train_batch_size 32 --per_gpu_eval_batch_size 64"
GLUE = f"--model_name_or_path {{minilm}} {TRAIN} --max_seq_length 128 --weight_decay 0.01"
SQUAD = "--train_file {data}/squad/train.json --predict_file {data}/squad/dev.json"
WIKI = "--train_data_file {data}/lm/train.txt --eval_data_file {data}/lm/eval.txt"

ONE = "--num_train_epochs 1 --warmup_steps 20"


def glue(task: str, folder: str, options: str = "--num_train_epochs 3 --warmup_steps 30", rate: str = "5e-5") -> str:
    return f"{GLUE} --task_name {task} --data_dir {folder} --learning_rate {rate} {options} --bf16"


MRPC, STSB = {"acc": "accuracy", "f1": "F1"}, {"pearson": "Pearson", "spearmanr": "Spearman"}
ACC = {"acc": "accuracy"}
BEGUN = (
    "examples/distillation/extract.py --model_name {runs}/mrpc/42 --student_type bert --layers 0,2,4 "
    "--dump_checkpoint {runs}/student"
)
STUDENT = glue("mrpc", "{data}/glue/MRPC", ONE.replace("epochs 1", "epochs 2")).replace("{minilm}", "{runs}/student")
TRAININGS = {
    "mrpc": Training("MRPC", "run_glue.py", glue("mrpc", "{data}/glue/MRPC"), MRPC, keep=True),
    "tf-mrpc": Training("MRPC, Keras", "run_tf_glue.py", glue("mrpc", "{data}/glue/MRPC"), MRPC),
    "rte": Training(
        "RTE", "run_glue.py", glue("rte", "{data}/glue/RTE", "--num_train_epochs 2 --warmup_steps 15"), ACC
    ),
    "wnli": Training("WNLI", "run_glue.py", glue("wnli", "{data}/glue/WNLI"), ACC),
    "sts-b": Training("STS-B", "run_glue.py", glue("sts-b", "{data}/glue/STS-B", ONE), STSB),
    "tf-sts-b": Training("STS-B, Keras", "run_tf_glue.py", glue("sts-b", "{data}/glue/STS-B", ONE), STSB),
    "sst-2": Training(
        "SST-2, 200 steps", "run_glue.py", glue("sst-2", "{data}/glue/SST-2", "--max_steps 200 --warmup_steps 20"), ACC
    ),
    "cola": Training(
        "CoLA",
        "run_glue.py",
        glue("cola", "{data}/glue/CoLA", "--num_train_epochs 2 --warmup_steps 30", "1e-4"),
        {"mcc": "Matthews"},
    ),
    "squad": Training(
        "SQuAD 1.1, dev articles 80:20",
        "run_squad.py",
        f"--model_name_or_path {{minilm}} {TRAIN} {SQUAD} --max_seq_length 384 --doc_stride 128 --learning_rate 1e-4 "
        "--num_train_epochs 3 --warmup_steps 30 --bf16",
        {"exact_match": "exact match", "f1": "F1"},
        seeds=(42,),
    ),
    "wnut17": Training(
        "WNUT-17",
        "run_ner.py",
        f"--model_name_or_path {{minilm}} {TRAIN} --task_name wnut17 --data_dir {{data}}/ner/wnut17 --max_seq_length "
        "128 --learning_rate 1e-4 --weight_decay 0.01 --num_train_epochs 2 --warmup_steps 20 --do_predict --bf16",
        {"f1": "F1 of entities"},
    ),
    "student-alone": Training(
        "MRPC, three layers of the above",
        "distillation/run_glue_w_distillation.py",
        f"{STUDENT} --alpha_ce 0 --alpha_task 1",
        MRPC,
        before=BEGUN,
    ),
    "student-taught": Training(
        "MRPC, three layers, taught by the whole",
        "distillation/run_glue_w_distillation.py",
        f"{STUDENT} --teacher_name_or_path {{runs}}/mrpc/42 --alpha_ce 0.5 --alpha_task 0.5 --temperature 2",
        MRPC,
        before=BEGUN,
    ),
    "lm-gpt2": Training(
        "WikiText-2, tx-tiny/gpt2",
        "run_lm_finetuning.py",
        f"--model_name_or_path tx-tiny/gpt2 {TRAIN} {WIKI} --learning_rate 5e-4 --num_train_epochs 1 --block_size 128",
        {"perplexity": "perplexity per token"},
    ),
    "lm-bert": Training(
        "WikiText-2, tx-tiny/bert",
        "run_lm_finetuning.py",
        f"--model_name_or_path tx-tiny/bert --mlm {TRAIN} {WIKI} --learning_rate 5e-4 --num_train_epochs 1 "
        "--block_size 128",
        {"perplexity": "perplexity per hidden token"},
    ),
    "pruning": Training(
        "MRPC, heads removed while 95 % of accuracy and F1 stay",
        "run_bertology.py",
        "--model_name_or_path {runs}/mrpc/42 --task_name mrpc --data_dir {data}/glue/MRPC --batch_size 32 "
        "--try_masking --masking_threshold 0.95",
        {},
        seeds=(42,),
    ),
    "mnli": Training(
        "MNLI without numerals, 150 steps",
        "run_glue.py",
        glue("mnli", "{data}/glue/MNLI", "--max_steps 150 --warmup_steps 15"),
        {"mnli/acc": "accuracy"},
    ),
    "arc": Training(
        "ARC, easy and challenge",
        "run_multiple_choice.py",
        f"--model_name_or_path {{minilm}} {TRAIN.replace('batch_size 32', 'batch_size 16')} --task_name arc --data_dir "
        "{data}/arc --max_seq_length 80 --learning_rate 5e-5 --weight_decay 0.01 --num_train_epochs 1 "
        "--warmup_steps 30 --bf16",
        ACC,
        seeds=(42,),
    ),
    "squad2": Training(
        "SQuAD 2.0, half of dev, articles 80:20",
        "run_squad.py",
        f"--model_name_or_path {{minilm}} {TRAIN} {SQUAD.replace('squad/', 'squad2/')} --version_2_with_negative "
        "--max_seq_length 384 --doc_stride 128 --learning_rate 2e-4 --num_train_epochs 5 --warmup_steps 40 --bf16",
        {"exact": "exact match", "f1": "F1"},
        seeds=(42,),
    ),
}


def prepare(source: Path, folder: Path) -> None:
    """Make the folders that the scripts read: links to what is in their layout, and splits of what has none."""
    if folder.is_dir():
        return
    made = folder.with_name(f".{folder.name}")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    (made / "ner").symlink_to(source / "ner")
    wikitext(source / "lm" / "wikitext-2" / "valid.txt", made / "lm")
    (made / "glue").mkdir()
    for task in ("CoLA", "MRPC", "RTE", "SST-2", "STS-B", "WNLI"):
        (made / "glue" / task).symlink_to(source / "glue" / task)
    mnli(source / "glue-all-tasks" / "MNLI-numerals-removed.tsv", made / "glue" / "MNLI")
    articles(source / "squad" / "v1.1" / "dev-v1.1.json", made / "squad")
    articles(source / "squad" / "dev-v2.0-half.json", made / "squad2")
    (made / "arc").mkdir()
    for name, part in (("train.jsonl", "dev"), ("dev.jsonl", "test")):
        files = [source / "multiple-choice" / "arc" / f"arc_{level}_{part}.csv" for level in ("easy", "challenge")]
        (made / "arc" / name).write_text("".join(map(questions, files)), encoding="utf-8")
    made.rename(folder)


def wikitext(file: Path, folder: Path) -> None:
    """The last 8 articles of a part of WikiText as eval.txt, those before as train.txt."""
    parts = [part for part in re.split(r"(?m)^(?= = [^=].* = $)", file.read_text(encoding="utf-8")) if part.strip()]
    folder.mkdir()
    for name, texts in (("train.txt", parts[:-8]), ("eval.txt", parts[-8:])):
        (folder / name).write_text("".join(texts), encoding="utf-8")


def mnli(file: Path, folder: Path) -> None:
    """Nine of ten pairs, drawn at random, as MNLI's train.tsv; the others as both of its development sets."""
    with file.open(encoding="utf-8", newline="") as pairs:
        rows = [*csv.DictReader(pairs, delimiter="\t", quoting=csv.QUOTE_NONE)]
    random.Random(42).shuffle(rows)
    header = "index promptID pairID genre sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
    columns = [*header.split(), "sentence1", "sentence2"]
    folder.mkdir()
    tenth = len(rows) // 10 + 1
    for name, part, labels in (
        ("train.tsv", rows[tenth:], ["label1", "gold_label"]),
        ("dev_matched.tsv", rows[:tenth], ["label1", "label2", "label3", "label4", "label5", "gold_label"]),
        ("dev_mismatched.tsv", rows[:tenth], ["label1", "label2", "label3", "label4", "label5", "gold_label"]),
    ):
        lines = ["\t".join([*columns, *labels])]
        for row in part:
            known = {**row, **dict.fromkeys(labels, row["gold_label"])}
            lines.append("\t".join(known.get(each) or "-" for each in [*columns, *labels]))
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def questions(file: Path) -> str:
    """ARC's questions in its published form, lines of JSON, from columns: question, four choices, letter."""
    lines = []
    with file.open(encoding="utf-8", newline="") as rows:
        for number, (stem, *choices, key) in enumerate(csv.reader(rows)):
            listed = [{"text": text, "label": label} for text, label in zip(choices, "ABCD", strict=True)]
            question = {"stem": stem, "choices": listed}
            lines.append(json.dumps({"id": f"{file.stem}-{number}", "question": question, "answerKey": key}) + "\n")
    return "".join(lines)


def articles(file: Path, folder: Path) -> None:
    """Four of five articles of a SQuAD file, drawn at random, as train.json; the others as dev.json."""
    whole = json.loads(file.read_text(encoding="utf-8"))
    data = sorted(whole["data"], key=lambda article: str(article["title"]))
    random.Random(42).shuffle(data)
    fifth = round(len(data) / 5)
    folder.mkdir()
    for name, part in (("dev.json", data[:fifth]), ("train.json", data[fifth:])):
        (folder / name).write_text(json.dumps({**whole, "data": part}), encoding="utf-8")


def run(name: str, seed: int, folders: dict[str, Path], out: Path) -> None:
    """One training, unless its run.json is there."""
    training = TRAININGS[name]
    folder = out / name / str(seed)
    if (folder / "run.json").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    threads = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    first = training.before.format(**folders).split()
    if first and not Path(first[-1]).is_dir():
        subprocess.run([sys.executable, *first], cwd=ROOT, env={**os.environ, **threads}, check=True)
    own = f"--output_dir {{runs}}/{name}/{seed} --seed {seed}"
    command = f"python examples/{training.script} {training.arguments} {own}"
    made = [sys.executable, *command.format(**folders).split()[1:]]
    print(command, flush=True)
    start = time.monotonic()
    with (out / f"{name}-{seed}.log").open("w") as log:
        done = subprocess.run(made, cwd=ROOT, env={**os.environ, **threads}, stdout=log, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - start
    if done.returncode:
        print(f"{name} {seed} failed: see {out / f'{name}-{seed}.log'}", flush=True)
        return
    read = {
        each.stem: dict(re.findall(r"^(\S+) = (\S+)$", each.read_text(), re.MULTILINE))
        for each in (folder / "eval_results.txt", folder / "test_results.txt")
        if each.is_file()
    }
    facts = {
        "command": command,
        "seed": seed,
        "seconds": round(seconds, 1),
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {each: version(each) for each in ("torch", "tensorflow-cpu", "keras", "numpy")},
        "measures": {file: {key: float(value) for key, value in found.items()} for file, found in read.items()},
    }
    if not training.keep:
        for weights in ("model.safetensors", "tf_model.h5"):
            (folder / weights).unlink(missing_ok=True)
    (folder / "run.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(f"{name} {seed}: {seconds:.0f} s {facts['measures']}", flush=True)


def processor() -> str:
    """The name of the processor, as Linux gives it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    return found[1] if found else platform.processor()


def table(out: Path) -> str:
    """A row for each training: mean, and least to greatest, of its seeds."""
    lines = ["| | measure | mean | least to greatest | seeds | minutes each |", "|---|---|---|---|---|---|"]
    for name, training in TRAININGS.items():
        found = [json.loads(path.read_text()) for path in sorted(out.glob(f"{name}/*/run.json"))]
        for key, label in training.measures.items() if found else ():
            values = [each["measures"]["eval_results"][key] for each in found]
            band = f"{min(values):.4f} to {max(values):.4f}" if len(values) > 1 else "one run"
            minutes = statistics.mean(each["seconds"] for each in found) / 60
            seeds = ", ".join(str(each["seed"]) for each in found)
            mean = statistics.mean(values)
            lines.append(f"| {training.title} | {label} | {mean:.4f} | {band} | {seeds} | {minutes:.1f} |")
    lines += ["", machine(out), *curve(out), "", "The commands, each with the seeds above:", "", "```sh"]
    for name in TRAININGS:
        found = sorted(out.glob(f"{name}/*/run.json"))
        if found and TRAININGS[name].before:
            lines += [f"python {TRAININGS[name].before}"]
        if found:
            lines += [json.loads(found[0].read_text())["command"], ""]
    return "\n".join([*lines[:-1], "```"]).replace("{minilm}", "all-MiniLM-L6-v2").replace("{", "").replace("}", "")


def machine(out: Path) -> str:
    """On what all of it ran."""
    found = [json.loads(path.read_text()) for path in sorted(out.glob("*/*/run.json"))]
    processors = sorted({each["processor"] for each in found})
    names = {"torch": "PyTorch", "tensorflow-cpu": "TensorFlow", "keras": "Keras", "numpy": "NumPy"}
    versions = [
        f"{name} {' and '.join(sorted({each['versions'][key] for each in found}))}" for key, name in names.items()
    ]
    python = " and ".join(sorted({each["python"] for each in found}))
    return f"Run on {' and '.join(processors)}, one thread each, with Python {python}, {', '.join(versions)}."


def curve(out: Path) -> list[str]:
    """What is left of a model as more of its heads are masked, and what removing them brought."""
    path = out / "pruning" / "42" / "results.json"
    if not path.is_file():
        return []
    found = json.loads(path.read_text())
    lines = ["", f"{TRAININGS['pruning'].title}, the least important ones first:", ""]
    lines += ["| heads masked | loss | accuracy | F1 |", "|---|---|---|---|"]
    for each in found["masking"]:
        lines.append(f"| {each['masked']:.0f} | {each['loss']:.4f} | {each['acc']:.4f} | {each['f1']:.4f} |")
    pruning = found["pruning"]
    removed = sum(map(len, pruning["heads"].values()))
    before, after = (pruning[each]["parameters"] for each in ("before", "after"))
    lines += ["", f"With {removed} heads removed the model has {after:,} parameters and not {before:,}, the accuracy"]
    lines += [f"{pruning['pruned']['acc']:.4f}, and is {pruning['speed_up']:.2f} times as fast."]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deed", choices=["run", "table"])
    parser.add_argument("--only", nargs="+", choices=[*TRAININGS], metavar="NAME", help=", ".join(TRAININGS))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minilm", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out = options.out.resolve()
    if options.deed == "table":
        text = RESULTS.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        RESULTS.write_text(f"{before}{BEGIN}\n{table(out)}\n{END}{rest.split(END)[1]}", encoding="utf-8")
        return
    if options.data is None or options.minilm is None:
        parser.error("run needs --data and --minilm")
    folders = {"data": out / "data", "minilm": options.minilm.resolve(), "runs": out}
    prepare(options.data.resolve(), folders["data"])
    for name in options.only or TRAININGS:
        for seed in TRAININGS[name].seeds:
            run(name, seed, folders, out)


if __name__ == "__main__":
    main()
