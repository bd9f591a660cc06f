"""How well predicted answers of SQuAD agree with the right ones, as the official evaluations count it.

Two answers agree exactly if they are the same without case, punctuation, articles and white space; their F1 is that of
their words. The best of the right answers counts. https://rajpurkar.github.io/SQuAD-explorer/ has the definitions.
"""

from __future__ import annotations

import logging
import re
import string
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .squad import SquadExample

logger = logging.getLogger(__name__)

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalize_answer(text: str) -> str:
    """The text in lower case, without ASCII's punctuation and the articles, with single spaces."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def compute_exact(a_gold: str, a_pred: str) -> int:
    """1 if the answers are the same, else 0."""
    return int(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold: str, a_pred: str) -> float:
    """The F1 of the words of two answers; where one has no words, 1 if neither has, else 0."""
    gold, pred = normalize_answer(a_gold).split(), normalize_answer(a_pred).split()
    if not gold or not pred:
        return float(gold == pred)
    return _f1(gold, pred)


def _f1(gold: Sequence[str], pred: Sequence[str]) -> float:
    same = sum((Counter(gold) & Counter(pred)).values())
    if not same:
        return 0.0
    precision, recall = same / len(pred), same / len(gold)
    return 2 * precision * recall / (precision + recall)


def squad_v1_evaluate(examples: Sequence[SquadExample], preds: Mapping[str, str]) -> dict[str, float]:
    """The scores of the official evaluation of version 1.1.

    Args:
        examples: of a development set, with all their answers.
        preds: the predicted answer by `qas_id`. A missing one counts as wrong, and is logged.

    Returns:
        `exact_match` and `f1` in percent.

    Raises:
        ValueError: there are no examples, or one has no answers.
    """
    exact = f1 = 0.0
    missing = []
    for example in examples:
        if not example.answers:
            raise ValueError(f"question {example.qas_id} has no answers, which version 1.1 needs: squad_evaluate")
        if example.qas_id not in preds:
            missing.append(example.qas_id)
            continue
        pred = preds[example.qas_id]
        golds = [answer["text"] for answer in example.answers]
        exact += max(compute_exact(gold, pred) for gold in golds)
        # Unlike 2.0, two answers without words have an F1 of 0 here.
        words = normalize_answer(pred).split()
        f1 += max(_f1(normalize_answer(gold).split(), words) for gold in golds)
    _tell(missing, len(examples))
    return {"exact_match": 100.0 * exact / len(examples), "f1": 100.0 * f1 / len(examples)}


def squad_evaluate(
    examples: Sequence[SquadExample],
    preds: Mapping[str, str],
    no_answer_probs: Mapping[str, float] | None = None,
    no_answer_probability_threshold: float = 1.0,
) -> dict[str, float]:
    """The scores of the official evaluation of version 2.0, which is good for 1.1 too.

    Args:
        examples: of a development set, with all their answers.
        preds: the predicted answer by `qas_id`, "" for none. A missing one counts as wrong, and is logged.
        no_answer_probs: how likely it is that there is no answer, or any number that grows with it, by `qas_id`.
        no_answer_probability_threshold: above it a question counts as having been given no answer.

    Returns:
        `exact` and `f1` in percent and `total`, the number of questions; the same of those with an answer (`HasAns_…`)
        and of those without (`NoAns_…`), if there are any; and `best_exact`, `best_f1`, the scores with the thresholds
        that serve them best, `best_exact_thresh` and `best_f1_thresh`.

    Raises:
        ValueError: there are no examples, or a prediction has no number in `no_answer_probs`.
    """
    has_answer = {example.qas_id: bool(example.answers) for example in examples}
    probs = dict.fromkeys(preds, 0.0) if no_answer_probs is None else no_answer_probs
    missing = [name for name in has_answer if name not in preds]
    _tell(missing, len(examples))
    unknown = [name for name in has_answer if name in preds and name not in probs]
    if unknown:
        raise ValueError(f"no_answer_probs lacks {len(unknown)} of the questions, such as {unknown[0]}")
    exact: dict[str, float] = {}
    f1: dict[str, float] = {}
    for example in examples:
        name = example.qas_id
        golds = [answer["text"] for answer in example.answers if normalize_answer(answer["text"])] or [""]
        known = name in preds
        exact[name] = max(compute_exact(gold, preds[name]) for gold in golds) if known else 0.0
        f1[name] = max(compute_f1(gold, preds[name]) for gold in golds) if known else 0.0
    threshold = no_answer_probability_threshold
    over = [name for name in has_answer if name in preds and probs[name] > threshold]
    counted = {name: float(not has_answer[name]) for name in over}
    scores = {"exact": {**exact, **counted}, "f1": {**f1, **counted}}
    found: dict[str, float] = _means(scores, list(has_answer))
    for prefix, wanted in (("HasAns", True), ("NoAns", False)):
        names = [name for name, has in has_answer.items() if has == wanted]
        if names:
            found.update({f"{prefix}_{key}": value for key, value in _means(scores, names).items()})
    for key, raw in (("exact", exact), ("f1", f1)):
        best, where = _best_threshold(preds, raw, probs, has_answer)
        found[f"best_{key}"], found[f"best_{key}_thresh"] = best, where
    return found


def _tell(missing: Sequence[str], count: int) -> None:
    if not count:
        raise ValueError("there are no examples to compare predictions with")
    if missing:
        logger.warning("%d of %d questions have no prediction, such as %s", len(missing), count, missing[0])


def _means(scores: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> dict[str, float]:
    total = len(names)
    means: dict[str, float] = {key: 100.0 * sum(of[name] for name in names) / total for key, of in scores.items()}
    return {**means, "total": total}


def _best_threshold(
    preds: Mapping[str, str], scores: Mapping[str, float], probs: Mapping[str, float], has_answer: Mapping[str, bool]
) -> tuple[float, float]:
    """The best mean score in percent that a threshold gives, and the lowest such threshold.

    One question after the other, from the least to the most likely to have no answer, is taken as answered.
    """
    best = current = float(sum(not has for has in has_answer.values()))
    threshold = 0.0
    for name in sorted((name for name in probs if name in has_answer and name in preds), key=lambda name: probs[name]):
        if has_answer[name]:
            current += scores[name]
        elif preds[name]:
            current -= 1
        if current > best:
            best, threshold = current, probs[name]
    return 100.0 * best / len(has_answer), threshold
