"""What models return: tuples, as the API of 2019 has them, whose fields also have names."""

from __future__ import annotations

import collections
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# What to do to get a field that an output lacks.
_CURES = {
    "attentions": "set output_attentions=True in the config",
    "hidden_states": "set output_hidden_states=True in the config",
    "loss": "pass labels",
    "mc_loss": "pass mc_labels",
    "scores": "give output_scores=True to generate",
    "past": "set use_cache=True",
    "mems": "set a mem_len above 0 in the config",
}

# Fields whose tensors do not have the batch as their first axis -> the axis that it is.
BATCH_AXES = {"past": 1, "mems": 1, "encoder_past": 1, "encoder_mems": 1}


class _Nothing:
    """See ``NOTHING``."""


# A field of this value is None, and keeps its place.
NOTHING = _Nothing()


class _Classes:
    """The classes made so far, as attributes: "BertOutput(loss,logits)" -> class."""


_classes = _Classes()


def _class_key(name: str, present: tuple[str, ...]) -> str:
    """Make the class of outputs `name` with the fields `present` unless it exists, and return its key."""
    key = f"{name}({','.join(present)})"
    if not hasattr(_classes, key):
        setattr(_classes, key, _make_class(name, present))
    return key


# torch.compile cannot trace the making of a class. This mark (what torch.compiler.assume_constant_result sets) makes it
# run the function while it traces and take the key as a constant; the class is then looked up by that key.
_class_key.__dict__["_dynamo_marked_constant"] = True


def _make_class(name: str, present: tuple[str, ...]) -> Any:
    namedtuple: Any = collections.namedtuple  # type checkers only know it with literal arguments
    cls = namedtuple(name, present)
    make = cls.__new__

    def new(cls: Any, *values: Any, **named: Any) -> Any:
        """As of any named tuple; also of one generator of the values, as ``type(x)(each for each in x)`` gives one."""
        if len(values) == 1 and isinstance(values[0], types.GeneratorType):
            values = tuple(values[0])
        return make(cls, *values, **named)

    def missing(self: Any, field: str) -> Any:
        if field.startswith("__"):  # asked by protocols such as copy's and numpy's
            raise AttributeError(f"{name!r} object has no attribute {field!r}", name=field, obj=self)
        message = f"{name} has no field {field!r}; it has {', '.join(present) or 'none'}"
        if field in _CURES:
            message += f". To get {field}, {_CURES[field]}"
        raise AttributeError(message, name=field, obj=self)

    def reduce(self: Any) -> Any:
        return _rebuild, (name, present, tuple(self))

    cls.__new__ = new
    cls.__getattr__ = missing
    cls.__reduce__ = reduce
    cls.__module__ = __name__
    cls.__doc__ = f"{name}: a tuple of {', '.join(present) or 'nothing'}."
    return cls


def output_class(name: str, present: tuple[str, ...]) -> Any:
    """The class of outputs of a name that have just these fields."""
    return getattr(_classes, _class_key(name, present))


def _rebuild(name: str, present: tuple[str, ...], values: Iterable[object]) -> tuple[Any, ...]:
    return output_class(name, present)._make(values)  # type: ignore[no-any-return]


def output(name: str, /, **fields: object) -> Any:
    """A tuple of the fields that are not None, in the order given, whose items are also attributes by their names.

    `output("BertOutput", loss=None, logits=x)` is `(x,)` and has `.logits`; asking it for `.loss` raises an
    AttributeError that lists what is there and says what brings the field.

    The result is a `collections.namedtuple` of a class that is made once for each name and set of fields: it can be
    pickled, and torch.compile, tf.nest, keras.tree and nn.DataParallel treat it as the named tuple it is.

    Args:
        name: the class's name.
        fields: the fields, in order; those that are None are left out. One that is `NOTHING` is None, and there.
    """
    present = tuple([field for field, value in fields.items() if value is not None])
    values = [None if fields[field] is NOTHING else fields[field] for field in present]
    return getattr(_classes, _class_key(name, present))(*values)


def plain(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same items in a plain tuple, without names (what torchscript=True asks for)."""
    return tuple(value)
