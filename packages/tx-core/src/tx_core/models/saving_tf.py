"""What is written of a Keras model. Mirrors ``saving_torch``."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import keras

from .layers_tf import named_children
from .saving import ConfigKey, Expected, refuse_incomplete
from .switches_tf import skipping_initialization
from .variables_tf import Parameter, keras_dtype, named_parameters

if TYPE_CHECKING:
    from .pretrained_tf import TFPreTrainedModel


def written(model: TFPreTrainedModel) -> dict[str, Parameter]:
    """Published name → parameter, of what a file of the model holds. What layers share stands under all their names.

    Raises:
        ValueError: if ``from_pretrained`` would refuse the file; names what is in the way.
    """
    named = {parameter.name: parameter for parameter in named_parameters(model)}
    expected = _expected(model)
    tied = model._tied()
    kept = {
        name: parameter
        for name, parameter in named.items()
        if name not in tied or (expected is not None and name in expected.shapes)
    }
    whole_numbers = {n: each.shape for n, each in kept.items() if keras_dtype(each.variable).kind in "iub"}
    found = {name: each.shape for name, each in kept.items() if name not in whole_numbers}
    if expected is not None and not expected.whole and not expected.are_in(found):
        expected = _constructed(model)
    if whole_numbers:  # of layers that are quantized
        expected = expected or Expected(type(model).__name__, {}, False)
        expected = expected._replace(shapes={**expected.shapes, **whole_numbers})
    if expected is not None:
        refuse_incomplete(expected, found, model.weight_table, lambda name: _explain(model, name))
    return kept


def _expected(model: TFPreTrainedModel) -> Expected | None:
    """What the published class of a model wants of a file: its own, or that of the bare model in it."""
    for cls in type(model).__mro__:
        if cls.__dict__.get("_published_class"):
            return _expected_of(cls, ConfigKey(model.config), cls is type(model))
    return None


@lru_cache(maxsize=4)
def _expected_of(cls: type[TFPreTrainedModel], key: ConfigKey, whole: bool) -> Expected:
    return Expected(cls.__name__, _shapes(cls, key.config), whole)


def _shapes(cls: type[TFPreTrainedModel], config: Any) -> dict[str, tuple[int, ...]]:
    with skipping_initialization.on(), keras.device("cpu"):
        model = cls(copy.deepcopy(config))
        model._build_rest()
    tied = model._tied()
    return {name: parameter.shape for name, parameter in model._stored().items() if name not in tied}


def _constructed(model: TFPreTrainedModel) -> Expected | None:
    """What a class that a user wrote wants, which is other than what it is derived from: what its constructor makes."""
    try:
        return Expected(type(model).__name__, _shapes(type(model), model.config), False)
    except Exception:  # noqa: BLE001  # a constructor that wants more than a configuration: nothing can be said
        return None


def _explain(model: TFPreTrainedModel, name: str) -> str:
    """What became of the layer that had a parameter."""
    path = name.rpartition(".")[0]
    layer: Any = model
    done = ""
    for part in path.split(".") if path else ():
        children = dict(named_children(layer))
        if part not in children:
            return f"{done}.{part} is missing, and {_refused(done, layer)}" if done else f"{part} is missing"
        layer, done = children[part], f"{done}{'.' if done else ''}{part}"
    return _refused(path, layer)


def _refused(path: str, layer: Any) -> str:
    kind = type(layer)
    name = f"{path} is {kind.__module__}.{kind.__name__}"
    if getattr(layer, "quantization_mode", None):
        return f"{name}: save the model before it is quantized"
    return f"{name}: put the published layer back, or merge what wraps it"
