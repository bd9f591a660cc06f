"""Features as a `tf.data.Dataset`, for `model.fit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from .examples import InputFeatures


def dataset_of(features: Sequence[InputFeatures], regression: bool, token_types: bool) -> Any:
    """A `tf.data.Dataset` of (inputs by name, label), one element for each of the features, all as long.

    Args:
        features: the features; a label that is None becomes -1.
        regression: labels are float32 and not int64.
        token_types: whether `token_type_ids` are among the inputs.
    """
    names = ["input_ids", "attention_mask"] + ["token_type_ids"] * token_types
    columns = {name: np.asarray([getattr(each, name) for each in features], dtype=np.int32) for name in names}
    labels = [-1 if each.label is None else each.label for each in features]
    return tf.data.Dataset.from_tensor_slices((columns, np.asarray(labels, np.float32 if regression else np.int64)))
