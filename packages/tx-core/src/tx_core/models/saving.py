"""What a model's file has to hold so that it loads again, and the options of ``save_pretrained``."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tx_core.messages import quoted
from tx_core.weights import WeightTable
from tx_core.weights.layouts import Shape

#: Bytes of the units that sizes are given in, as the hub's own library takes them.
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_MOST_LINES = 12


class Expected(NamedTuple):
    """What ``from_pretrained`` wants of the file of a class and configuration.

    Attributes:
        class_name: the class.
        shapes: published name with prefix → shape.
        whole: whether the file may have nothing else; not that of a class that users wrote.
    """

    class_name: str
    shapes: Mapping[str, Shape]
    whole: bool

    def are_in(self, found: Mapping[str, Shape]) -> bool:
        """Whether all are there, of these shapes."""
        return all(found.get(name) == shape for name, shape in self.shapes.items())


class ConfigKey:
    """A configuration as what it is written as, for a cache."""

    def __init__(self, config: Any) -> None:
        self.config = copy.deepcopy(config)
        self._text = config.to_json_string()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConfigKey) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def shard_size(size: int | str | None) -> int | None:
    """The bytes of a size such as ``5_000_000`` or ``"5MB"``; a MB has a million bytes, a MiB 2²⁰.

    Raises:
        ValueError: if it is none.
    """
    if size is None or (isinstance(size, int) and not isinstance(size, bool) and size > 0):
        return size
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*([KMGT]?B|[KMG]IB)\s*", str(size).upper())
    number = int(float(found[1]) * UNITS[found[2]]) if found and isinstance(size, str) else 0
    if number < 1:
        raise ValueError(f"max_shard_size is {quoted(size)}; it must be a number of bytes, or text such as '500MB'")
    return number


def chosen_format(form: str | None, safe_serialization: bool | None, other: str) -> str:
    """The format that ``format=`` and ``safe_serialization=`` ask for.

    Args:
        other: the framework's own, which ``safe_serialization=False`` stands for.

    Raises:
        ValueError: if there is no such format, or the two contradict each other.
    """
    known = ("safetensors", "bin", "h5")
    if form is not None and form not in known:
        raise ValueError(f"format must be one of {', '.join(known)}, not {quoted(form)}")
    if safe_serialization is None:
        return form or _default_format(other)
    if not isinstance(safe_serialization, bool):
        raise ValueError(f"safe_serialization must be True or False, not {quoted(safe_serialization)}")
    if form is not None and (form == "safetensors") != safe_serialization:
        raise ValueError(f"format={form!r} and safe_serialization={safe_serialization} contradict each other: give one")
    return form or ("safetensors" if safe_serialization else other)


def _default_format(other: str) -> str:
    """What is written where nothing says which: safetensors, and for a program of 2019 the framework's own.

    Such a program runs with `tx_all` in the place of `transformers`. It finds its checkpoints by `WEIGHTS_NAME`, and
    has PyTorch read and write the file of that name.
    """
    return other if getattr(sys.modules.get("transformers"), "__name__", None) == "tx_all" else "safetensors"


def refuse_incomplete(
    expected: Expected, found: Mapping[str, Shape], table: WeightTable, explain: Callable[[str], str]
) -> None:
    """Raise unless a file with these parameters loads.

    Args:
        found: published name with prefix → shape, of what would be written.
        table: the architecture's.
        explain: what became of the module of a parameter that is missing.

    Raises:
        ValueError: naming what is in the way.
    """
    lines: dict[str, None] = {}
    for name, shape in expected.shapes.items():
        if name not in found:
            lines[explain(name)] = None
        elif found[name] != shape:
            lines[
                f"{name} has shape {found[name]}, and the configuration asks for {shape}: change the two together"
            ] = None
    for name in found if expected.whole and not lines else ():
        if name not in expected.shapes and table.published(name) is None:
            lines[f"{name} is no parameter of {expected.class_name}: write a subclass that has it"] = None
    if lines:
        listed = "".join(f"\n  {line}" for line in [*lines][:_MOST_LINES])
        rest = f"\n  … and {len(lines) - _MOST_LINES} more" if len(lines) > _MOST_LINES else ""
        raise ValueError(
            f"this {expected.class_name} cannot be saved, since from_pretrained would refuse the file:{listed}{rest}"
        )
