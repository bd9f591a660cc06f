"""Named entities: files of one word a line, as CoNLL's and those of the task on emerging entities, WNUT-17.

A label is O outside of entities, B-X for the first word of an entity of the kind X, I-X for its others.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from tx_core.messages import quoted

from .processors import checked_on_error
from .text_files import lines_of, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar

logger = logging.getLogger(__name__)

_DOCUMENT = "-DOCSTART-"  # what CoNLL-2003 divides documents with


@dataclass
class TokenExample:
    """A sentence of words, each with a label.

    Args:
        guid: what the sentence is told from others by.
        words: its words.
        labels: the label of each word; None where they are not known.
    """

    guid: str
    words: list[str]
    labels: list[str] | None = None


class ConllProcessor:
    """Reads `train.txt`, `dev.txt` and `test.txt`: a word and its label a line, and an empty line after each sentence.

    Columns are divided by tabs where a line has one, else by spaces. Headers of documents (`-DOCSTART-`) are no
    sentences.

    Args:
        word_column, label_column: where they stand, counted from 0; -1 is the last column.
        on_error: what becomes of sentences with a malformed line. "raise" raises a ValueError with the file and the
            line; "skip" leaves them out, logs how many they are, and lists them in `skipped`.

    Attributes:
        skipped: what was wrong with each sentence that the last reading left out, with its file and line.
    """

    train_file: ClassVar[str] = "train.txt"
    dev_file: ClassVar[str] = "dev.txt"
    test_file: ClassVar[str] = "test.txt"
    #: The labels, in the order of the classes; None takes those of the training set.
    labels: ClassVar[tuple[str, ...] | None] = None

    def __init__(self, word_column: int = 0, label_column: int = -1, on_error: str = "raise") -> None:
        self.word_column = word_column
        self.label_column = label_column
        self.on_error = checked_on_error(on_error)
        self.skipped: list[str] = []

    def get_train_examples(self, data_dir: str | os.PathLike[str]) -> list[TokenExample]:
        """The sentences of the training set in the folder `data_dir`."""
        return self.read(os.path.join(data_dir, self.train_file), "train")

    def get_dev_examples(self, data_dir: str | os.PathLike[str]) -> list[TokenExample]:
        """The sentences of the development set in the folder `data_dir`."""
        return self.read(os.path.join(data_dir, self.dev_file), "dev")

    def get_test_examples(self, data_dir: str | os.PathLike[str]) -> list[TokenExample]:
        """The sentences of the test set in the folder `data_dir`; without labels if it has only words."""
        return self.read(os.path.join(data_dir, self.test_file), "test")

    def get_labels(self, data_dir: str | os.PathLike[str]) -> list[str]:
        """The labels, in the order of the classes: O, then the others sorted by the kind of entity, B before I."""
        if self.labels is not None:
            return list(self.labels)
        return labels_of(self.get_train_examples(data_dir))

    def read(self, path: str | os.PathLike[str], set_type: str) -> list[TokenExample]:
        """The sentences of a file.

        Args:
            path: the file.
            set_type: what the guids begin with.

        Raises:
            ValueError: a malformed line, see `on_error`; or only some words have labels.
            FileNotFoundError: there is no such file.
        """
        self.skipped = []
        examples: list[TokenExample] = []
        words: list[str] = []
        labels: list[str] = []
        problem = ""
        bare = 0  # sentences without labels

        def close() -> None:
            nonlocal problem, bare
            if problem:
                self.skipped.append(problem)
            elif words:
                number = len(examples) + len(self.skipped) + 1
                examples.append(TokenExample(f"{set_type}-{number}", [*words], [*labels] if labels else None))
                bare += not labels
            words.clear()
            labels.clear()
            problem = ""

        for number, line in enumerate(lines_of(read_text(path)), 1):
            if not line.strip() or line.startswith(_DOCUMENT):
                close()
                continue
            fault = self._add(line, words, labels)
            if fault:
                message = f"{path}, line {number}: {fault}"
                if self.on_error == "raise":
                    raise ValueError(f'{message}; correct it, or leave such sentences out with on_error="skip"')
                problem = problem or message
        close()
        if 0 < bare < len(examples):
            raise ValueError(f"{path}: {bare} of {len(examples)} sentences have no labels, and others do")
        if self.skipped:
            count = len(examples) + len(self.skipped)
            logger.warning("%d of %d sentences left out, first %s", len(self.skipped), count, self.skipped[0])
        return examples

    def _add(self, line: str, words: list[str], labels: list[str]) -> str | None:
        """Add what a line has to its sentence. Returns what is wrong with it; None if nothing is."""
        columns = line.split("\t") if "\t" in line else line.split()
        if self.word_column >= len(columns) or not columns[self.word_column].strip():
            return f"there is no word in {quoted(line)}"
        word = columns[self.word_column].strip()
        labelled = len(columns) > 1
        if labelled and not -len(columns) <= self.label_column < len(columns):
            return f"{len(columns)} columns, and the label is in column {self.label_column}"
        if words and labelled != bool(labels):
            return f"the word {quoted(word)} has {'a' if labelled else 'no'} label, unlike those before it"
        if labelled:
            label = columns[self.label_column].strip()
            if not label or label.split() != [label]:
                return f"the word {quoted(word)} has no label but {quoted(label)}"
            labels.append(label)
        words.append(word)
        return None


class WnutProcessor(ConllProcessor):
    """Reads the task on emerging entities of 2017 (https://noisy-text.github.io/2017/emerging-rare-entities.html)."""

    train_file = "wnut17train.conll"
    dev_file = "emerging.dev.conll"
    test_file = "emerging.test.annotated"
    labels = (
        "O",
        *(f"{place}-{kind}"
          for kind in ("corporation", "creative-work", "group", "location", "person", "product")
          for place in "BI"),
    )  # fmt: skip


def labels_of(examples: Sequence[TokenExample]) -> list[str]:
    """The labels of sentences: O, then the others sorted by the kind of entity, B before I."""
    found = {label for example in examples for label in example.labels or ()} - {"O"}
    return ["O", *sorted(found, key=lambda label: (label.partition("-")[2], label))]


def ner_read_labels(path: str | os.PathLike[str]) -> list[str]:
    """The labels of a file with one a line, in the order of the classes; O comes first where the file has none.

    Raises ValueError, with the path, if it has no labels, or has one twice.
    """
    names = read_text(path).split()
    if not names or len({*names}) < len(names):
        raise ValueError(f"{os.fspath(path)}: a label a line is wanted, each once")
    return names if "O" in names else ["O", *names]


#: The processor of each dataset.
ner_processors = {"conll": ConllProcessor, "wnut17": WnutProcessor}
