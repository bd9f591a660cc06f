"""A model as it is in evaluation mode, without a change to the model itself, for ``generate`` in PyTorch.

Threads share a model: one may train it while others generate. Whether a module drops out is a flag of the module, so
``generate`` uses modules of its own, with flags of their own. Keras has no counterpart: there the mode is an argument.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import torch
from torch import nn

# What a module holds under these names is called with the module, or in its place.
_CALLED_WITH_IT = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "forward",
    "_compiled_call_impl",
)


def in_evaluation(model: Any) -> Any:
    """The same model in evaluation mode: other modules, with the parameters, buffers and all else of the model's.

    A model in evaluation mode is returned as it is if something is called with its modules, such as hooks. These may
    know the modules by identity.
    """
    modules = list(model.modules())
    if not any(module.training for module in modules) and any(map(_is_known_outside, modules)):
        return model
    return _view(model, {})


def _is_known_outside(module: nn.Module) -> bool:
    return any(vars(module).get(name) for name in _CALLED_WITH_IT)


def _view(module: nn.Module, views: dict[nn.Module, nn.Module]) -> nn.Module:
    """A module in evaluation mode that shares what another has, and of its submodules such views.

    Args:
        views: those made so far, which modules that occur several times share.
    """
    if module in views:
        return views[module]
    if isinstance(module, torch.jit.ScriptModule):  # its flags are not Python's, and it keeps them
        return module
    view = views[module] = object.__new__(type(module))
    own = {name: _bound(value, module, view) for name, value in vars(module).items()}
    # A compiled call is that of the module.
    own.pop("_compiled_call_impl", None)
    own["training"] = False
    own["_modules"] = {name: child and _view(child, views) for name, child in module._modules.items()}
    vars(view).update(own)
    return view


def _bound(value: Any, module: nn.Module, view: nn.Module) -> Any:
    """What a module holds, for its view: methods that were put in place of its own are the view's."""
    if isinstance(value, types.MethodType) and value.__self__ is module:
        return types.MethodType(value.__func__, view)
    if isinstance(value, functools.partial) and any(each is module for each in value.args):
        arguments = [view if each is module else each for each in value.args]
        return functools.partial(value.func, *arguments, **value.keywords)
    return value
