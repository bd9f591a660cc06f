"""`tx inspect`: what a checkpoint holds, and which classes it is complete for. No framework is needed."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import text

if TYPE_CHECKING:
    from tx_core.architecture import Architecture
    from tx_core.checkpoints import Checkpoint
    from tx_core.files import Source

_EXAMPLES = """\
PATH_OR_NAME is a folder, a file of weights (safetensors, .bin, .h5, the prefix of a TensorFlow 1 checkpoint, the index
of shards), a repository of the hub, which is downloaded, or a model of an installed package (tx-tiny/bert). Of a folder
the file is shown that `from_pretrained` of a PyTorch model reads.

A config.json beside the weights tells the architecture; without one, --class or the name does. For each of its classes
is shown how many of its parameters the file lacks ("missing"), and how many the file has that it does not ("unused").
A class of which "its head" alone is missing can be loaded, to be trained. Unused ones are passed over. Names that are
"unknown" to the architecture are an error of every load.

Only names, shapes and types are read, no values.

examples:
  tx inspect bert-base-uncased
  tx inspect ./my-bert/model.safetensors --class BertForSequenceClassification
  tx inspect ./my-bert --json | jq '.classes | keys'
"""
_MOST_LISTED = 40


def add(commands: Any, formatter: Any) -> None:
    """Describes the command to argparse."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "inspect",
        help="what a checkpoint holds, and which classes it is complete for",
        description="Show the arrays of a checkpoint, and which classes of its architecture they are complete for.",
        epilog=_EXAMPLES,
        formatter_class=formatter,
    )
    parser.add_argument("path_or_name", metavar="PATH_OR_NAME", help="what is looked into")
    parser.add_argument(
        "--class", dest="class_name", metavar="CLASS", help="list what this class would miss, and not use"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON, for programs")
    parser.set_defaults(run=run)


@dataclass(frozen=True)
class Listed:
    """An array of the file; `size` in bytes is None for a type that NumPy does not know."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    parameters: int
    size: int | None


@dataclass(frozen=True)
class Fit:
    """How the file fits a class: published names of its parameters that are missing, and of others that are there."""

    missing: list[str]
    unused: list[str]
    head_alone: bool


@dataclass
class Found:
    """What was found out of a checkpoint.

    Attributes:
        note: why nothing is said of classes, if so.
        unknown: names in the file that no class of the architecture has.
        problems: what else keeps every class from being loaded.
        prefix: what all names in the file begin with, and published ones do not.
    """

    path: str
    format: str
    metadata: dict[str, str]
    arrays: list[Listed]
    architecture: str | None = None
    note: str = ""
    classes: dict[str, Fit] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    prefix: str = ""


def run(arguments: argparse.Namespace) -> None:
    """Prints what is in the checkpoint.

    Raises:
        OSError, ValueError: there are no weights, or they are damaged; names the file.
    """
    wanted: str | None = arguments.class_name
    found = look(arguments.path_or_name, wanted)
    if wanted is not None:
        _choose(found, wanted)
    if arguments.json:
        import json

        print(json.dumps(_values(found), indent=2))
    else:
        print("\n".join(_lines(found, wanted)))


def look(name_or_path: str, class_name: str | None = None) -> Found:
    """What a checkpoint holds, and how it fits the classes of its architecture.

    Args:
        name_or_path: what the command takes.
        class_name: a class, which tells the architecture where the files do not.

    Raises:
        OSError, ValueError: as `run`.
    """
    from tx_core.config import read_config
    from tx_core.files import CONFIG_NAME, Source, locate, pinned

    source = Source()
    where = os.path.dirname(name_or_path) or "." if _is_file(name_or_path) else name_or_path
    config = locate(where, [CONFIG_NAME], source)
    model_type = None
    if config is not None:
        source = pinned(source, config, where)
        model_type = read_config(config).get("model_type")
    architecture, note = _architecture(model_type, where, class_name)
    if architecture is not None and config is None:
        config, note = _authors_config(architecture, name_or_path, source)
    with _open(name_or_path, architecture, source) as checkpoint:
        arrays = [_listed(checkpoint, name) for name in checkpoint.names()]
        found = Found(str(checkpoint.path), checkpoint.format, checkpoint.metadata, arrays, note=note)
        if architecture is not None:
            found.architecture = architecture.model_type
            if config is not None:
                _compare(found, checkpoint, architecture, config)
    return found


def _is_file(name_or_path: str) -> bool:
    """Whether it is a file, or the prefix of a TensorFlow 1 checkpoint."""
    return os.path.isfile(name_or_path) or os.path.isfile(f"{name_or_path}.index")


def _architecture(model_type: object, where: str, class_name: str | None) -> tuple[Architecture | None, str]:
    """The architecture that a configuration, a class or a name tells; None and the reason if it is none of tx's."""
    from tx_core.architecture import find, installed
    from tx_core.auto import AutoConfig

    from .classes import class_names

    try:
        if model_type is None and class_name is not None:
            for architecture in map(find, installed()):
                if class_name.removeprefix("TF") in class_names(architecture):
                    return architecture, ""
        if model_type is None:  # as in 2019: then the name tells
            model_type = AutoConfig.from_pretrained(where).model_type
        return find(str(model_type)), ""
    except (OSError, ValueError, ImportError) as error:
        return None, str(error)


def _authors_config(architecture: Architecture, name_or_path: str, source: Source) -> tuple[Path | None, str]:
    """The configuration as the authors call or keep it, bert_config.json say; None and the reason if there is none."""
    from tx_core.architecture import load
    from tx_core.config_files import find_beside

    config_class: Any = load(architecture.config)
    try:
        if _is_file(name_or_path):
            return find_beside(config_class, name_or_path, source), ""
        return config_class.find(name_or_path, source), ""
    except FileNotFoundError as error:
        return None, str(error)


def _open(name_or_path: str, architecture: Architecture | None, source: Source) -> Checkpoint:
    """The weights that a name stands for, opened; of a folder those that a PyTorch model would read."""
    from tx_core.architecture import load
    from tx_core.checkpoints import open_checkpoint
    from tx_core.checkpoints.tf1 import STATE_FILE
    from tx_core.files import locate
    from tx_core.models.pretrained import locate_shards, weight_files
    from tx_core.weights import WeightTable

    if _is_file(name_or_path):
        return open_checkpoint(name_or_path)
    table: Any = WeightTable("", ()) if architecture is None else load(architecture.weights)
    names = weight_files(table, "safe", "torch", "tf")
    path = locate(name_or_path, (*names, STATE_FILE), source)
    if path is None:
        raise FileNotFoundError(f"{name_or_path!r} holds no weights: none of {', '.join(names)} is there")
    locate_shards(name_or_path, path, source)
    return open_checkpoint(path)


def _listed(checkpoint: Checkpoint, name: str) -> Listed:
    import ml_dtypes  # noqa: F401  # makes its types known to NumPy
    import numpy as np

    info = checkpoint.info(name)
    try:
        size = info.size * np.dtype(info.dtype).itemsize
    except TypeError:
        return Listed(name, info.shape, info.dtype, info.size, None)
    return Listed(name, info.shape, info.dtype, info.size, size)


def _compare(found: Found, checkpoint: Checkpoint, architecture: Architecture, config_path: Path) -> None:
    """Notes how the file fits each class of the architecture."""
    from tx_core.architecture import load
    from tx_core.weights import Weights

    from .classes import class_names, in_head, parameters

    table: Any = load(architecture.weights)
    if not table.heads:
        found.note = f"the weight table of {architecture.model_type!r} does not tell the heads of its classes"
        return
    config_class: Any = load(architecture.config)
    config = config_class.from_pretrained(config_path)
    weights = Weights(checkpoint, table, source=found.path)
    found.unknown, found.problems, found.prefix = weights.unexpected, weights.misfits, weights.prefix
    if stranger := table.stranger(weights.unexpected):
        found.problems.append(f"this is {stranger}")
    present = dict.fromkeys(weights.names())
    for class_name, end in class_names(architecture).items():
        names, tied = parameters(architecture, end, config, table)
        spelled = {name: {name, *(alias for alias, own in tied.items() if own == name)} for name in names}
        # What the authors leave out is as good as there. Asking for it is the only thing here that changes `weights`.
        missing = [n for n in names if present.keys().isdisjoint(spelled[n]) and not weights.supply(n, (1, 1))]
        used = {each for name in names for each in spelled[name]}
        for name in names:
            if (piece := table.pieces.get(name)) and name in present:
                used |= {each for each in present if each.startswith(piece.partition("{")[0])}
        unused = [name for name in present if name not in used and not weights.serves(name, used)]
        heads = [name for name in names if in_head(name, table)]
        found.classes[class_name] = Fit(missing, unused, bool(missing) and sorted(missing) == sorted(heads))


def _choose(found: Found, class_name: str) -> None:
    """Leaves one class. Raises ValueError if there is none of this name."""
    from tx_core.messages import nearest

    fit = found.classes.get(class_name) or found.classes.get(class_name.removeprefix("TF"))
    if fit is None:
        if not found.classes:
            raise ValueError(f"{found.path}: which classes it fits cannot be told: {found.note}")
        raise ValueError(
            f"{found.architecture!r} has no class {class_name!r}; it has {', '.join(found.classes)}"
            + nearest(class_name, found.classes)
        )
    found.classes = {class_name: fit}


def _totals(found: Found) -> tuple[int, int]:
    return sum(each.parameters for each in found.arrays), sum(each.size or 0 for each in found.arrays)


def _values(found: Found) -> dict[str, Any]:
    """What is printed as JSON."""
    parameters, size = _totals(found)
    return {
        "path": found.path,
        "format": found.format,
        "metadata": found.metadata,
        "parameters": parameters,
        "bytes": size,
        "arrays": [
            {
                "name": each.name,
                "shape": list(each.shape),
                "dtype": each.dtype,
                "parameters": each.parameters,
                "bytes": each.size,
            }
            for each in found.arrays
        ],
        "architecture": found.architecture,
        "note": found.note or None,
        "prefix": found.prefix,
        "unknown": found.unknown,
        "problems": found.problems,
        "classes": {
            name: {"missing": fit.missing, "missing_is_head": fit.head_alone, "unused": fit.unused}
            for name, fit in found.classes.items()
        },
    }


def _lines(found: Found, class_name: str | None) -> list[str]:
    """What is printed for readers."""
    parameters, size = _totals(found)
    dtypes = ", ".join(sorted({each.dtype for each in found.arrays})) or "none"
    lines = [
        found.path,
        *text.table(
            [
                ("format", found.format),
                ("arrays", f"{text.grouped(len(found.arrays))} of {dtypes}"),
                ("parameters", text.grouped(parameters)),
                ("size", text.size(size)),
                ("architecture", found.architecture or f"unknown: {found.note}"),
                *((("all names under", text.name(found.prefix)),) if found.prefix else ()),
            ]
        ),
    ]
    if class_name is not None:
        fit = found.classes[class_name]
        lines += ["", f"{class_name}: {_missing(fit)} missing, {len(fit.unused) or 'none'} unused"]
        lines += _section("missing", fit.missing) + _section("unused", fit.unused)
    else:
        head = ("array", "shape", "type", "parameters", "size")
        rows = [
            (
                text.name(each.name),
                " × ".join(map(str, each.shape)) or "scalar",
                each.dtype,
                text.grouped(each.parameters),
                "?" if each.size is None else text.size(each.size),
            )
            for each in found.arrays
        ]
        lines += ["", *text.table([head, *rows], right=[3, 4])]
        if found.classes:
            fits = [(name, _missing(fit), str(len(fit.unused) or "none")) for name, fit in found.classes.items()]
            lines += ["", *text.table([("class", "missing", "unused"), *fits])]
        elif found.architecture:
            lines += ["", f"which classes it fits cannot be told: {found.note}"]
    return lines + _section("unknown", found.unknown) + _section("problems", found.problems)


def _missing(fit: Fit) -> str:
    return f"{len(fit.missing) or 'none'}{' (its head)' if fit.head_alone else ''}"


def _section(title: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = len(names) - _MOST_LISTED
    rest = [f"  … and {more} more, which --json lists"] if more > 0 else []
    return ["", f"{title}:", *(f"  {text.name(each)}" for each in names[:_MOST_LISTED]), *rest]
