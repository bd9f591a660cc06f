"""The metrics of GLUE, through scikit-learn and SciPy: pip install 'tx-data[metrics]'; accuracy needs neither."""

from __future__ import annotations

from tx_core.messages import quoted

from .glue import glue_output_modes, glue_processors, task_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def is_sklearn_available() -> bool:
    """Whether scikit-learn and SciPy are installed (looked up, not imported)."""
    from importlib.util import find_spec

    try:
        return all(find_spec(module) is not None for module in ("sklearn", "scipy"))
    except (ModuleNotFoundError, ValueError):  # what forbids the module, or has put something else in its place
        return False


def _require(name: str) -> None:
    if not is_sklearn_available():
        raise ImportError(f"{name} needs scikit-learn and SciPy: pip install 'tx-data[metrics]'", name="sklearn")


def _checked(preds: Any, labels: Any) -> tuple[Any, Any]:
    """Both as arrays of one axis and one length."""
    import numpy as np

    preds, labels = np.asarray(preds), np.asarray(labels)
    if preds.shape != labels.shape or preds.ndim != 1:
        raise ValueError(
            f"predictions and labels must be rows of one length, not of the shapes {preds.shape} and {labels.shape}; "
            "of logits take the argmax first, of a regression the only column"
        )
    if not len(preds):
        raise ValueError("there are no predictions to compare with labels")
    return preds, labels


def _stacked(logits: Sequence[Any]) -> Any:
    """Logits as one array (rows, classes)."""
    import numpy as np

    found = np.asarray([np.asarray(row) for row in logits])
    if not len(found):
        raise ValueError("there are no logits to compare with labels")
    if found.ndim != 2:
        raise ValueError(f"logits of the shape (rows, classes) are wanted, not {found.shape}")
    return found


def simple_accuracy(preds: Any, labels: Any) -> float:
    """The share of predictions that are equal to the labels, from 0 to 1.

    Args:
        preds, labels: numbers of classes, arrays of one axis and as long.

    Raises ValueError if their shapes differ, or they are empty.
    """
    preds, labels = _checked(preds, labels)
    return float((preds == labels).mean())


def acc_and_f1(preds: Any, labels: Any) -> dict[str, float]:
    """The accuracy `acc`, the F1 of class 1 `f1`, and their mean `acc_and_f1`; as `simple_accuracy`.

    Raises ImportError if scikit-learn or SciPy is not installed.
    """
    _require("acc_and_f1")
    from sklearn.metrics import f1_score

    preds, labels = _checked(preds, labels)
    acc, f1 = simple_accuracy(preds, labels), float(f1_score(y_true=labels, y_pred=preds))
    return {"acc": acc, "f1": f1, "acc_and_f1": (acc + f1) / 2}


def pearson_and_spearman(preds: Any, labels: Any) -> dict[str, float]:
    """The correlations `pearson` and `spearmanr`, and their mean `corr`.

    Args:
        preds, labels: values, arrays of one axis and as long. A correlation with a constant is not a number.

    Raises:
        ImportError: scikit-learn or SciPy is not installed.
        ValueError: the shapes differ.
    """
    _require("pearson_and_spearman")
    from scipy.stats import pearsonr, spearmanr

    preds, labels = _checked(preds, labels)
    pearson, spearman = float(pearsonr(preds, labels)[0]), float(spearmanr(preds, labels)[0])
    return {"pearson": pearson, "spearmanr": spearman, "corr": (pearson + spearman) / 2}


def _matthews(preds: Any, labels: Any) -> dict[str, float]:
    from sklearn.metrics import matthews_corrcoef

    return {"mcc": float(matthews_corrcoef(*reversed(_checked(preds, labels))))}


def glue_compute_metrics(task_name: str, preds: Any, labels: Any) -> dict[str, float]:
    """The metrics that GLUE has for a task.

    Args:
        task_name: a task of `glue_processors`.
        preds, labels: numbers of classes, or values in a regression; arrays of one axis and as long.

    Returns:
        `mcc` (Matthews' correlation) for CoLA and the diagnostic set; `acc`, `f1` and `acc_and_f1` for MRPC and QQP;
        `pearson`, `spearmanr` and `corr` for STS-B; `mnli/acc` or `mnli-mm/acc` for MNLI; `acc` for the others.

    Raises:
        KeyError: there is no such task.
        ImportError: scikit-learn or SciPy is not installed.
        ValueError: the shapes differ.
    """
    _require("glue_compute_metrics")
    task = task_key(task_name, glue_processors)
    if task is None:
        raise KeyError(f"there is no task {quoted(task_name)} but {', '.join(glue_processors)}")
    if task in ("cola", "ax"):
        return _matthews(preds, labels)
    if task in ("mrpc", "qqp"):
        return acc_and_f1(preds, labels)
    if task == "sts-b":
        return pearson_and_spearman(preds, labels)
    key = f"{task}/acc" if task in ("mnli", "mnli-mm") else "acc"
    return {key: simple_accuracy(preds, labels)}


def glue_scores(task_name: str, logits: Sequence[Any], labels: Any) -> dict[str, float]:
    """The metrics that GLUE has for a task, of what a model's head gives.

    Args:
        task_name: a task of `glue_processors`.
        logits: a row (classes,) each, arrays or tensors on the CPU; of a regression (1,).
        labels: (rows,), numbers of classes, or values in a regression.

    Returns:
        As `glue_compute_metrics`; `glue_main_metrics` names the one that counts.

    Raises:
        KeyError: there is no such task.
        ImportError: scikit-learn or SciPy is not installed.
        ValueError: the shapes differ, or there are no rows.
    """
    found = _stacked(logits)
    regression = glue_output_modes[task_name] == "regression"
    return glue_compute_metrics(task_name, found[:, 0] if regression else found.argmax(-1), labels)


def accuracy_scores(logits: Sequence[Any], labels: Any) -> dict[str, float]:
    """`{"acc": …}`, the share of rows whose right class, or choice, has the greatest logit.

    Args:
        logits: a row (classes,) each, arrays or tensors on the CPU.
        labels: (rows,), numbers of classes.

    Raises ValueError if the shapes differ, or there are no rows.
    """
    return {"acc": simple_accuracy(_stacked(logits).argmax(-1), labels)}
