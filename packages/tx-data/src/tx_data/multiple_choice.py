"""Multiple choice: SWAG (Zellers et al. 2018, https://arxiv.org/abs/1808.05326), ARC (Clark et al. 2018,
https://arxiv.org/abs/1803.05457), RACE (Lai et al. 2017, https://arxiv.org/abs/1704.04683), ROCStories (Mostafazadeh et
al. 2016, https://arxiv.org/abs/1604.01696)."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tx_core.messages import quoted

from .processors import checked_on_error
from .text_files import lines_of, read_text
from .tokenizing import encoded_pairs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import ClassVar

    from tx_tokenizers import PreTrainedTokenizer

    Folder = str | os.PathLike[str]

logger = logging.getLogger(__name__)


@dataclass
class MultipleChoiceExample:
    """A question and its possible answers.

    Args:
        example_id: what the question is told from others by.
        question: the question, or the beginning of a sentence. An underscore in it is where the answer belongs.
        contexts: for each answer the text that is asked; "" where there is none.
        endings: the answers, or the ends of the sentence.
        label: the number of the right one, from 0; None where it is not known.
    """

    example_id: str
    question: str
    contexts: list[str]
    endings: list[str]
    label: int | None = None


@dataclass
class MultipleChoiceFeatures:
    """A question as models for multiple choice take it.

    Args:
        example_id: that of the example.
        input_ids, attention_mask, token_type_ids: a padded row for each choice.
        label: the number of the right one; None where it is not known.
    """

    example_id: str
    input_ids: list[list[int]]
    attention_mask: list[list[int]]
    token_type_ids: list[list[int]]
    label: int | None


class MultipleChoiceProcessor:
    """Reads a dataset; a subclass says what its files are.

    Args:
        on_error: what becomes of malformed questions. "raise" raises a ValueError with the file and the line; "skip"
            leaves them out, logs how many they are, and lists them in `skipped`. None is the class's own way.

    Attributes:
        skipped: what was wrong with each question that the last reading left out, with its file and line.
    """

    train_file: ClassVar[str]
    dev_file: ClassVar[str]
    test_file: ClassVar[str]
    on_error: str = "raise"

    def __init__(self, on_error: str | None = None) -> None:
        if on_error is not None:
            self.on_error = checked_on_error(on_error)
        self.skipped: list[str] = []

    def get_train_examples(self, data_dir: Folder, filename: str | None = None) -> list[MultipleChoiceExample]:
        """The questions of the training set in the folder `data_dir`; of `filename`, if the file has another name."""
        return self.read(os.path.join(data_dir, filename or self.train_file), "train")

    def get_dev_examples(self, data_dir: Folder, filename: str | None = None) -> list[MultipleChoiceExample]:
        """The questions of the development set; as `get_train_examples`."""
        return self.read(os.path.join(data_dir, filename or self.dev_file), "dev")

    def get_test_examples(self, data_dir: Folder, filename: str | None = None) -> list[MultipleChoiceExample]:
        """The questions of the test set; as `get_train_examples`. Their labels are None if the file has none."""
        return self.read(os.path.join(data_dir, filename or self.test_file), "test")

    def get_labels(self) -> list[int]:
        """The numbers of the choices."""
        return [0, 1, 2, 3]

    def read(self, path: Folder, set_type: str) -> list[MultipleChoiceExample]:
        """The questions of a file, one a row: a name that ends in `.jsonl` or `.json` has JSON in its lines, others are
        comma-separated values.

        Args:
            path: the file.
            set_type: what the ids begin with where the file has none.

        Raises:
            ValueError: a malformed row, see `on_error`; or only some questions have labels.
            FileNotFoundError: there is no such file.
        """
        self.skipped = []
        examples: list[MultipleChoiceExample] = []
        for place, row in self._rows(path):
            default = f"{set_type}-{len(examples) + len(self.skipped)}"
            try:
                if isinstance(row, ValueError):
                    raise row
                examples.append(self._example(row, default))
            except ValueError as error:
                message = f"{place}: {error}"
                if self.on_error == "raise":
                    advice = 'correct it, or leave such questions out with on_error="skip"'
                    raise ValueError(f"{message}; {advice}") from error
                self.skipped.append(message)
        if self.skipped:
            count = len(examples) + len(self.skipped)
            logger.warning("%d of %d questions left out, first %s", len(self.skipped), count, self.skipped[0])
        bare = [each.example_id for each in examples if each.label is None]
        if 0 < len(bare) < len(examples):
            count = len(examples)
            raise ValueError(
                f"{path}: {len(bare)} of {count} questions have no label, such as {bare[0]}, and others do"
            )
        return examples

    def _rows(self, path: Folder) -> Iterator[tuple[str, Any]]:
        """The (place, row or what is wrong with it) of a file."""
        as_json = os.fspath(path).endswith((".jsonl", ".json"))
        for line, row in _json_rows(path) if as_json else self._csv_rows(path):
            yield f"{path}, line {line}", row

    def _csv_rows(self, path: Folder) -> Iterator[tuple[int, Any]]:
        """The (line, row or what is wrong with it) of a file of comma-separated values."""
        raise NotImplementedError

    def _example(self, row: Any, default_id: str) -> MultipleChoiceExample:
        """The question of a row. Raises ValueError with what is wrong."""
        raise NotImplementedError


class SwagProcessor(MultipleChoiceProcessor):
    """SWAG: which of four ends goes on with what a video shows? Its files have a header."""

    train_file, dev_file, test_file = "train.csv", "val.csv", "test.csv"

    def _csv_rows(self, path: Folder) -> Iterator[tuple[int, Any]]:
        rows = _csv_rows(path)
        _, header = next(rows, (0, []))
        for line, row in rows:
            fits = len(row) <= len(header)
            wanted = f"{len(row)} columns, and {len(header)} are wanted"
            yield line, dict(zip(header, row, strict=False)) if fits else ValueError(wanted)

    def _example(self, row: Mapping[str, Any], default_id: str) -> MultipleChoiceExample:
        sentence, start = _text(row, "sent1"), _text(row, "sent2")
        endings = [_text(row, f"ending{number}") for number in range(4)]
        label = row.get("label")
        if label is not None and str(label) not in ("0", "1", "2", "3"):
            raise ValueError(f"the label {quoted(label)} is not 0, 1, 2 or 3")
        example_id = str(row.get("fold-ind") or row.get("video-id") or default_id)
        return MultipleChoiceExample(example_id, start, [sentence] * 4, endings, None if label is None else int(label))


class ArcProcessor(MultipleChoiceProcessor):
    """ARC: questions of science at school, four choices each.

    Reads the published `.jsonl`, and comma-separated values without a header: question, four choices, and the letter of
    the right one. The few published questions that have three or five choices are left out, unless
    `on_error="raise"` is given.
    """

    train_file, dev_file, test_file = "train.jsonl", "dev.jsonl", "test.jsonl"
    on_error = "skip"

    def _csv_rows(self, path: Folder) -> Iterator[tuple[int, Any]]:
        return _csv_rows(path)

    def _example(self, row: Any, default_id: str) -> MultipleChoiceExample:
        if isinstance(row, list):
            if len(row) != 6:
                raise ValueError(f"{len(row)} columns, and 6 are wanted: question, four choices, letter")
            question, *endings, key = row
            return MultipleChoiceExample(default_id, question, [""] * 4, endings, _choice(key, ["A", "B", "C", "D"]))
        asked = row.get("question")
        choices = asked.get("choices") if isinstance(asked, dict) else None
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise ValueError("it has no question with a stem and choices")
        if len(choices) != 4:
            raise ValueError(f"the question has {len(choices)} choices, and 4 are wanted")
        endings = [_text(choice, "text") for choice in choices]
        contexts = [_text(choice, "para") if "para" in choice else "" for choice in choices]
        key = row.get("answerKey")
        label = None if key is None else _choice(key, [_text(choice, "label") for choice in choices])
        return MultipleChoiceExample(str(row.get("id", default_id)), _text(asked, "stem"), contexts, endings, label)


class RaceProcessor(MultipleChoiceProcessor):
    """RACE: questions of English exams about a text, four choices each.

    A set is a folder, `train`, `dev` or `test`, with the folders `high` and `middle`, by the schools that the exams are
    of. Each of their `.txt` files has a JSON object: a text as `article`, and lists of `questions`, of their `options`,
    and of the letters of the right ones as `answers`.
    """

    train_file, dev_file, test_file = "train", "dev", "test"

    def _rows(self, path: Folder) -> Iterator[tuple[str, Any]]:
        files = [file for level in ("high", "middle") for file in sorted(Path(path, level).glob("*.txt"))]
        if not files:
            raise FileNotFoundError(f"{path}: a folder with the folders high and middle is wanted, and texts in them")
        for file in files:
            try:
                exam = json.loads(read_text(file))
            except json.JSONDecodeError as error:
                yield os.fspath(file), ValueError(f"the file is no JSON: {error.msg}")
                continue
            names = ("questions", "options", "answers") if isinstance(exam, dict) else ()
            lists: list[Any] = [exam.get(name) for name in names]
            if not lists or not all(isinstance(each, list) and len(each) == len(lists[0]) for each in lists):
                yield os.fspath(file), ValueError("there are not as many questions as options and answers in it")
                continue
            name = exam.get("id", f"{file.parent.name}{file.name}")
            for number, row in enumerate(zip(*lists, strict=True)):
                asked = dict(zip(("question", "options", "answer"), row, strict=True))
                yield (
                    f"{file}, question {number + 1}",
                    {**asked, "article": exam.get("article"), "id": f"{name}-{number}"},
                )

    def _example(self, row: Mapping[str, Any], default_id: str) -> MultipleChoiceExample:
        options = row["options"]
        if not isinstance(options, list) or len(options) != 4 or not all(isinstance(each, str) for each in options):
            raise ValueError(f"four texts are wanted as options, not {quoted(options)}")
        label = _choice(row["answer"], ["A", "B", "C", "D"])
        return MultipleChoiceExample(row["id"], _text(row, "question"), [_text(row, "article")] * 4, options, label)


class RocStoriesProcessor(MultipleChoiceProcessor):
    """ROCStories' cloze test: which of two sentences ends a story of four? Its files have a header.

    A row has an id, four sentences, two ends, and the number of the right one, 1 or 2, which a test set may lack.
    """

    train_file = "cloze_test_val__spring2016 - cloze_test_ALL_val.csv"
    dev_file = test_file = "cloze_test_test__spring2016 - cloze_test_ALL_test.csv"

    def get_labels(self) -> list[int]:
        """The numbers of the ends."""
        return [0, 1]

    def _csv_rows(self, path: Folder) -> Iterator[tuple[int, Any]]:
        rows = _csv_rows(path)
        next(rows, None)
        return rows

    def _example(self, row: Any, default_id: str) -> MultipleChoiceExample:
        if not isinstance(row, list):
            raise ValueError("ROCStories' files are comma-separated values, and no JSON")
        if len(row) not in (7, 8):
            raise ValueError(
                f"{len(row)} columns, and 8 are wanted: id, four sentences, two ends, number of the right one"
            )
        name, *sentences = row[:5]
        label = _choice(row[7], ["1", "2"]) if len(row) == 8 else None
        return MultipleChoiceExample(name or default_id, "", [" ".join(sentences)] * 2, row[5:7], label)


def _csv_rows(path: Folder) -> Iterator[tuple[int, list[str]]]:
    """The (last line, row) of a file of comma-separated values. Raises ValueError where a quotation does not end."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from error


def _json_rows(path: Folder) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines_of(read_text(path)), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            row = ValueError(f"the line is no JSON: {error.msg}")
        yield number, row if isinstance(row, dict | ValueError) else ValueError("the line is no JSON object")


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name!r} is missing" if value is None else f"{name!r} must be a text, not {quoted(value)}")
    return value


def _choice(key: Any, labels: Sequence[str]) -> int:
    """The number of a choice by its letter; published answers may be numbers where choices have letters."""
    if key in labels:
        return labels.index(key)
    if key in [str(number) for number in range(1, len(labels) + 1)]:
        return int(key) - 1
    raise ValueError(f"the answer {quoted(key)} is none of {', '.join(labels)}")


def multiple_choice_convert_examples_to_features(
    examples: Sequence[MultipleChoiceExample],
    tokenizer: PreTrainedTokenizer,
    max_length: int = 128,
    *,
    workers: int = 1,
    cache_dir: Folder | None = None,
) -> list[MultipleChoiceFeatures]:
    """Each choice is a row: its context, then the question with the answer in the place of "_", or after it.

    Args:
        examples: questions, any number of choices each.
        tokenizer: any of tx that has a `pad_token`.
        max_length: tokens of a row, special tokens included. The longer of the two texts is cut first.
        workers: processes that share the tokenizing.
        cache_dir: a folder where the tokens are kept, and found again by the texts and the tokenizer.

    Raises:
        ValueError: a tokenizer without `pad_token`, an impossible length; as many contexts as answers are wanted.
    """
    pairs: list[tuple[str, str | None]] = []
    for example in examples:
        question = example.question
        if len(example.contexts) != len(example.endings) or not example.endings:
            raise ValueError(
                f"question {example.example_id} has {len(example.contexts)} contexts and {len(example.endings)} answers"
            )
        for context, ending in zip(example.contexts, example.endings, strict=True):
            pairs.append((context, question.replace("_", ending) if "_" in question else f"{question} {ending}"))
    rows = iter(encoded_pairs(tokenizer, pairs, max_length, workers, cache_dir))
    features = []
    for example in examples:
        ids, types = zip(*(next(rows) for _ in example.endings), strict=True)
        columns = tokenizer.pad({"input_ids": ids, "token_type_ids": types}, "max_length", max_length)
        ids, mask, types = (columns[name] for name in ("input_ids", "attention_mask", "token_type_ids"))
        features.append(MultipleChoiceFeatures(example.example_id, ids, mask, types, example.label))
    return features


#: The processor of each dataset.
multiple_choice_processors = {
    "swag": SwagProcessor,
    "arc": ArcProcessor,
    "race": RaceProcessor,
    "rocstories": RocStoriesProcessor,
}
