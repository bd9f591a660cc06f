"""XNLI, natural language inference in fifteen languages (Conneau et al. 2018, https://arxiv.org/abs/1809.05053)."""

from __future__ import annotations

import os

from tx_core.messages import quoted

from .examples import InputExample
from .metrics import simple_accuracy
from .processors import DataProcessor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Folder = str | os.PathLike[str]

#: The languages of the dataset.
LANGUAGES = ("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh")
_LABELS = ("contradiction", "entailment", "neutral")


class XnliProcessor(DataProcessor):
    """Reads the folder that holds `XNLI-MT-1.0`, the translated training sets, and `XNLI-1.0`, the other sets.

    Args:
        language: the one of the development and test sets.
        train_language: the one of the training set, if it is another.
        on_error: what becomes of malformed rows; see `DataProcessor`.

    Raises:
        ValueError: XNLI has no such language.
    """

    def __init__(self, language: str, train_language: str | None = None, on_error: str | None = None) -> None:
        super().__init__(on_error)
        for each in (language, train_language or language):
            if each not in LANGUAGES:
                raise ValueError(f"XNLI has no language {quoted(each)} but {', '.join(LANGUAGES)}")
        self.language = language
        self.train_language = train_language

    def get_train_examples(self, data_dir: Folder) -> list[InputExample]:
        language = self.train_language or self.language
        path = os.path.join(data_dir, "XNLI-MT-1.0", "multinli", f"multinli.train.{language}.tsv")
        # The translations spell one label in another way.
        return self._examples(path, "train", (0, 1, 2), {"contradictory": "contradiction"})

    def get_dev_examples(self, data_dir: Folder) -> list[InputExample]:
        return self._examples(os.path.join(data_dir, "XNLI-1.0", "xnli.dev.tsv"), "dev", (6, 7, 1), {})

    def get_test_examples(self, data_dir: Folder) -> list[InputExample]:
        """The examples of the test set in the folder `data_dir`, which has labels here."""
        return self._examples(os.path.join(data_dir, "XNLI-1.0", "xnli.test.tsv"), "test", (6, 7, 1), {})

    def get_labels(self) -> list[Any]:
        return list(_LABELS)

    def _examples(
        self, path: str, set_type: str, columns: tuple[int, int, int], spellings: dict[str, str]
    ) -> list[InputExample]:
        self.skipped = []
        examples = []
        rows = self._read_tsv(path)
        for index in range(1, len(rows)):
            row = rows[index]
            if set_type != "train" and row and row[0] != self.language:
                continue
            problem = self._problem(row, columns, spellings)
            if problem:
                self.malformed(path, index + 1, problem)
                continue
            first, second, label = (row[place] for place in columns)
            examples.append(InputExample(f"{set_type}-{index}", first, second, spellings.get(label, label)))
        self.report(path, len(rows) - 1)
        return examples

    def _problem(self, row: Sequence[str], columns: tuple[int, ...], spellings: dict[str, str]) -> str | None:
        if len(row) <= max(columns):
            return f"{len(row)} columns, and {max(columns) + 1} or more are wanted"
        label = row[columns[2]]
        return (
            None
            if spellings.get(label, label) in _LABELS
            else f"the label {quoted(label)} is none of " + ", ".join(_LABELS)
        )


def xnli_compute_metrics(task_name: str, preds: Any, labels: Any) -> dict[str, float]:
    """`{"acc": …}`, the share of predictions that are equal to the labels; see `simple_accuracy`.

    Raises KeyError for a task other than "xnli", and ValueError if the shapes differ.
    """
    if task_name != "xnli":
        raise KeyError(f"there is no task {quoted(task_name)} but xnli")
    return {"acc": simple_accuracy(preds, labels)}


xnli_processors = {"xnli": XnliProcessor}
xnli_output_modes = {"xnli": "classification"}
xnli_tasks_num_labels = {"xnli": len(_LABELS)}
