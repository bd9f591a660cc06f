"""Windows of SQuAD as a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from .squad_features import SquadFeatures


def dataset_of(features: Sequence[SquadFeatures], token_types: bool) -> Any:
    """A `tf.data.Dataset` of (inputs, positions), one element for each window.

    Inputs are `input_ids`, `attention_mask`, `token_type_ids` if `token_types`, all int32, and what they are told by,
    `feature_index` (int64) and `qas_id`: take those two out before a model is called. Positions are `start_positions`,
    `end_positions`, `cls_index` (int64), `p_mask` and `is_impossible` (int32).
    """

    def column(name: str, dtype: Any) -> Any:
        return np.asarray([getattr(each, name) for each in features], dtype=dtype)

    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * token_types
    inputs: dict[str, Any] = {name: column(name, np.int32) for name in names}
    inputs["feature_index"] = np.arange(len(features))
    inputs["qas_id"] = np.asarray([each.qas_id or "" for each in features])
    positions = {
        "start_positions": column("start_position", np.int64),
        "end_positions": column("end_position", np.int64),
        "cls_index": column("cls_index", np.int64),
        "p_mask": column("p_mask", np.int32),
        "is_impossible": column("is_impossible", np.int32),
    }
    return tf.data.Dataset.from_tensor_slices((inputs, positions))
