"""Architectures: what a package offers for one, and how it is found.

A package names its record in the entry-point group `tx.architectures`, under the model type:

    [project.entry-points."tx.architectures"]
    bert = "tx_bert.architecture:ARCHITECTURE"

Only the wanted architecture is imported, and this package imports none by itself.
"""

from __future__ import annotations

import os
import sys
from enum import StrEnum

from .messages import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from importlib.metadata import EntryPoint
    from typing import NoReturn

GROUP = "tx.architectures"

# The architectures that tx publishes, each in the package tx-<model type>.
PUBLISHED = ("bert", "openai-gpt", "gpt2", "transfo-xl", "xlnet", "xlm", "roberta", "distilbert", "ctrl")


class Task(StrEnum):
    """What the class of a model is for."""

    BASE = "base"
    PRETRAINING = "pretraining"
    MASKED_LM = "masked-lm"
    CAUSAL_LM = "causal-lm"
    DOUBLE_HEADS = "double-heads"
    NEXT_SENTENCE = "next-sentence"
    SEQUENCE_CLASSIFICATION = "sequence-classification"
    TOKEN_CLASSIFICATION = "token-classification"
    MULTIPLE_CHOICE = "multiple-choice"
    QUESTION_ANSWERING = "question-answering"
    BEAM_QUESTION_ANSWERING = "beam-question-answering"


_NOTHING: dict[str, str] = {}
_NOTHING_ELSE: dict[str, tuple[str, ...]] = {}


class Architecture:
    """What a package offers, declared once. Classes are found by their names, and imported when they are used.

    A record does not change, and equals another that says the same.

    Attributes:
        package: the package's module, ``__package__``.
        model_type: the value of `model_type` in `config.json`, and the name of the entry point.
        name: what its classes' names begin with: "Bert" of `BertConfig`, `BertTokenizer`, `TFBertModel`.
        prefix: the attribute under which a model with a head holds the bare model, and what published names of
            parameters begin with.
        tasks: what a class is for, and how its name goes on: `{Task.BASE: "Model"}`.
        published: published name -> repository on the hub.
        also: module -> further names that the package offers.
        decodes: whether its language model can be the decoder of an encoder. Its configuration has the fields
            `is_decoder` and `add_cross_attention` then, which let layers attend to the encoder's states, and the
            property `has_cross_attention`, which says whether they do.
    """

    package: str
    model_type: str
    name: str
    prefix: str
    tasks: Mapping[Task, str]
    published: Mapping[str, str]
    also: Mapping[str, Sequence[str]]
    decodes: bool

    def __init__(
        self,
        package: str,
        model_type: str,
        name: str,
        prefix: str,
        tasks: Mapping[Task, str],
        published: Mapping[str, str] = _NOTHING,
        also: Mapping[str, Sequence[str]] = _NOTHING_ELSE,
        decodes: bool = False,
    ) -> None:
        # Every import of a package makes a record. To import dataclasses would take as long as all else it does.
        vars(self).update(
            package=package,
            model_type=model_type,
            name=name,
            prefix=prefix,
            tasks=tasks,
            published=published,
            also=also,
            decodes=decodes,
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} of an Architecture does not change")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Architecture({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    @property
    def config(self) -> str:
        """The configuration class, as a dotted name for `load`."""
        return f"{self.package}.config:{self.name}Config"

    @property
    def tokenizer(self) -> str:
        """The tokenizer class, as a dotted name for `load`."""
        return f"{self.package}.tokenizer:{self.name}Tokenizer"

    @property
    def weights(self) -> str:
        """The weight table, as a dotted name for `load`."""
        return f"{self.package}.weights:WEIGHTS"

    @property
    def torch(self) -> dict[Task, str]:
        """Task -> PyTorch class, as a dotted name for `load`."""
        return {task: f"{self.package}.model_torch:{self.name}{end}" for task, end in self.tasks.items()}

    @property
    def tf(self) -> dict[Task, str]:
        """Task -> Keras class, as a dotted name for `load`."""
        return {task: f"{self.package}.model_tf:TF{self.name}{end}" for task, end in self.tasks.items()}

    def exports(self) -> dict[str, tuple[str, ...]]:
        """Module -> names that the package offers from it, for `tx_core.lazy.attach`."""
        # One class may be for several tasks.
        models = [self.name + end for end in dict.fromkeys((*self.tasks.values(), "PreTrainedModel"))]
        found = {
            "config": [f"{self.name}Config"],
            "tokenizer": [f"{self.name}Tokenizer"],
            "model_torch": models,
            "model_tf": [f"TF{name}" for name in (*models, f"{self.name}MainLayer")],
        }
        for module, names in self.also.items():
            found.setdefault(module, []).extend(names)
        return {module: tuple(sorted(names)) for module, names in found.items()}

    def archive_map(self, file: str) -> dict[str, str]:
        """Published name -> URL of a file of its repository."""
        return {name: f"https://huggingface.co/{repo}/resolve/main/{file}" for name, repo in self.published.items()}

    def archive_maps(self) -> dict[str, dict[str, str]]:
        """The maps that the package offers under the names of 2019, for `tx_core.lazy.attach`."""
        name = self.model_type.replace("-", "_").upper()
        return {
            f"{name}_PRETRAINED_CONFIG_ARCHIVE_MAP": self.archive_map("config.json"),
            f"{name}_PRETRAINED_MODEL_ARCHIVE_MAP": self.archive_map("pytorch_model.bin"),
            f"TF_{name}_PRETRAINED_MODEL_ARCHIVE_MAP": self.archive_map("tf_model.h5"),
        }

    def class_attributes(self, weights_name: str) -> dict[str, object]:
        """What the record says of model classes, by the attributes' names.

        Args:
            weights_name: the file that holds the weights of published models.
        """
        return {
            "config_class": load(self.config),
            "base_model_prefix": self.prefix,
            "weight_table": load(self.weights),
            "pretrained_model_archive_map": self.archive_map(weights_name),
        }


# The folders of the path when they were last looked into, and what they held. To read all entry points of an
# environment takes longer than to read a configuration. Whatever installs something changes the time of its folder.
_seen: tuple[object, dict[str, EntryPoint]] = (None, {})


def _stamp(folder: str) -> tuple[str, int]:
    try:
        return folder, os.stat(folder or ".").st_mtime_ns
    except OSError:
        return folder, 0


def _entry_points() -> Mapping[str, EntryPoint]:
    global _seen
    path = [_stamp(folder) for folder in sys.path]
    if _seen[0] == path:
        return _seen[1]
    # Importing importlib.metadata costs more than the rest of tx together.
    from importlib.metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise ValueError(
                f"two packages offer the architecture {point.name!r}: {other.value} and {point.value}; uninstall one"
            )
    _seen = path, found
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
        raise ValueError(f"tx has no architecture {quoted(model_type)}; it has {known}")
    return _record(model_type, points[model_type])


def _record(model_type: str, point: EntryPoint) -> Architecture:
    try:
        record = load(point.value)
    except ImportError as error:
        raise ImportError(
            f"the entry point {model_type!r} leads to {point.value}, which cannot be imported: {error}; "
            "reinstall or uninstall its package"
        ) from error
    if not isinstance(record, Architecture) or record.model_type != model_type:
        raise TypeError(f"the entry point {model_type!r} leads to {record!r}, which is no Architecture {model_type!r}")
    return record


def publisher(names: Collection[str]) -> str | None:
    """The model type of the installed architecture that publishes one of the names or repositories; None if none does.

    The records of all installed architectures are imported, and nothing else of them.
    """
    for model_type, point in sorted(_entry_points().items()):
        published = _record(model_type, point).published
        if any(name in published or name in published.values() for name in names):
            return model_type
    return None


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
        raise ValueError(f"{quoted(dotted)} is no dotted name of the form 'package.module:name'")
    require(module, name)
    found: object = getattr(import_module(module), name)
    return found
