"""From what a model says of each window of SQuAD to the answers of the questions."""

from __future__ import annotations

import json
import logging
import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from tx_core.messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from tx_tokenizers import BasicTokenizer, PreTrainedTokenizer

    from .squad import SquadExample
    from .squad_features import SquadFeatures

    File = str | os.PathLike[str] | None

logger = logging.getLogger(__name__)

# What stands for an answer where no window has one that is possible.
_NO_ANSWER = "empty"
# The score of there being no answer to a question without windows.
_HUGE = 1000000.0


class SquadResult:
    """What a model says of one window.

    Args:
        unique_id: that of the window.
        start_logits, end_logits: the scores of its tokens as the first and last of the answer, (S,) each: lists,
            arrays or tensors on the CPU. Of a model with a beam its `start_top_log_probs` and `end_top_log_probs`.
        start_top_index, end_top_index: of a model with a beam, the positions of these.
        cls_logits: of a model with a beam, the score of there being no answer.

    Attributes:
        FIELDS, BEAM_FIELDS: what of a model's output makes a result, in the order of its arguments: of a model that
            scores all tokens, and of one with a beam.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("start_logits", "end_logits")
    BEAM_FIELDS: ClassVar[tuple[str, ...]] = (
        "start_top_log_probs", "end_top_log_probs", "start_top_index", "end_top_index", "cls_logits"
    )  # fmt: skip

    def __init__(
        self,
        unique_id: int,
        start_logits: Any,
        end_logits: Any,
        start_top_index: Any = None,
        end_top_index: Any = None,
        cls_logits: Any = None,
    ) -> None:
        self.unique_id = unique_id
        self.start_logits = start_logits
        self.end_logits = end_logits
        self.start_top_index = start_top_index
        self.end_top_index = end_top_index
        self.cls_logits = cls_logits


@dataclass(frozen=True)
class _Span:
    """A possible answer: tokens of a window. None of them (`window` None) is that there is no answer."""

    window: Any
    start: int
    end: int
    start_score: float
    end_score: float

    @property
    def score(self) -> float:
        return self.start_score + self.end_score


def compute_predictions_logits(
    all_examples: Sequence[SquadExample],
    all_features: Sequence[SquadFeatures],
    all_results: Sequence[SquadResult],
    n_best_size: int,
    max_answer_length: int,
    do_lower_case: bool,
    output_prediction_file: File,
    output_nbest_file: File,
    output_null_log_odds_file: File,
    verbose_logging: bool,
    version_2_with_negative: bool,
    null_score_diff_threshold: float,
    tokenizer: PreTrainedTokenizer,
) -> dict[str, str]:
    """The answers of a model that scores every token as the first and the last one.

    Args:
        all_examples, all_features: the questions and all their windows.
        all_results: what the model says of each window.
        n_best_size: how many first and last tokens of a window, and answers of a question, are considered.
        max_answer_length: tokens of an answer.
        do_lower_case: whether the tokenizer puts texts into lower case.
        output_prediction_file, output_nbest_file, output_null_log_odds_file: JSON files to write: the answers by
            `qas_id`; the best of each question with probabilities and logits; and, in version 2.0, by how much the
            score of there being no answer exceeds that of the best answer. None writes none.
        verbose_logging: log where the answer is not found letter by letter in the context.
        version_2_with_negative: there may be no answer.
        null_score_diff_threshold: an answer is "" where the score of there being none exceeds that of the best answer
            by more.
        tokenizer: the one that made the windows.

    Returns:
        The answers by `qas_id`, in the order of the examples.

    Raises:
        ValueError: a window has no result, or its result has another length.
    """
    tables = _Tables(all_examples, all_features, all_results)
    predictions: dict[str, str] = {}
    best_of: dict[str, Any] = {}
    differences: dict[str, float] = {}
    nothing = _Span(None, 0, 0, 0.0, 0.0)
    for example, windows in tables:
        spans: list[_Span] = []
        null = _Span(None, 0, 0, _HUGE, 0.0)
        for window in windows:
            starts, ends = _scores(tables.result(window), window)
            if version_2_with_negative:
                scores = float(starts[window.cls_index]), float(ends[window.cls_index])
                null = min(null, _Span(None, 0, 0, *scores), key=lambda span: span.score)
            spans += _possible(window, starts, ends, n_best_size, max_answer_length)
        none = null if windows else nothing
        if version_2_with_negative:
            spans.append(none)
        spans.sort(key=lambda span: -span.score)
        best = _texts(example, spans, n_best_size, do_lower_case, verbose_logging, tokenizer)
        if version_2_with_negative:
            if all(text for text, _ in best):
                best.append(("", none))
            if len(best) == 1:
                best.insert(0, (_NO_ANSWER, nothing))
        if not best:
            best.append((_NO_ANSWER, nothing))
        best_of[example.qas_id] = _listed(best, "logit")
        if not version_2_with_negative:
            predictions[example.qas_id] = best[0][0]
            continue
        text, span = next((each for each in best if each[0]), best[0])
        difference = null.score - span.start_score - span.end_score
        differences[example.qas_id] = difference
        predictions[example.qas_id] = "" if difference > null_score_diff_threshold else text
    _write(output_prediction_file, predictions)
    _write(output_nbest_file, best_of)
    if version_2_with_negative:
        _write(output_null_log_odds_file, differences)
    return predictions


def compute_predictions_log_probs(
    all_examples: Sequence[SquadExample],
    all_features: Sequence[SquadFeatures],
    all_results: Sequence[SquadResult],
    n_best_size: int,
    max_answer_length: int,
    output_prediction_file: File,
    output_nbest_file: File,
    output_null_log_odds_file: File,
    start_n_top: int,
    end_n_top: int,
    version_2_with_negative: bool,
    tokenizer: PreTrainedTokenizer,
    verbose_logging: bool,
) -> dict[str, str]:
    """The answers of a model with a beam, as `XLNetForQuestionAnswering` and `XLMForQuestionAnswering`.

    Every question is given an answer: whether there is one is told by the numbers in `output_null_log_odds_file`, as
    `no_answer_probs` of `squad_evaluate`, which finds the best threshold.

    Args:
        start_n_top, end_n_top: as in the model's configuration. The j-th end for the i-th start stands at
            j·start_n_top + i, as the models give them.
        version_2_with_negative: write `output_null_log_odds_file`: the least `cls_logits` of a question's windows.
        others: as in `compute_predictions_logits`.

    Returns:
        The answers by `qas_id`, in the order of the examples.

    Raises:
        ValueError: a window has no result, or its result has another length.
    """
    lower = getattr(tokenizer, "do_lower_case", None)
    if lower is None:
        lower = getattr(tokenizer, "do_lowercase_and_remove_accent", False)
    tables = _Tables(all_examples, all_features, all_results)
    predictions: dict[str, str] = {}
    best_of: dict[str, Any] = {}
    nulls: dict[str, float] = {}
    for example, windows in tables:
        spans: list[_Span] = []
        null = _HUGE
        for window in windows:
            result = tables.result(window)
            null = min(null, float(result.cls_logits))
            spans += _beam(window, result, start_n_top, end_n_top, max_answer_length)
        spans.sort(key=lambda span: -span.score)
        best = _texts(example, spans, n_best_size, bool(lower), verbose_logging, tokenizer)
        if not best:
            best.append(("", _Span(None, 0, 0, -1e6, -1e6)))
        best_of[example.qas_id] = _listed(best, "log_prob")
        nulls[example.qas_id] = null
        predictions[example.qas_id] = best[0][0]
    _write(output_prediction_file, predictions)
    _write(output_nbest_file, best_of)
    if version_2_with_negative:
        _write(output_null_log_odds_file, nulls)
    return predictions


class _Tables:
    """Iterates over the examples, each with its windows; finds the result of a window."""

    def __init__(
        self,
        examples: Sequence[SquadExample],
        features: Sequence[SquadFeatures],
        results: Sequence[SquadResult],
    ) -> None:
        self._examples = examples
        self._windows: dict[int, list[SquadFeatures]] = {}
        for feature in features:
            self._windows.setdefault(feature.example_index, []).append(feature)
        self._results = {result.unique_id: result for result in results}

    def __iter__(self) -> Iterator[tuple[SquadExample, list[SquadFeatures]]]:
        for index, example in enumerate(self._examples):
            windows = self._windows.get(index, [])
            if any(window.qas_id not in (None, example.qas_id) for window in windows):
                raise ValueError(
                    f"example {index} is question {quoted(example.qas_id)}, and the windows of this number are of "
                    f"{quoted(windows[0].qas_id)}: give the examples that they were made of, in their order"
                )
            yield example, windows

    def result(self, window: SquadFeatures) -> SquadResult:
        if window.unique_id not in self._results:
            raise ValueError(
                f"there is no result for window {window.unique_id} of question {quoted(window.qas_id)}: run the model "
                "on all windows"
            )
        return self._results[window.unique_id]


def _scores(result: SquadResult, window: SquadFeatures) -> tuple[Any, Any]:
    """The scores of a window's tokens as first and last ones, float64."""
    import numpy as np

    starts, ends = np.asarray(result.start_logits, np.float64), np.asarray(result.end_logits, np.float64)
    length = len(window.tokens)
    if starts.ndim != 1 or starts.shape != ends.shape or len(starts) < length:
        raise ValueError(
            f"the result of window {window.unique_id} has scores of the shapes {starts.shape} and {ends.shape}, and "
            f"the window {length} tokens"
        )
    return starts, ends


def _possible(
    window: SquadFeatures, starts: Any, ends: Any, n_best_size: int, max_answer_length: int
) -> Iterator[_Span]:
    """The answers within a window that its best first and last tokens make."""
    best_ends = _best(ends, n_best_size)
    for start in _best(starts, n_best_size):
        if not window.token_is_max_context.get(start, False):
            continue
        for end in best_ends:
            if end in window.token_to_orig_map and start <= end < start + max_answer_length:
                yield _Span(window, start, end, float(starts[start]), float(ends[end]))


def _best(scores: Any, count: int) -> list[int]:
    """The positions of the best scores, best first; of equals the first."""
    import numpy as np

    return [int(place) for place in np.argsort(-scores, kind="stable")[:count]]


def _beam(
    window: SquadFeatures, result: SquadResult, start_n_top: int, end_n_top: int, max_answer_length: int
) -> Iterator[_Span]:
    """The answers within a window that a beam has."""
    sizes = [len(each) for each in (result.start_logits, result.start_top_index, result.end_logits)]
    if sizes != [start_n_top, start_n_top, start_n_top * end_n_top]:
        raise ValueError(
            f"the result of window {window.unique_id} has {sizes[0]} starts and {sizes[2]} ends, and {start_n_top} and "
            f"{start_n_top}·{end_n_top} are wanted: start_n_top and end_n_top are those of the model's configuration"
        )
    for i in range(start_n_top):
        start = int(result.start_top_index[i])
        if not window.token_is_max_context.get(start, False):
            continue
        for place in range(i, start_n_top * end_n_top, start_n_top):
            end = int(result.end_top_index[place])
            if end in window.token_to_orig_map and start <= end < start + max_answer_length:
                yield _Span(window, start, end, float(result.start_logits[i]), float(result.end_logits[place]))


def _texts(
    example: SquadExample,
    spans: Sequence[_Span],
    count: int,
    do_lower_case: bool,
    verbose: bool,
    tokenizer: PreTrainedTokenizer,
) -> list[tuple[str, _Span]]:
    """The first so many answers that read differently, with their spans; "" for that there is none."""
    seen: dict[str, None] = {}
    found: list[tuple[str, _Span]] = []
    for span in spans:
        if len(found) >= count:
            break
        text = ""
        if span.window is not None:
            window = span.window
            tokens = window.tokens[span.start : span.end + 1]
            words = window.token_to_orig_map[span.start], window.token_to_orig_map[span.end] + 1
            read = " ".join(tokenizer.convert_tokens_to_string(tokens).split())
            text = get_final_text(read, " ".join(example.doc_tokens[slice(*words)]), do_lower_case, verbose)
            if text in seen:
                continue
        seen[text] = None
        found.append((text, span))
    return found


def _listed(best: Sequence[tuple[str, _Span]], name: str) -> list[dict[str, Any]]:
    """The answers as the file of the best ones has them."""
    highest = max(span.score for _, span in best)
    weights = [math.exp(span.score - highest) for _, span in best]
    total = sum(weights)
    return [
        {
            "text": text,
            "probability": weight / total,
            f"start_{name}": span.start_score,
            f"end_{name}": span.end_score,
        }
        for (text, span), weight in zip(best, weights, strict=True)
    ]


def _write(path: File, values: Mapping[str, Any]) -> None:
    if path:
        from tx_core.files import atomic_write

        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(values, indent=4) + "\n", encoding="utf-8")


def get_final_text(pred_text: str, orig_text: str, do_lower_case: bool, verbose_logging: bool = False) -> str:
    """The part of a text that reads as tokens of it do.

    Words of the context may have more than the answer, as "Smith's" for "smith". The text is divided at its punctuation
    and, if the tokenizer does so, put into lower case; where that has as many characters as before, white space aside,
    the characters of `pred_text` in it are those of the answer.

    Args:
        pred_text: tokens, joined.
        orig_text: the words of the context that they are of.
        do_lower_case: whether the tokenizer puts texts into lower case.
        verbose_logging: log where that fails.

    Returns:
        The part; the whole `orig_text` where it is not found.
    """
    divided, places = _divided(orig_text, do_lower_case)
    start = divided.find(pred_text)
    if start < 0 or not pred_text:
        return _failed("%r is not found in %r", pred_text, orig_text, verbose_logging)
    originals = _without_spaces(orig_text)
    if len(places) != len(originals):
        return _failed("%r has another number of characters than %r", divided, orig_text, verbose_logging)
    end = start + len(pred_text) - 1
    if divided[start] == " " or divided[end] == " ":
        return _failed("%r begins or ends with a space in %r", pred_text, orig_text, verbose_logging)
    return orig_text[originals[bisect_left(places, start)] : originals[bisect_left(places, end)] + 1]


def _failed(message: str, found: str, text: str, verbose: bool) -> str:
    if verbose:
        logger.info(message, found, text)
    return text


def _without_spaces(text: str) -> list[int]:
    """The places of the characters that are no spaces."""
    return [place for place, character in enumerate(text) if character != " "]


@lru_cache(maxsize=2)
def _basic(do_lower_case: bool) -> BasicTokenizer:
    from tx_tokenizers import BasicTokenizer

    return BasicTokenizer(do_lower_case=do_lower_case)


@lru_cache(maxsize=1024)  # the best answers of a question are often of the same words
def _divided(text: str, do_lower_case: bool) -> tuple[str, list[int]]:
    divided = " ".join(_basic(do_lower_case).tokenize(text))
    return divided, _without_spaces(divided)
