"""From what a model says of all windows of SQuAD to files of answers and the official scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .squad_metrics import squad_evaluate, squad_v1_evaluate
from .squad_predictions import SquadResult, compute_predictions_log_probs, compute_predictions_logits

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from tx_tokenizers import PreTrainedTokenizer

    from .squad import SquadExample
    from .squad_features import SquadFeatures


def squad_scores(
    examples: Sequence[SquadExample],
    features: Sequence[SquadFeatures],
    found: Sequence[Sequence[Any]],
    tokenizer: PreTrainedTokenizer,
    folder: str | os.PathLike[str],
    *,
    n_best_size: int = 20,
    max_answer_length: int = 30,
    version_2_with_negative: bool = False,
    null_score_diff_threshold: float = 0.0,
    verbose_logging: bool = False,
    n_top: tuple[int, int] | None = None,
) -> dict[str, float]:
    """Find the answers, write them down, and score them.

    The folder gets ``predictions_.json``, ``nbest_predictions_.json`` and, with version 2, ``null_odds_.json``.

    Args:
        examples: the questions, with their answers.
        features: their windows, in order.
        found: what the model says of each window: ``SquadResult.FIELDS``, or with a beam ``SquadResult.BEAM_FIELDS``.
        tokenizer: that made the windows.
        folder: made if need be.
        n_best_size, max_answer_length, version_2_with_negative, null_score_diff_threshold, verbose_logging: as of
            :func:`compute_predictions_logits`. Answers of a beam do not ask the threshold; their scores do.
        n_top: of a model with a beam its ``start_n_top`` and ``end_n_top``; None for one without.

    Returns:
        As :func:`squad_v1_evaluate` or, with version 2, :func:`squad_evaluate`.

    Raises:
        ValueError: if there is not one entry for each window.
    """
    if len(found) != len(features):
        raise ValueError(f"there are {len(features)} windows, but a model's outputs for {len(found)}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    nulls = folder / "null_odds_.json"
    common: dict[str, Any] = {
        "all_examples": examples,
        "all_features": features,
        "all_results": [SquadResult(window.unique_id, *row) for window, row in zip(features, found, strict=True)],
        "n_best_size": n_best_size,
        "max_answer_length": max_answer_length,
        "output_prediction_file": folder / "predictions_.json",
        "output_nbest_file": folder / "nbest_predictions_.json",
        "output_null_log_odds_file": nulls,
        "verbose_logging": verbose_logging,
        "version_2_with_negative": version_2_with_negative,
        "tokenizer": tokenizer,
    }
    if n_top is not None:
        answers = compute_predictions_log_probs(start_n_top=n_top[0], end_n_top=n_top[1], **common)
    else:
        # Any tokenizer can be told to put texts into lower case; some have an attribute for it.
        lower = bool(getattr(tokenizer, "do_lower_case", tokenizer.init_kwargs.get("do_lower_case", False)))
        answers = compute_predictions_logits(
            do_lower_case=lower, null_score_diff_threshold=null_score_diff_threshold, **common
        )
    if not version_2_with_negative:
        return dict(squad_v1_evaluate(examples, answers))
    odds = json.loads(nulls.read_text(encoding="utf-8"))
    return dict(squad_evaluate(examples, answers, odds, null_score_diff_threshold))
