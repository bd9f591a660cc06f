"""Whole PyTorch modules in a pickle, which ``torch.save(model, path)`` wrote: their arrays and attributes by name.

`unpickle` makes an inert record of each module, whose state is what the module's attributes were. Nothing of it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tx_core.checkpoints.unpickle import Global, Record

# Transformer-XL's authors publish no other form of a model than a whole module; these are their classes'.
AUTHORS = ("mem_transformer",)
_PARTS = (
    "utils.proj_adaptive_softmax",
    "utils.log_uniform_sampler",
    # Wrappers of a model.
    "utils.data_parallel",
    "fp16_opt",
)
_OF_PYTORCH = ("torch.nn.modules.", "torch.nn.parallel.", "torch.nn.backends.")


def is_of_module(module: str) -> bool:
    """Whether what a Python module defines may be part of a whole PyTorch module that is read."""
    return module in (*AUTHORS, *_PARTS) or module.startswith(_OF_PYTORCH)


def is_published(value: Any) -> bool:
    """Whether a pickled value is a whole module of those authors', wrapped or not."""
    for _ in range(4):
        if not isinstance(value, Record):
            return False
        if value.kind.module in AUTHORS:
            return True
        value = dict(members(value)).get("module")
    return False


def members(record: Record) -> Iterator[tuple[Any, Any]]:
    """Names and values of a module's parameters, buffers and modules; of what is none there are none."""
    state = record.state
    for kind in ("_parameters", "_buffers", "_modules") if isinstance(state, dict) else ():
        content = state.get(kind)
        if isinstance(content, dict):
            yield from content.items()


def attribute(record: Record, path: str) -> Any:
    """What ``module.path`` was, "word_emb.div_val" say; None if there is no such attribute."""
    *modules, name = path.split(".")
    value: Any = record
    for each in modules:
        if not isinstance(value, Record):
            return None
        value = dict(members(value)).get(each)
    state = value.state if isinstance(value, Record) else None
    return state.get(name) if isinstance(state, dict) else None


def kind_of(value: Any) -> Global | None:
    """The class of a pickled object; None if it is a plain value."""
    return value.kind if isinstance(value, Record) else None
