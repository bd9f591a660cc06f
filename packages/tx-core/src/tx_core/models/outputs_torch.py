"""Outputs in the files of ``torch.export.save``, which names the classes of the named tuples that a program returns.

Importing this module tells PyTorch how classes of :mod:`tx_core.outputs` are written and found again. The classes are
made when they are needed, so what PyTorch's own registration wants, a list of all, does not exist.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from torch.utils import _pytree

from tx_core import outputs

_PREFIX = f"{outputs.__name__}:"


def _register() -> None:
    known: Any = _pytree.SUPPORTED_SERIALIZED_TYPES
    before = known[namedtuple]

    def write(cls: Any) -> Any:
        if cls.__module__ == outputs.__name__ and cls not in known:
            name = f"{_PREFIX}{cls.__name__}({','.join(cls._fields)})"
            _pytree._register_namedtuple(cls, serialized_type_name=name)
        return before.to_dumpable_context(cls)

    def read(text: Any) -> Any:
        if not text.startswith(_PREFIX):
            return before.from_dumpable_context(text)
        name, _, fields = text.removeprefix(_PREFIX).removesuffix(")").partition("(")
        return outputs.output_class(name, tuple(filter(None, fields.split(","))))

    known[namedtuple] = before._replace(to_dumpable_context=write, from_dumpable_context=read)


_register()
