"""A model's arrays under the names, and in the layout, of other formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from tx_core.messages import quoted

from .layouts import LAYOUTS, Array, Part
from .report import WeightsError
from .table import Place, WeightTable

Reader = Callable[[], Array]


def originals(arrays: Mapping[str, Reader], table: WeightTable) -> dict[str, Reader]:
    """The arrays under the names and in the layout of the authors' checkpoints, e.g. for ``write_tf1``.

    Args:
        arrays: published name (with prefix) → function that gives the array.

    Raises:
        WeightsError: if a parameter has no original name, or an original lacks some of the parameters it consists of.
    """
    found: dict[str, dict[Part | None, tuple[str, Reader]]] = {}
    for name, array in arrays.items():
        place = table.to_original(name)
        if place is None:
            raise WeightsError(f"{name} has no name in the authors' checkpoints of the {table.prefix!r} architecture")
        assert not isinstance(place.part, str)
        found.setdefault(place.name, {})[place.part] = name, _converted(array, LAYOUTS[place.layout].original)
    out: dict[str, Reader] = {}
    for original, parts in found.items():
        if len({type(part) for part in parts}) > 1:
            names = ", ".join(name for name, _ in parts.values())
            raise WeightsError(
                f"{quoted(original)} of the authors' checkpoints cannot be all of {names}: it is one or parts"
            )
        places = table.from_original(original)
        lacking = [name for place in places for name in _lacking(place, parts, arrays)]
        if lacking and parts.keys() == {0} and all(place.axes is not None for place in places):
            parts = {None: parts[0]}  # what the layers share
        elif lacking:
            raise WeightsError(
                f"{quoted(original)} of the authors' checkpoints consists of several parameters, and "
                f"{', '.join(lacking)} is not given"
            )
        out[original] = _joined(parts)
    return out


def _lacking(place: Place, parts: Mapping[Part | None, object], arrays: Mapping[str, object]) -> list[str]:
    """The parameters of an original that are not given."""
    stacked = isinstance(next(iter(parts)), int)
    if isinstance(place.part, str) and stacked:
        # The layers have other parameters too, which tell how many there are.
        layer = re.compile(re.escape(place.name.partition(place.part)[0]) + r"(\d+)(\.|$)")
        numbers = [int(found[1]) for name in arrays if (found := layer.match(name))]
        return [place.name.replace(place.part, str(k)) for k in range(max(numbers) + 1) if k not in parts]
    if isinstance(place.part, tuple) and not stacked and None not in parts:
        return [] if place.part in parts else [place.name]
    return []


def _joined(parts: Mapping[Part | None, tuple[str, Reader]]) -> Reader:
    if None in parts:
        return parts[None][1]
    join = np.stack if isinstance(next(iter(parts)), int) else np.concatenate
    order = sorted(parts, key=lambda part: part[0] if isinstance(part, tuple) else part or 0)
    readers = [parts[part][1] for part in order]
    return lambda: join([reader() for reader in readers])


def keras_layers(arrays: Mapping[str, Reader], table: WeightTable, model_name: str) -> dict[str, dict[str, Reader]]:
    """The arrays as layers of a ``tf_model.h5`` file: layer → weight name → function that gives the array."""
    layers: dict[str, dict[str, Reader]] = {}
    repeated: dict[str, dict[str, Reader]] = {}
    for name, array in arrays.items():
        layer, weight, layout = table.to_keras(name, model_name)
        converted = _converted(array, LAYOUTS[layout].original)
        layers.setdefault(layer, {})[weight] = converted
        for other, prefix in table.keras_repeated.items():
            if name.startswith(f"{prefix}."):
                repeated.setdefault(other, {})[weight] = converted
    for layer in layers:
        layers[layer].update(repeated.get(layer, {}))
    return layers


def _converted(array: Reader, convert: Callable[[Array], Array]) -> Reader:
    return lambda: np.asarray(convert(array()), order="C")
