"""Labels of the heads, in words that both frameworks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# Labels that count for nothing: PyTorch's, and that of 2019 for tokens and pairs of sentences.
IGNORED = (-100, -1)
# Of whole sequences and choices, only PyTorch's.
IGNORED_CLASS = (-100,)

MULTI_LABEL, REGRESSION, SINGLE_LABEL = "multi_label_classification", "regression", "single_label_classification"


def problem_type(config: Any) -> str:
    """What a sequence classifier is trained for: ``config.problem_type``; by default regression if it has one label."""
    return str(config.problem_type or (REGRESSION if config.num_labels == 1 else SINGLE_LABEL))


def wrong_shape(name: str, wanted: Sequence[Any], found: Sequence[Any]) -> str:
    """What is said of labels whose shape is not that of the predictions."""
    return f"{name} must have shape {tuple(wanted)} to fit the logits, not {tuple(found)}"


def no_choices() -> str:
    """What is said of labels of choices where there are none."""
    return "mc_labels need choices: input_ids (or inputs_embeds) must have an axis of them, (batch, choices, sequence)"


def no_indices(name: str, dtype: Any) -> str:
    """What is said of labels that are no integers."""
    return f"{name} must be integers, the indices of classes, not {dtype}"


def no_classes(batch: int | None, labels: int, found: str) -> str:
    """What is said of labels that are not one class a sequence."""
    return (
        f"labels must be integers, the indices of classes, of shape ({batch},) for {labels} labels, not {found}. "
        f"For labels that are each true or false (batch, {labels}) build the model with "
        f"problem_type={MULTI_LABEL!r} in its configuration, for numbers with problem_type={REGRESSION!r}"
    )


def no_numbers(kind: str, wanted: Sequence[Any], found: Sequence[Any]) -> str:
    """What is said of labels that are not a number for each score, as the problem type wants them."""
    count = "" if None in wanted else f"{math.prod(wanted)} "
    return (
        f"labels must hold {count}numbers of shape {tuple(wanted)}, as problem_type={kind!r} has them, "
        f"not {tuple(found)}"
    )
