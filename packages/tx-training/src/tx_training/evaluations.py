"""Several evaluations as one, whatever the framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation_tf import TFEvaluation
    from .evaluation_torch import Evaluation


class Evaluations:
    """Measures a model by several evaluations, as on the two development sets of MNLI.

        Evaluations(Evaluation(matched, metrics=…), Evaluation(mismatched, metrics=…))

    Args:
        first, others: of one framework. Of measures with the same name, such as the loss, that of the first counts.
    """

    def __init__(self, first: Evaluation | TFEvaluation, *others: Evaluation | TFEvaluation) -> None:
        self.parts = (first, *others)

    def __call__(self, *given: Any) -> dict[str, float]:
        """The measures by name, of what one of them is called with."""
        found: dict[str, float] = {}
        for each in self.parts:
            found = {**each(*given), **found}
        return found
