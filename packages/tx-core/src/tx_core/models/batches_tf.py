"""What ``predict`` returns, put together from several batches.

Keras joins the outputs of batches on their first axis. Memories such as ``past`` (2, B, …) have the batch elsewhere. It
is brought to the front before Keras joins them, and put back afterwards. Mirrors ``batches_torch``.

Shapes: B batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from tx_core.outputs import BATCH_AXES


class Predicts:
    """``predict`` and ``predict_on_batch`` for outputs whose batch axis is not always the first."""

    def predict_step(self, *args: Any) -> Any:
        """As ``keras.Model.predict_step``, with the batch axis of all outputs in front."""
        found = super().predict_step(*args)  # type: ignore[misc]
        if keras.backend.backend() == "jax":  # which returns the model's state too
            return _batch_first(found[0]), *found[1:]
        return _batch_first(found)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """As ``keras.Model.predict``, for memories too: what it returns as ``past`` is that of all rows.

        Where batches have different lengths, Keras joins them as ragged tensors. Of those the batch stays the first
        axis.
        """
        return _batch_back(super().predict(*args, **kwargs))  # type: ignore[misc]

    def predict_on_batch(self, x: Any) -> Any:
        """As ``keras.Model.predict_on_batch``."""
        return _batch_back(super().predict_on_batch(x))  # type: ignore[misc]


def _batch_first(outputs: Any) -> Any:
    return _moved(outputs, lambda x, axis: ops.moveaxis(x, axis, 0))


def _batch_back(outputs: Any) -> Any:
    return _moved(outputs, lambda x, axis: np.moveaxis(x, 0, axis) if isinstance(x, np.ndarray) else x)


def _moved(outputs: Any, move: Callable[[Any, int], Any]) -> Any:
    """Outputs of which each tensor of a field of ``BATCH_AXES`` has been moved."""
    fields = [name for name in getattr(outputs, "_fields", ()) if name in BATCH_AXES]
    if not fields:
        return outputs

    def moved(name: str) -> Any:
        return keras.tree.map_structure(lambda x: move(x, BATCH_AXES[name]), getattr(outputs, name))

    return outputs._replace(**{name: moved(name) for name in fields})
