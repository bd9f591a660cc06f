"""What the readers of datasets share: files of tab-separated values, and rows that are not as they should be."""

from __future__ import annotations

import csv
import io
import logging

from tx_core.messages import quoted

from .examples import InputExample
from .text_files import lines_of, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

logger = logging.getLogger(__name__)

ON_ERROR = ("raise", "skip")


def checked_on_error(value: str) -> str:
    """`value`, if it says what becomes of malformed rows. Raises ValueError if it does not."""
    if value not in ON_ERROR:
        raise ValueError(f"on_error={quoted(value)} is not one of {', '.join(ON_ERROR)}")
    return value


class DataProcessor:
    """Reads a dataset for the classification of sequences. A subclass gives the methods that raise here.

    Args:
        on_error: what becomes of malformed rows. "raise" raises a ValueError with the file and the number of the line;
            "skip" leaves them out, logs how many they are, and lists them in `skipped`. None is the class's own way.

    Attributes:
        skipped: what was wrong with each row that the last reading left out, with its file and line.
    """

    on_error: str = "raise"

    def __init__(self, on_error: str | None = None) -> None:
        if on_error is not None:
            self.on_error = checked_on_error(on_error)
        self.skipped: list[str] = []

    def get_example_from_tensor_dict(self, tensor_dict: Mapping[str, Any]) -> InputExample:
        """The example of one element of a `tf.data.Dataset` in the form of tensorflow_datasets."""
        raise NotImplementedError(f"{type(self).__name__} reads no tf.data.Dataset")

    def get_train_examples(self, data_dir: str | os.PathLike[str]) -> list[InputExample]:
        """The examples of the training set in the folder `data_dir`."""
        raise NotImplementedError(f"{type(self).__name__} has no training set")

    def get_dev_examples(self, data_dir: str | os.PathLike[str]) -> list[InputExample]:
        """The examples of the development set in the folder `data_dir`."""
        raise NotImplementedError(f"{type(self).__name__} has no development set")

    def get_test_examples(self, data_dir: str | os.PathLike[str]) -> list[InputExample]:
        """The examples of the test set in the folder `data_dir`, whose labels are None."""
        raise NotImplementedError(f"{type(self).__name__} has no test set")

    def get_labels(self) -> list[Any]:
        """The labels, in the order of the classes; [None] for a regression."""
        raise NotImplementedError(f"{type(self).__name__} names no labels")

    @classmethod
    def _read_tsv(cls, input_file: str | os.PathLike[str], quotechar: str | None = None) -> list[list[str]]:
        """The rows of a file of tab-separated values in UTF-8, with or without a byte order mark.

        Without `quotechar` each line is one row, so that row i is line i + 1; quotation marks are text.

        Raises ValueError, with the file and the line, where the file is not UTF-8 or a quotation is not finished; and
        FileNotFoundError.
        """
        text = read_text(input_file)
        if quotechar is None:
            return [line.split("\t") if line else [] for line in lines_of(text)]
        rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t", quotechar=quotechar, strict=True)
        try:
            return list(rows)
        except csv.Error as error:
            raise ValueError(f"{input_file}, line {rows.line_num}: {error}") from error

    def malformed(self, file: str, line: int, problem: str) -> None:
        """Deal with a row that is not as it should be: raise, or note it and return, as `on_error` says."""
        message = f"{file}, line {line}: {problem}"
        if self.on_error != "skip":
            raise ValueError(f'{message}; correct the row, or leave such rows out with on_error="skip"')
        self.skipped.append(message)

    def report(self, file: str, rows: int) -> None:
        """Log how many of the `rows` of a file were left out, and why the first of them."""
        if self.skipped:
            logger.warning("%s: %d of %d rows left out, first %s", file, len(self.skipped), rows, self.skipped[0])
