"""Architectures: what a package offers for one, and how it is found.

A package names its record in the entry-point group `tx.architectures`, under the model type:

    [project.entry-points."tx.architectures"]
    bert = "tx_bert.architecture:ARCHITECTURE"

Only the wanted architecture is imported, and this package imports none by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

GROUP = "tx.architectures"

# The architectures that tx publishes, each in the package tx-<model type>.
PUBLISHED = ("bert", "openai-gpt", "gpt2", "transfo-xl", "xlnet", "xlm", "roberta", "distilbert", "ctrl")


@dataclass(frozen=True)
class Architecture:
    """What a package offers, as dotted names ("tx_bert.config:BertConfig") that are imported when they are used.

    Attributes:
        model_type: the value of `model_type` in `config.json`, and the name of the entry point.
        config: the configuration class.
        tokenizer: the tokenizer class.
        torch, tf: the model class per task: "base", "pretraining", "lm", "sequence-classification",
            "token-classification", "question-answering", "multiple-choice", "next-sentence".
        weights: the weight table.
    """

    model_type: str
    config: str
    tokenizer: str
    torch: Mapping[str, str] = field(default_factory=dict)
    tf: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""


def _entry_points() -> dict[str, EntryPoint]:
    # Importing importlib.metadata costs more than the rest of tx together.
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ValueError(
                f"two packages offer the architecture {point.name!r}: {other.value} and {point.value}; uninstall one"
            )
    return found


def installed() -> list[str]:
    """The model types of the installed architectures, sorted; none of them is imported."""
    return sorted(_entry_points())


def find(model_type: str) -> Architecture:
    """The record of an architecture.

    Raises:
        ImportError: no installed package offers it; says what to install.
        ValueError: tx has no such architecture; lists those it has.
        TypeError: what the package offers is no record of this architecture.
    """
    points = _entry_points()
    if model_type not in points:
        if model_type in PUBLISHED:
            raise ImportError(f"the architecture {model_type!r} is not installed: {cure(model_type)}")
        known = ", ".join(sorted({*PUBLISHED, *points}))
        raise ValueError(f"tx has no architecture {model_type!r}; it has {known}")
    record = load(points[model_type].value)
    if not isinstance(record, Architecture) or record.model_type != model_type:
        raise TypeError(f"the entry point {model_type!r} leads to {record!r}, which is no Architecture {model_type!r}")
    return record


def cure(model_type: str) -> str:
    """What to do to read files of an architecture: the class to use, or the command that installs it."""
    if model_type in _entry_points():
        module, _, name = find(model_type).config.partition(":")
        return f"use {name} of {module.partition('.')[0]}, or AutoConfig"
    if model_type in PUBLISHED:
        return f"pip install tx-{model_type}"
    return "no package of tx reads it"


def load(dotted: str) -> object:
    """Import what a dotted name such as "tx_bert.model_torch:BertModel" stands for.

    Raises:
        ImportError: the framework that its module needs is missing (says what to install), or the module is.
        AttributeError: the module has no such name.
        ValueError: the name has not this form.
    """
    from importlib import import_module

    from .lazy import require

    module, _, name = dotted.partition(":")
    if not module or not name.isidentifier():
        raise ValueError(f"{dotted!r} is no dotted name of the form 'package.module:name'")
    require(module, name)
    found: object = getattr(import_module(module), name)
    return found
