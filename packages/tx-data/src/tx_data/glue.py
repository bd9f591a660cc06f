"""The nine tasks of GLUE and its diagnostic set (Wang et al. 2018, https://arxiv.org/abs/1804.07461).

Each processor reads the files that GLUE publishes, which lie in one folder for each task: `train.tsv`, `dev.tsv` and
`test.tsv`, for MNLI two development and test sets, for the diagnostic set one file. The columns are found by their
places, as in 2019; the names in the first line do not matter.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

from tx_core.messages import nearest, quoted

from .examples import InputExample
from .processors import DataProcessor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

    Folder = str | os.PathLike[str]


class GlueProcessor(DataProcessor):
    """Reads a task of GLUE. A subclass says where things stand in its files, counted from 0."""

    labels: ClassVar[tuple[str, ...]] = ("0", "1")
    #: The first and, if there is one, the second text, in training and development sets, and in test sets.
    columns: ClassVar[tuple[int, ...]]
    test_columns: ClassVar[tuple[int, ...]]
    #: The label in training and development sets; -1 is the last column.
    label_column: ClassVar[int] = -1
    #: The column that names an example; None numbers the rows.
    id_column: ClassVar[int | None] = 0
    #: How many columns training and development sets have that have no first line to say so.
    width: ClassVar[int | None] = None
    #: The columns that tensorflow_datasets has, and its labels in the order of its numbers.
    tensors: ClassVar[tuple[str, ...]] = ("sentence1", "sentence2")
    tensor_labels: ClassVar[tuple[str, ...] | None] = None

    def get_train_examples(self, data_dir: Folder) -> list[InputExample]:
        return self._examples(data_dir, "train")

    def get_dev_examples(self, data_dir: Folder) -> list[InputExample]:
        return self._examples(data_dir, "dev")

    def get_test_examples(self, data_dir: Folder) -> list[InputExample]:
        return self._examples(data_dir, "test")

    def get_labels(self) -> list[Any]:
        return list(self.labels)

    def get_example_from_tensor_dict(self, tensor_dict: Mapping[str, Any]) -> InputExample:
        """The example of one element of a `tf.data.Dataset` in the form of tensorflow_datasets (`glue/mrpc`, …).

        Args:
            tensor_dict: `idx`, `label` and the texts, each a tensor without axes.

        Returns:
            The example. Its label is the name that tensorflow_datasets has for the number, whatever the order there;
            None for the -1 of test sets.

        Raises:
            ValueError: a column is missing, the dataset is batched, or the label is none of the task's.
        """
        values = {name: tensor.numpy() for name, tensor in tensor_dict.items()}
        missing = [name for name in ("idx", "label", *self.tensors) if name not in values]
        if missing:
            raise ValueError(
                f"{type(self).__name__} needs the columns idx, label, {', '.join(self.tensors)}; the dataset has "
                f"{', '.join(values)}"
            )
        if getattr(values["idx"], "ndim", 0):
            raise ValueError("the dataset is batched: make features of single rows, and batch those")
        first, *second = (bytes(values[name]).decode("utf-8") for name in self.tensors)
        label = self._tensor_label(values["label"])
        return InputExample(int(values["idx"]), first, second[0] if second else None, label)

    def _tensor_label(self, number: Any) -> str | None:
        names = self.tensor_labels or self.labels
        if number == -1:
            return None
        if not 0 <= int(number) < len(names):
            raise ValueError(
                f"the label {number} of the dataset is none of {type(self).__name__}: 0 to {len(names) - 1}"
            )
        return names[int(number)]

    def _file(self, data_dir: Folder, part: str) -> tuple[str, str]:
        """The path of a part of the dataset ("train", "dev", "test"), and the name of the part in `guid`s."""
        return os.path.join(data_dir, f"{part}.tsv"), part

    def _examples(self, data_dir: Folder, part: str) -> list[InputExample]:
        path, name = self._file(data_dir, part)
        return self._create_examples(self._read_tsv(path), name, path)

    def _create_examples(self, lines: Sequence[list[str]], set_type: str, file: str = "") -> list[InputExample]:
        """The examples of the rows of a file.

        Args:
            lines: the rows, as `_read_tsv` gives them.
            set_type: the part of the dataset, which the guids begin with; test sets have no labels.
            file: the file, for messages.

        Raises ValueError for a malformed row unless they are left out.
        """
        self.skipped = []
        test = set_type.startswith("test")
        header = self.width is None or test
        end = len(lines)
        while end and not lines[end - 1]:  # empty lines at the end
            end -= 1
        width = 0 if not end else len(lines[0]) if header else self.width or 0
        # The task whose other files have no header counts from 0 in all of them.
        first = int(self.width is not None and header)
        examples = []
        for index in range(int(header), end):
            row = lines[index]
            problem = self._problem(row, width, test)
            if problem:
                self.malformed(file, index + 1, problem)
                continue
            number = str(index - first) if self.id_column is None else row[self.id_column]
            text, *second = (row[place] for place in (self.test_columns if test else self.columns))
            label = None if test else row[self.label_column]
            examples.append(InputExample(f"{set_type}-{number}", text, second[0] if second else None, label))
        self.report(file, end - header)
        return examples

    def _problem(self, row: Sequence[str], width: int, test: bool) -> str | None:
        """What is wrong with a row; None if nothing is."""
        if not row:
            return "the line is empty"
        least = max(
            *(self.test_columns if test else self.columns), 0 if test else self.label_column, self.id_column or 0
        )
        if len(row) != width or len(row) <= least:
            return f"{len(row)} columns, and {max(width, least + 1)} are wanted"
        return None if test else self._label_problem(row[self.label_column])

    def _label_problem(self, label: str) -> str | None:
        return None if label in self.labels else f"the label {quoted(label)} is none of {', '.join(self.labels)}"


class ColaProcessor(GlueProcessor):
    """The Corpus of Linguistic Acceptability: is a sentence grammatical?

    Training and development sets have no first line that names the columns.
    """

    columns, test_columns = (3,), (1,)
    label_column = 1
    id_column = None
    width = 4
    tensors = ("sentence",)


class MnliProcessor(GlueProcessor):
    """MultiNLI: entailment, contradiction or neither; tested on genres that are in the training set ("matched")."""

    labels = ("contradiction", "entailment", "neutral")
    columns = test_columns = (8, 9)
    tensors = ("premise", "hypothesis")
    tensor_labels = ("entailment", "neutral", "contradiction")
    genres: ClassVar[str] = "matched"

    def _file(self, data_dir: Folder, part: str) -> tuple[str, str]:
        return super()._file(data_dir, part if part == "train" else f"{part}_{self.genres}")


class MnliMismatchedProcessor(MnliProcessor):
    """MultiNLI, tested on genres that are not in the training set."""

    genres = "mismatched"


class AxProcessor(GlueProcessor):
    """The diagnostic set: sentences made to show what a model of MNLI lacks. It is a test set only, without labels."""

    labels = MnliProcessor.labels
    columns = test_columns = (1, 2)
    tensors = MnliProcessor.tensors
    tensor_labels = MnliProcessor.tensor_labels

    def _examples(self, data_dir: Folder, part: str) -> list[InputExample]:
        if part != "test":
            raise ValueError(
                f"the diagnostic set has no {part} set: train and choose a model with MNLI, and read the diagnostic "
                "set with get_test_examples"
            )
        return super()._examples(data_dir, part)

    def _file(self, data_dir: Folder, part: str) -> tuple[str, str]:
        # GLUE's script downloads it under the first name, its archive has the second.
        names = ("diagnostic.tsv", "AX.tsv", "ax.tsv")
        path = next((name for name in names if Path(data_dir, name).is_file()), names[0])
        return os.path.join(data_dir, path), part


class MrpcProcessor(GlueProcessor):
    """The Microsoft Research Paraphrase Corpus: do two sentences mean the same?"""

    columns = test_columns = (3, 4)
    label_column = 0
    id_column = None


class Sst2Processor(GlueProcessor):
    """The Stanford Sentiment Treebank: does a sentence of a review praise (1) or blame (0)?"""

    columns, test_columns = (0,), (1,)
    label_column = 1
    id_column = None
    tensors = ("sentence",)


class StsbProcessor(GlueProcessor):
    """The Semantic Textual Similarity Benchmark: how alike are two sentences, from 0 to 5? A regression."""

    labels = ()
    columns = test_columns = (7, 8)

    def get_labels(self) -> list[Any]:
        return [None]

    def _tensor_label(self, number: Any) -> str | None:
        return None if number == -1 else str(number)

    def _label_problem(self, label: str) -> str | None:
        try:
            value = float(label)
        except ValueError:
            return f"the score {quoted(label)} is no number"
        return None if math.isfinite(value) else f"the score {quoted(label)} is not finite"


class QqpProcessor(GlueProcessor):
    """Quora Question Pairs: are two questions the same?

    GLUE's own files have some rows that are broken over lines. They are left out unless `on_error="raise"` is given.
    """

    on_error = "skip"
    columns, test_columns = (3, 4), (1, 2)
    label_column = 5
    tensors = ("question1", "question2")


class QnliProcessor(GlueProcessor):
    """Question NLI, made of SQuAD: does a sentence answer a question?"""

    labels = ("entailment", "not_entailment")
    columns = test_columns = (1, 2)
    tensors = ("question", "sentence")


class RteProcessor(GlueProcessor):
    """Recognizing Textual Entailment: does one text follow from another?"""

    labels = ("entailment", "not_entailment")
    columns = test_columns = (1, 2)


class WnliProcessor(GlueProcessor):
    """Winograd NLI: does a sentence follow with a pronoun replaced?"""

    columns = test_columns = (1, 2)


# Today's spellings -> those of 2019. Capitals, underscores and hyphens do not matter.
_SPELLINGS = {
    "sst2": "sst-2",
    "stsb": "sts-b",
    "mnlimm": "mnli-mm",
    "mnlimatched": "mnli",
    "mnlimismatched": "mnli-mm",
    "diagnostic": "ax",
}


def task_key(task: object, known: dict[str, Any]) -> str | None:
    """The key of `known`, spelled as in 2019, that a task's name stands for; None if it is no task."""
    if not isinstance(task, str):
        return None
    name = task.lower().replace("_", "").replace("-", "")
    key = _SPELLINGS.get(name, name)
    return key if dict.__contains__(known, key) else None


class TaskTable(dict[str, "Any"]):
    """A dictionary by task. It lists the names of 2019 and finds today's too: "sst2", "mnli_mismatched", "MRPC".

    A task that it does not have is a KeyError whose message names those that it has.
    """

    def __missing__(self, task: object) -> Any:
        key = task_key(task, self)
        if key is None:
            hint = nearest(str(task), self)
            raise KeyError(f"there is no task {quoted(task)} but {', '.join(self)}{hint}")
        return self[key]

    def __contains__(self, task: object) -> bool:
        return task_key(task, self) is not None

    def get(self, task: Any, default: Any = None) -> Any:
        key = task_key(task, self)
        return default if key is None else self[key]


#: The processor of each task.
glue_processors = TaskTable(
    {
        "cola": ColaProcessor,
        "mnli": MnliProcessor,
        "mnli-mm": MnliMismatchedProcessor,
        "mrpc": MrpcProcessor,
        "sst-2": Sst2Processor,
        "sts-b": StsbProcessor,
        "qqp": QqpProcessor,
        "qnli": QnliProcessor,
        "rte": RteProcessor,
        "wnli": WnliProcessor,
        "ax": AxProcessor,
    }
)

#: Whether a task is a "classification" or a "regression".
glue_output_modes = TaskTable({task: "regression" if task == "sts-b" else "classification" for task in glue_processors})

#: How many outputs a model for a task has.
glue_tasks_num_labels = TaskTable({task: len(cls().get_labels()) for task, cls in glue_processors.items()})

#: What tells the best model of each task: of the metrics that it has, the one that GLUE counts.
glue_main_metrics = TaskTable(dict.fromkeys(glue_processors, "acc"))
glue_main_metrics |= {"cola": "mcc", "ax": "mcc", "sts-b": "corr", "mrpc": "acc_and_f1", "qqp": "acc_and_f1"}
glue_main_metrics |= {"mnli": "mnli/acc", "mnli-mm": "mnli-mm/acc"}

#: The tasks by whose development sets a model of a task is measured: that of MNLI by both of MNLI's.
glue_measured_tasks = TaskTable({task: (task,) for task in glue_processors})
glue_measured_tasks["mnli"] = ("mnli", "mnli-mm")
