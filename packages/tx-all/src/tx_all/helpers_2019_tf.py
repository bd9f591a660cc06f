"""What the TensorFlow modules of 2019 had under names that tx has no use for."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras.activations import silu as swish

from tx_core.models.activations_tf import ACTIVATIONS as ACT2FN
from tx_core.models.activations_tf import gelu, gelu_new

__all__ = ["ACT2FN", "gelu", "gelu_new", "get_initializer", "shape_list", "swish"]

# The ACT2FN of XLNet's module.
ACT2FN_BY_TANH = {**ACT2FN, "gelu": gelu_new}


def shape_list(x: Any) -> list[Any]:
    """The sizes of a tensor's axes: numbers where they are known, else scalar tensors."""
    known, found = x.shape.as_list(), tf.shape(x)
    return [found[axis] if size is None else size for axis, size in enumerate(known)]


def get_initializer(initializer_range: float = 0.02) -> Any:
    """Values of a normal distribution of this standard deviation, cut at twice of it."""
    return keras.initializers.TruncatedNormal(stddev=initializer_range)
