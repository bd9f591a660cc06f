"""SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250; 2018, https://arxiv.org/abs/1806.03822).

A question is asked of a paragraph, the context; its answer is a part of the context, in 2.0 perhaps none.
"""

from __future__ import annotations

import json
import logging
import os
import re
from functools import lru_cache

from tx_core.messages import quoted

from .processors import checked_on_error
from .text_files import read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, ClassVar

logger = logging.getLogger(__name__)

# What divides words: less than Python's white space, as in the published features.
_WORD = re.compile("[^ \t\r\n\u202f]+")


@lru_cache(maxsize=256)  # contexts come several times in a row, once with each of their questions
def _words(context: str) -> tuple[list[str], list[int]]:
    """The words of a context, and for each character the number of the last word that has begun there."""
    words: list[str] = []
    numbers: list[int] = []
    for match in _WORD.finditer(context):
        numbers += [len(words) - 1] * (match.start() - len(numbers))
        numbers += [len(words)] * (match.end() - match.start())
        words.append(match[0])
    numbers += [len(words) - 1] * (len(context) - len(numbers))
    return words, numbers


class SquadExample:
    """A question, its context, and its answer.

    Args:
        qas_id: what the question is told from others by.
        question_text: the question.
        context_text: the text that is asked.
        answer_text: the answer to train with; None for evaluation.
        start_position_character: the character of the context that it begins with; None for evaluation.
        title: that of the article.
        answers: the answers that count as right, `{"text", "answer_start"}` each, for evaluation.
        is_impossible: whether the context does not answer the question.

    Attributes:
        doc_tokens: the words of the context.
        char_to_word_offset: for each character of the context the number of its word, or of the last one before it.
        start_position, end_position: the numbers of the answer's first and last word; 0 without one.

    Raises:
        ValueError: the answer does not begin within the context.
    """

    def __init__(
        self,
        qas_id: str,
        question_text: str,
        context_text: str,
        answer_text: str | None,
        start_position_character: int | None,
        title: str,
        answers: Sequence[Mapping[str, Any]] = (),
        is_impossible: bool = False,
    ) -> None:
        self.qas_id = qas_id
        self.question_text = question_text
        self.context_text = context_text
        self.answer_text = answer_text
        self.title = title
        self.is_impossible = is_impossible
        self.answers = list(answers)
        self.doc_tokens, self.char_to_word_offset = _words(context_text)
        self.start_position = self.end_position = 0
        if start_position_character is not None and answer_text is not None and not is_impossible:
            length = len(context_text)
            if not 0 <= start_position_character < length:
                raise ValueError(
                    f"question {quoted(qas_id)}: the answer begins at character {start_position_character}, and the "
                    f"context has {length}"
                )
            end = min(start_position_character + len(answer_text), length) - 1
            self.start_position = max(self.char_to_word_offset[start_position_character], 0)
            self.end_position = max(self.char_to_word_offset[max(end, 0)], self.start_position)

    def __repr__(self) -> str:
        return f"SquadExample({self.qas_id!r}, {quoted(self.question_text)}, is_impossible={self.is_impossible})"

    @property
    def answer_is_in_context(self) -> bool:
        """Whether the words from the first to the last one hold the answer, white space aside; True without one."""
        if self.answer_text is None or self.is_impossible:
            return True
        answer = " ".join(self.answer_text.split())
        return answer in " ".join(self.doc_tokens[self.start_position : self.end_position + 1])


class SquadProcessor:
    """Reads SQuAD's files. Use `SquadV1Processor` or `SquadV2Processor`, which know their names.

    Args:
        on_error: what becomes of malformed questions. "raise" raises a ValueError that says where it is in the file;
            "skip" leaves them out, logs how many they are, and lists them in `skipped`.

    Attributes:
        skipped: what was wrong with each question that the last reading left out.
    """

    train_file: ClassVar[str]
    dev_file: ClassVar[str]

    def __init__(self, on_error: str = "raise") -> None:
        self.on_error = checked_on_error(on_error)
        self.skipped: list[str] = []

    def get_train_examples(self, data_dir: str | os.PathLike[str] | None, filename: str | None = None) -> list[Any]:
        """The examples of a training set, each with its first answer.

        Args:
            data_dir: the folder; None is the current one.
            filename: the file, if it has not the published name.

        Raises:
            ValueError: the file is no JSON or no SQuAD, or an answer is not where it should be; see `on_error`.
            FileNotFoundError: there is no such file.
        """
        return self._examples(data_dir, filename or self.train_file, training=True)

    def get_dev_examples(self, data_dir: str | os.PathLike[str] | None, filename: str | None = None) -> list[Any]:
        """The examples of a development set, each with all its answers in `answers`; as `get_train_examples`."""
        return self._examples(data_dir, filename or self.dev_file, training=False)

    def get_examples_from_dataset(self, dataset: Mapping[str, Any], evaluate: bool = False) -> list[SquadExample]:
        """The examples of what `tensorflow_datasets.load("squad")` gives.

        Args:
            dataset: the parts of the dataset, "train" and "validation".
            evaluate: read "validation", with all answers, and not "train", with the first one.
        """
        examples = []
        for row in dataset["validation" if evaluate else "train"]:
            texts, starts = (row["answers"][name].numpy() for name in ("text", "answer_start"))
            found = [(bytes(text).decode("utf-8"), int(start)) for text, start in zip(texts, starts, strict=True)]
            answer, start = (None, None) if evaluate or not found else found[0]
            answers = [{"text": text, "answer_start": start} for text, start in found] if evaluate else []
            qas_id, question, context, title = (
                bytes(row[name].numpy()).decode("utf-8") for name in ("id", "question", "context", "title")
            )
            examples.append(SquadExample(qas_id, question, context, answer, start, title, answers, not found))
        return examples

    def _examples(self, data_dir: str | os.PathLike[str] | None, name: str, training: bool) -> list[SquadExample]:
        path = os.path.join(data_dir or "", name)
        text = read_text(path)
        try:
            articles = _field(json.loads(text), "data", list, "the file")
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {error.lineno}: the file is no JSON: {error.msg}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}; is it a file of SQuAD?") from error
        self.skipped = []
        examples = []
        count = 0
        for number, article in enumerate(articles):
            for place, context, qa, title in _questions(article, f"data[{number}]", path):
                count += 1
                try:
                    examples.append(_example(qa, context, title, training))
                except ValueError as error:
                    message = f"{path}, {place}: {error}"
                    if self.on_error == "raise":
                        advice = 'correct it, or leave such questions out with on_error="skip"'
                        raise ValueError(f"{message}; {advice}") from error
                    self.skipped.append(message)
        if self.skipped:
            logger.warning("%d of %d questions left out, first %s", len(self.skipped), count, self.skipped[0])
        return examples


class SquadV1Processor(SquadProcessor):
    """Reads version 1.1, in which every question has an answer."""

    train_file = "train-v1.1.json"
    dev_file = "dev-v1.1.json"


class SquadV2Processor(SquadProcessor):
    """Reads version 2.0, in which a third of the questions (in the development set half) have no answer."""

    train_file = "train-v2.0.json"
    dev_file = "dev-v2.0.json"


def _field(of: Any, name: str, kind: type, where: str) -> Any:
    """A field of a JSON object; ValueError if it is missing or of another kind."""
    if not isinstance(of, dict) or name not in of:
        raise ValueError(f"{where} has no {name!r}")
    if not isinstance(of[name], kind) or (kind is int and isinstance(of[name], bool)):
        wanted = {str: "a text", list: "a list", int: "a whole number"}[kind]
        raise ValueError(f"{name!r} of {where} must be {wanted}, not {quoted(of[name])}")
    return of[name]


def _questions(article: Any, where: str, path: str) -> list[tuple[str, str, Any, str]]:
    """The (place in the file, context, question, title) of each question of an article."""
    found = []
    try:
        for number, paragraph in enumerate(_field(article, "paragraphs", list, where)):
            place = f"{where}.paragraphs[{number}]"
            context = _field(paragraph, "context", str, place)
            questions = _field(paragraph, "qas", list, place)
            found += [
                (f"{place}.qas[{index}]", context, qa, str(article.get("title", "")))
                for index, qa in enumerate(questions)
            ]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return found


def _example(qa: Any, context: str, title: str, training: bool) -> SquadExample:
    """The example of a question of the file. Raises ValueError with what is wrong."""
    qas_id, question = _field(qa, "id", str, "the question"), _field(qa, "question", str, "the question")
    impossible = bool(qa.get("is_impossible", False))
    answers = [] if impossible else qa.get("answers", [])
    if not isinstance(answers, list):
        raise ValueError(f"'answers' must be a list, not {quoted(answers)}")
    for answer in answers:
        _field(answer, "text", str, "an answer")
        _field(answer, "answer_start", int, "an answer")
    if not training:
        return SquadExample(qas_id, question, context, None, None, title, answers, impossible)
    if impossible:
        return SquadExample(qas_id, question, context, None, None, title, is_impossible=True)
    if not answers:
        raise ValueError(f"the question {quoted(qas_id)} has no answer, and is not marked as impossible")
    text, start = answers[0]["text"], answers[0]["answer_start"]
    example = SquadExample(qas_id, question, context, text, start, title)
    if not example.answer_is_in_context:
        found = context[start : start + len(text)]
        raise ValueError(
            f"the answer {quoted(text)} of {quoted(qas_id)} is not at character {start} of its context; there stands "
            f"{quoted(found)}"
        )
    return example
