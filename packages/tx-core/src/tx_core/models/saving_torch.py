"""What is written of a PyTorch model. Mirrored by ``saving_tf``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from .saving import ConfigKey, Expected, refuse_incomplete

if TYPE_CHECKING:
    from .pretrained_torch import PreTrainedModel


def written(model: PreTrainedModel) -> dict[str, Tensor]:
    """Own name → tensor, of what a file of the model holds. What layers share stands under all their names.

    Raises:
        ValueError: if ``from_pretrained`` would refuse the file; names what is in the way.
    """
    saved = model.state_dict(keep_vars=True)
    named: dict[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    named.update({n: buffer for n, buffer in model.named_buffers(remove_duplicate=False) if n in saved})
    expected = _expected(model)
    tied = model._tied()
    stored = {model._published(name): tensor for name, tensor in named.items()}

    def is_alias(name: str) -> bool:
        # A clone (torchscript) that was trained by itself is no longer what it is a clone of.
        if name not in tied or tied[name] not in stored:
            return name in tied
        return (expected is None or name not in expected.shapes) and torch.equal(stored[name], stored[tied[name]])

    named = {name: tensor for name, tensor in named.items() if not is_alias(model._published(name))}
    found = {model._published(name): tuple(tensor.shape) for name, tensor in named.items()}
    if expected is not None and not expected.whole and not expected.are_in(found):
        expected = _constructed(model)
    if expected is not None:
        refuse_incomplete(expected, found, model.weight_table, lambda name: _explain(model, name))
    return named


def _expected(model: PreTrainedModel) -> Expected | None:
    """What the published class of a model wants of a file: its own, or that of the bare model in it."""
    for part in (model, model.base_model):
        for cls in type(part).__mro__:
            if cls.__dict__.get("_published_class"):
                return _expected_of(cls, ConfigKey(model.config), cls is type(model))
    return None


@lru_cache(maxsize=4)
def _expected_of(cls: type[PreTrainedModel], key: ConfigKey, whole: bool) -> Expected:
    with without_memory():
        return Expected(cls.__name__, _shapes(cls(copy.deepcopy(key.config))), whole)


def _shapes(model: PreTrainedModel) -> dict[str, tuple[int, ...]]:
    tied = model._tied()
    stored = {model._published(name): tuple(tensor.shape) for name, tensor in model._stored().items()}
    return {name: shape for name, shape in stored.items() if name not in tied}


def _constructed(model: PreTrainedModel) -> Expected | None:
    """What a class that a user wrote wants, which is other than what it is derived from: what its constructor makes."""
    try:
        with without_memory():
            return Expected(type(model).__name__, _shapes(type(model)(copy.deepcopy(model.config))), False)
    except Exception:  # noqa: BLE001  # a constructor that wants more than a configuration: nothing can be said
        return None


def _explain(model: PreTrainedModel, name: str) -> str:
    """What became of the module that had a parameter."""
    own = name.removeprefix(f"{model.base_model_prefix}.") if model.base_model is model else name
    path, _, leaf = own.rpartition(".")
    module: Any = model
    done = ""
    for part in path.split(".") if path else ():
        if part not in module._modules or module._modules[part] is None:
            return f"{done}.{part} is missing, and {_refused(done, module)}" if done else f"{part} is missing"
        module, done = module._modules[part], f"{done}{'.' if done else ''}{part}"
    if hasattr(module, f"{leaf}_mask"):
        return f"{path}.{leaf} is pruned: call torch.nn.utils.prune.remove(module, {leaf!r}) first"
    if parametrize.is_parametrized(module, leaf):
        cure = f"torch.nn.utils.parametrize.remove_parametrizations(module, {leaf!r})"
        return f"{path}.{leaf} is parametrized: call {cure} first"
    for end, norm in (("_g", "weight"), ("_orig", "spectral")):
        if hasattr(module, f"{leaf}{end}"):
            return f"{path}.{leaf} is normalised: call torch.nn.utils.remove_{norm}_norm(module, {leaf!r}) first"
    return _refused(path, module)


def _refused(path: str, module: nn.Module) -> str:
    kind = type(module)
    name = f"{path} is {kind.__module__}.{kind.__name__}"
    if "quantized" in kind.__module__:
        return f"{name}: save the model before it is quantized"
    if kind.__module__.startswith("torch._dynamo"):
        return f"{name}: call its method compile(), which keeps the names, rather than torch.compile"
    return f"{name}: put the published layer back, or merge what wraps it"


class _SkipInitialization(TorchFunctionMode):
    """Leaves parameters as they are made. On the meta device PyTorch would import a compiler to initialise them."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        arguments: Sequence[Any] = (),
        keywords: Mapping[str, Any] | None = None,
    ) -> Any:
        keywords = keywords or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return arguments[0] if arguments else keywords["tensor"]
        return function(*arguments, **keywords)


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules made within have parameters of their shapes, but neither memory nor values."""
    with torch.device("meta"), _SkipInitialization():
        yield
