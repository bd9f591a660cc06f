"""The metrics of GLUE, against values worked out by hand."""

from __future__ import annotations

import math
import re
import sys

import numpy as np
import pytest

from tx_data import (
    acc_and_f1,
    accuracy_scores,
    glue_compute_metrics,
    glue_main_metrics,
    glue_processors,
    glue_scores,
    is_sklearn_available,
    pearson_and_spearman,
    simple_accuracy,
)

needs_sklearn = pytest.mark.skipif(not is_sklearn_available(), reason="the extra tx-data[metrics] is not installed")

PREDS = np.array([1, 1, 0, 0, 1])  # two true positives, one false one, one false negative, one true negative
LABELS = np.array([1, 1, 1, 0, 0])
MCC = (2 * 1 - 1 * 1) / math.sqrt(3 * 3 * 2 * 2)


def test_accuracy_needs_nothing() -> None:
    assert simple_accuracy(PREDS, LABELS) == simple_accuracy([*PREDS], [*LABELS]) == 3 / 5


@needs_sklearn
def test_accuracy_and_f1() -> None:
    found = acc_and_f1(PREDS, LABELS)
    assert [*found] == ["acc", "f1", "acc_and_f1"]
    assert [*found.values()] == pytest.approx([3 / 5, 2 / 3, (3 / 5 + 2 / 3) / 2], abs=1e-15)


@needs_sklearn
def test_correlations() -> None:
    # x = 1, 2, 3 and y = 1, 4, 9: covariance 8 of deviations whose squares sum to 2 and 98 / 3; the ranks are equal.
    found = pearson_and_spearman([1.0, 2.0, 3.0], [1.0, 4.0, 9.0])
    pearson = 8 / math.sqrt(2 * 98 / 3)
    assert [*found] == ["pearson", "spearmanr", "corr"]
    assert [*found.values()] == pytest.approx([pearson, 1, (pearson + 1) / 2], abs=1e-12)


@needs_sklearn
def test_each_task_has_its_metrics() -> None:
    scores = {task: glue_compute_metrics(task, PREDS, LABELS) for task in glue_processors}
    assert scores["cola"] == scores["ax"] == {"mcc": pytest.approx(MCC, abs=1e-15)}
    assert scores["mrpc"] == scores["qqp"] == acc_and_f1(PREDS, LABELS)
    assert scores["sts-b"] == pearson_and_spearman(PREDS, LABELS)
    assert scores["mnli"] == {"mnli/acc": 3 / 5}
    assert scores["mnli-mm"] == {"mnli-mm/acc": 3 / 5}
    assert all(scores[task] == {"acc": 3 / 5} for task in ("sst-2", "qnli", "rte", "wnli"))
    assert glue_compute_metrics("sst2", PREDS, LABELS) == {"acc": 3 / 5}
    with pytest.raises(KeyError, match=r"no task 'snli'"):
        glue_compute_metrics("snli", PREDS, LABELS)


@pytest.mark.parametrize("preds", [[1, 0], [[1.0, 2.0]] * 5, 3])
def test_shapes_must_agree(preds: object) -> None:
    with pytest.raises(ValueError, match=r"must be rows of one length, not of the shapes .* and "):
        simple_accuracy(preds, LABELS)


def test_nothing_has_no_accuracy() -> None:
    with pytest.raises(ValueError, match=r"no predictions"):
        simple_accuracy([], [])


@pytest.mark.parametrize("missing", ["sklearn", "scipy"])
def test_what_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert not is_sklearn_available()
    for call in (lambda: acc_and_f1(PREDS, LABELS), lambda: glue_compute_metrics("rte", PREDS, LABELS)):
        with pytest.raises(ImportError, match=r"pip install 'tx-data\[metrics\]'"):
            call()


def test_accuracy_of_logits() -> None:
    logits = [np.array([0.1, 0.9]), np.array([2.0, 1.0]), np.array([-3.0, -2.0])]
    assert (
        accuracy_scores(logits, [1, 1, 1]) == accuracy_scores(np.stack(logits), np.array([1, 1, 1])) == {"acc": 2 / 3}
    )
    with pytest.raises(ValueError, match="there are no logits"):
        accuracy_scores([], [])
    with pytest.raises(ValueError, match=re.escape("logits of the shape (rows, classes) are wanted, not (2,)")):
        accuracy_scores([1, 0], [1, 0])


@needs_sklearn
def test_scores_of_logits_are_the_metrics_of_what_they_predict() -> None:
    logits = [[1.0, 2.0] if each else [2.0, 1.0] for each in PREDS]
    for task in ("mrpc", "CoLA", "sst2", "mnli-mm"):
        assert glue_scores(task, logits, LABELS) == glue_compute_metrics(task, PREDS, LABELS)
    values = [1.0, 4.0, 9.0]
    assert glue_scores("sts-b", [[each] for each in values], [1, 2, 3]) == pearson_and_spearman(values, [1, 2, 3])
    with pytest.raises(KeyError, match="there is no task 'xnli'"):
        glue_scores("xnli", logits, LABELS)


@needs_sklearn
@pytest.mark.parametrize("task", [*glue_processors])
def test_the_metric_that_counts_is_one_of_the_task(task: str) -> None:
    assert glue_main_metrics[task] in glue_compute_metrics(task, PREDS, LABELS)
    assert glue_main_metrics["QQP"] == "acc_and_f1"
