"""Keras 3's own file of weights, which only Keras can write."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tx_core.files import atomic_write
from tx_core.models.conversion import Arrays
from tx_core.models.switches_tf import skipping_initialization
from tx_core.weights import Array, Weights, WeightsError, WeightTable

if TYPE_CHECKING:
    from tx_core.config import PretrainedConfig


def write_keras_weights(
    path: Path,
    model_class: Any,
    config: PretrainedConfig,
    dtype: str,
    arrays: Mapping[str, tuple[tuple[int, ...], str, Callable[[], Array]]],
    table: WeightTable,
    source: str,
) -> None:
    """Write weights as ``keras.Model.save_weights`` does.

    Args:
        path: the file.
        model_class: the Keras class.
        dtype: the type of its parameters.
        arrays: published name → shape, type, and what gives the array.
        source: what errors call the weights.

    Raises:
        WeightsError: they do not fit the class, or not all of its parameters are there.
    """
    with skipping_initialization.on():
        model = model_class(copy.deepcopy(config), dtype=dtype)
        model._build_rest()
    report = model._fill(Weights(Arrays(arrays, "torch", {}), table, source=source))
    if report.newly_initialized:
        raise WeightsError(
            f"{source} has no {', '.join(report.newly_initialized)}, which {model_class.__name__} has: load the model, "
            "train it, and call its save_weights"
        )
    with atomic_write(path) as temporary, tempfile.TemporaryDirectory(dir=path.parent) as own:
        # Keras wants a name that ends in .weights.h5.
        made = Path(own) / "model.weights.h5"
        model.save_weights(made)
        shutil.copyfile(made, temporary)
