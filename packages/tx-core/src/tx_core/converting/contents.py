"""What a checkpoint holds: the parameters to carry over, each once, and the class that they are of."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tx_core.architecture import Architecture
from tx_core.messages import quoted, shorten
from tx_core.weights import Weights, WeightsError, WeightTable
from tx_core.weights.table import pattern

_MOST_LINES = 12
_NUMBER = re.compile(r"\{\w\}")


@dataclass(frozen=True)
class Contents:
    """The parameters of a checkpoint.

    Attributes:
        origin: published name → the name in ``Weights`` that it is read from.
        aliases: second name → parameter, of what is tied.
        supplied: parameters that the authors leave out.
        dropped: names in the file that are no parameters of their own.
    """

    origin: Mapping[str, str]
    aliases: Mapping[str, str]
    supplied: tuple[str, ...]
    dropped: tuple[str, ...]


def contents(weights: Weights, table: WeightTable, config: Any) -> Contents:
    """Find the parameters of a checkpoint, and hold it to its table and configuration.

    Raises:
        WeightsError: a name is unknown, parameters are missing or contradict each other, or are no numbers.
    """
    problems = [f"{shorten(name)} is unknown to the architecture" for name in weights.unexpected]
    problems += weights.misfits + weights.differing_twins()
    for heads in dict.fromkeys(map(tuple, weights.choices.values())):
        listed = ", ".join(map(quoted, heads))
        problems.append(f"the file has several heads of one kind, {listed}: keep one in a copy of the file")
    if what := table.stranger(weights.unexpected):
        problems.append(f"this is {what}")
    # Models of 2019 have one name for the bias of their output layer, whatever is tied.
    tied = table.ties(config, True, lambda: [name for name in weights.names() if not name.endswith(".bias")])
    supplied = _complete(weights, table, config, tied)
    origin: dict[str, str] = {}
    dropped = [*weights.dropped]
    whole_or_parts = _unused(weights, tied)
    for name in weights.names():
        if name in whole_or_parts:
            continue
        first = tied.get(name, name)
        if first == name or first not in weights:
            origin[first] = name
            continue
        dropped.append(name)
        if weights.shape(name) != weights.shape(first) or not weights.agree(first, name):
            cure = "tie_word_embeddings false" if name in table.aliases() else "what does not tie them"
            problems.append(
                f"{name} and {first} are tied by the configuration, yet the file gives them different values (write "
                f"{cure} into it)"
            )
    for name, own in origin.items():
        if not re.match(r"float|bfloat", weights.dtype(own)):
            problems.append(f"{name}: the file has dtype {weights.dtype(own)}, expected floats")
    problems += dict.fromkeys(_gaps(origin, tied, table, config))
    if problems:
        rest = f"\n… and {len(problems) - _MOST_LINES} more" if len(problems) > _MOST_LINES else ""
        listed = "\n".join(problems[:_MOST_LINES])
        raise WeightsError(f"{weights.source} cannot be converted:\n{listed}{rest}")
    return Contents(origin, tied, supplied, tuple(dropped))


def _complete(weights: Weights, table: WeightTable, config: Any, tied: Mapping[str, str]) -> tuple[str, ...]:
    """Add to an authors' file what they leave out, and join what they have in pieces; the names of the former."""
    supplied = []
    for name, shape in (table.given(config) if table.given is not None else {}).items():
        group = name.partition(".")[0]
        if name in tied or not any(each.startswith(f"{group}.") for each in weights.names()):
            continue
        if name not in weights:
            if weights.supply(name, shape):
                supplied.append(name)
        elif weights.shape(name) != shape:
            weights.join(name, shape)
    return tuple(supplied)


def _unused(weights: Weights, tied: Mapping[str, str]) -> set[str]:
    """Of arrays that may be whole or stacks of parts, the names by which the configuration does not have them."""
    unused: set[str] = set()
    for name in weights.names():
        parts = weights.parts_of(name)
        if parts:
            unused.update(parts if any(tied.get(part) == name for part in parts) else (name,))
    return unused


def _gaps(origin: Collection[str], tied: Mapping[str, str], table: WeightTable, config: Any) -> Iterator[str]:
    """Messages on parameters that must be there: those of all models, and those whose layer has others."""
    there = {*origin, *(alias for alias, name in tied.items() if name in origin)}
    templates: dict[str, re.Match[str]] = {}
    numbers: dict[str, set[int]] = {}
    for name in origin:
        row = table.row(name)
        assert row is not None
        owner = name.rpartition(".")[0]
        template = row.name.rpartition(".")[0]
        for other in table.rows:
            if other.name.rpartition(".")[0] == template and row.kind not in ("parameter", "projection"):
                beside = f"{owner}.{other.name.rpartition('.')[2]}"
                if beside not in there:
                    yield f"{beside} is missing"
        found = pattern(row.name).fullmatch(name)
        if found is not None and (place := _NUMBER.search(row.name)):
            templates[row.name] = found
            numbers.setdefault(row.name[: place.start()], set()).add(int(found[place[0][1]]))
    for row in table.rows:
        wanted = row.name.startswith(f"{table.prefix}.") and row.kind in ("embedding", "shared_embedding", "norm")
        if wanted and not _NUMBER.search(row.name) and row.name not in (*there, *table.optional):
            yield f"{row.name} is missing"
    if not any(stem.startswith(f"{table.prefix}.") for stem in numbers):
        yield "the layers are missing"
    for stem, present in numbers.items():
        of_layers = stem.startswith(f"{table.prefix}.") and any(each.startswith(f"{stem}{{i}}") for each in templates)
        count = config.num_hidden_layers if of_layers else max(present) + 1
        if of_layers and max(present) >= count:
            yield f"{stem}{max(present)} is there, but the configuration has {count} layers"
        for template, found in templates.items():
            if template.startswith(f"{stem}{{"):
                for number in range(count):
                    rest = found.string[found.end(template[len(stem) + 1]) :]
                    if f"{stem}{number}{rest}" not in there:
                        yield f"{stem}{number}{rest} is missing"


def class_of(
    architecture: Architecture, table: WeightTable, config: Any, names: Sequence[str], is_bare: bool
) -> str | None:
    """The class that a file is of, without TF: the one that the configuration names, else the only one that fits.

    Args:
        names: the published names in the file, second names of tied parameters among them.
        is_bare: whether they are without the architecture's prefix there.

    Returns:
        None if several fit, or none has all heads that are there.
    """
    groups = dict.fromkeys(group for heads in table.heads.values() for group in heads)
    there = {group for group in groups if any(is_in(name, group) for name in names)}
    named = [str(name).removeprefix("TF") for name in getattr(config, "architectures", None) or ()]
    ends = {architecture.name + end: heads for end, heads in table.heads.items()}
    for name in named:
        if name in ends and there.issubset(ends[name]):
            return name
    rows = [row.name for row in table.rows]
    # A head that is tied whole is in no file by itself.
    own = {group for group in groups if any(is_in(row, group) for row in rows)}
    fitting = [name for name, heads in ends.items() if own.intersection(heads) <= there <= {*heads}]
    if fitting and not ends[fitting[0]] and not there:
        return fitting[0] if is_bare or len(fitting) == 1 else fitting[1]
    return fitting[0] if len(fitting) == 1 else None


def is_in(name: str, group: str) -> bool:
    """Whether a parameter is of a group: the one that is called so, or one of the module that is."""
    return name == group or name.startswith(f"{group}.")
