"""Rows of GLUE for tests: the test data has its files, see :mod:`tx_testing.data`."""

from __future__ import annotations

import csv
from itertools import islice
from pathlib import Path
from typing import Any

from .data import data_path
from .examples import Example


def rows(task: str, columns: tuple[str, ...], count: int, split: str = "train") -> list[tuple[str, ...]]:
    """The first rows of a task's file, ``rows("MRPC", ("#1 String", "#2 String", "Quality"), 8)``.

    Skips the test where there is no test data.
    """
    # Cells may begin with a quotation mark that nothing closes.
    with data_path(f"glue/{task}/{split}.tsv").open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [tuple(row[column] for column in columns) for _, row in zip(range(count), reader, strict=False)]


def mrpc(count: int, split: str = "train") -> list[tuple[str, str, int]]:
    """Pairs of sentences, and whether they say the same."""
    columns = ("#1 String", "#2 String", "Quality")
    return [(first, second, int(label)) for first, second, label in rows("MRPC", columns, count, split)]


def stsb(count: int, split: str = "dev") -> list[tuple[str, str, float]]:
    """Pairs of sentences, and how alike they are, 0 to 5."""
    columns = ("sentence1", "sentence2", "score")
    return [(first, second, float(score)) for first, second, score in rows("STS-B", columns, count, split)]


def sst2(count: int, split: str = "train") -> list[tuple[str, int]]:
    """Sentences of film reviews, and whether they praise."""
    return [(sentence, int(label)) for sentence, label in rows("SST-2", ("sentence", "label"), count, split)]


def first_files(task: str, folder: Path, **rows: int) -> Path:
    """A folder with the first rows of a task's files, ``first_files("MRPC", folder, train=32, dev=20)``.

    Skips the test where there is no test data.
    """
    for name, count in rows.items():
        with data_path(f"glue/{task}/{name}.tsv").open(encoding="utf-8") as file:
            (folder / f"{name}.tsv").write_text("".join(islice(file, count + 1)), encoding="utf-8")
    return folder


def check_mnli_is_measured_on_both_sets(script: Example, folder: Path) -> None:
    """Train and measure a model of MNLI by a script, on rows that are all the same."""
    columns = [*(f"column{number}" for number in range(8)), "sentence1", "sentence2", "label1", "gold_label"]
    row = ["-"] * 8 + ["A man eats.", "He sleeps.", "-", "neutral"]
    for name, count in (("train", 4), ("dev_matched", 3), ("dev_mismatched", 2)):
        (folder / f"{name}.tsv").write_text("\n".join(map("\t".join, [columns, *[row] * count])) + "\n")
    common = ["--model_name_or_path", "tx-tiny/bert", "--task_name", "MNLI", "--data_dir", folder, "--no_cuda"]
    common += ["--do_train", "--do_eval", "--max_steps", 1, "--max_seq_length", 16, "--output_dir", folder / "out"]
    found = dict(line.split(" = ") for line in script.run(*common).splitlines())
    assert {*found} == {"loss", "mnli/acc", "mnli-mm/acc"}
    other = (folder / "out-MM" / "eval_results.txt").read_text()
    assert other == f"mnli-mm/acc = {float(found['mnli-mm/acc'])}\n"
    assert "mnli-mm/acc = " in (folder / "out" / "eval_results.txt").read_text()


class Collate:
    """Pairs of MRPC → a padded batch of PyTorch with labels.

    Here and not in a test: a process that is started afresh has to find it by its name.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def __call__(self, rows: list[tuple[str, str, int]]) -> Any:
        encoded = [
            {**self.tokenizer(first, second, truncation=True, max_length=40), "labels": label}
            for first, second, label in rows
        ]
        return self.tokenizer.pad(encoded, return_tensors="pt")
