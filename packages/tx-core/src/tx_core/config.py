"""Configurations: dataclasses that read and write the published JSON files.

An architecture declares its fields under their published names and checks them in `validate`:

    @dataclass(init=False, eq=False, repr=False)
    class GPT2Config(PretrainedConfig, architecture=ARCHITECTURE):
        aliases = {"hidden_size": "n_embd"}

        vocab_size: int = 50257
        n_embd: int = 768

        def validate(self) -> None:
            super().validate()
            check_positive(self, "vocab_size", "n_embd")

        def validate_relations(self) -> None:
            super().validate_relations()
            check_divisible(self, "n_embd", "n_head")
"""

from __future__ import annotations

import copy
import os
from dataclasses import MISSING, dataclass, field

from .config_fields import (
    FIRST,
    FieldSignature,
    alias_of,
    annotations_of,
    conform,
    default_of,
    fields_of,
    nearest_field,
)
from .config_files import is_pickled
from .config_labels import agree, inverse
from .json_files import MAX_DEPTH, nests_too_deep, read_json_object
from .messages import quoted, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any, Literal, Self, overload

    from .architecture import Architecture
    from .checkpoints import Checkpoint
    from .files import Source
else:

    def overload(function):
        return function


# The activation functions that both frameworks' tables offer.
ACTIVATIONS: tuple[str, ...] = (
    "gelu",
    "relu",
    "swish",
    "silu",
    "gelu_new",
    "tanh",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "quick_gelu",
    "sigmoid",
    "mish",
    "linear",
)
# What both frameworks' `SequenceSummary` can make a sequence's vector of.
SUMMARY_TYPES: tuple[str, ...] = ("last", "first", "mean", "cls_index")

# Published files are a few kilobytes; label maps of tens of thousands of classes reach one or two megabytes.
MAX_FILE_BYTES = 8 << 20

# Sizes beyond these are no model of any kind, and would fill the memory or take hours before anything is noticed.
# What has no bound of its own has MAX_SIZE. `PretrainedConfig.limits` lifts them.
MAX_SIZE = 1 << 24
MAX_SIZES: Mapping[str, int] = {
    "hidden_size": 1 << 17,
    "max_position_embeddings": 1 << 17,
    "num_attention_heads": 1 << 10,
    "num_hidden_layers": 1 << 10,
}

_NO_NAMES: Mapping[str, str] = {}
_NO_TYPES: tuple[str, ...] = ()
_FILE_NAMES: tuple[str, ...] = ("config.json",)
_NO_LIMITS: Mapping[str, int] = {}


@dataclass(init=False, eq=False, repr=False)
class PretrainedConfig:
    """What every architecture's configuration has; the fields here concern outputs and heads.

    Fields are plain attributes and may be set at any time; a model built afterwards follows them. Keys of a file that
    are no fields are kept as attributes too, and written back. Two configurations are equal when their classes and
    contents are.

    Attributes:
        model_type: the architecture's name in files and in the entry points.
        accepted_model_types: further values of a file's `model_type` that the class reads.
        aliases: further names of fields, alias -> field: read, written, and accepted as keywords and JSON keys.
        pretrained_config_archive_map: published name -> URL of its configuration.
        file_names: the names a folder's configuration may have, the authors' own after `config.json`.
        checkpoint_names: the names of the authors' checkpoints of weights that hold the configuration too, where they
            have no file for it.
        unread: keywords of the constructor of 2019 that no model reads: kept, as keys of a file that are no fields are.
        limits: field -> its largest value, for sizes beyond `MAX_SIZES`: `BertConfig.limits = {"hidden_size": 10**6}`.

    Args:
        vocab_size_or_config_json_file: the vocabulary's size, or the path of a JSON file to start from.
        fields: values of fields, by name or alias.

    Raises:
        TypeError: a keyword is no field.
        ValueError: a value is of the wrong type or impossible.
    """

    # Without annotations these are no fields to dataclass, and typing need not be imported for ClassVar.
    model_type = ""
    accepted_model_types = _NO_TYPES
    aliases = _NO_NAMES
    pretrained_config_archive_map = _NO_NAMES
    file_names = _FILE_NAMES
    checkpoint_names = _NO_TYPES
    unread = _NO_TYPES
    limits = _NO_LIMITS
    # Apart from the attributes, which are written: the keys of the file that are no fields, and those that it has as
    # null.
    __slots__ = ("__dict__", "__weakref__", "_kept", "_nulls")
    __signature__ = FieldSignature()

    if TYPE_CHECKING:
        # Fields or aliases of every architecture.
        vocab_size: int = 0
        hidden_size: int = 0
        num_attention_heads: int = 0
        num_hidden_layers: int = 0

    output_attentions: bool = False
    output_hidden_states: bool = False
    torchscript: bool = False
    is_decoder: bool = False
    num_labels: int = 2
    id2label: dict[int, Any] | None = None
    label2id: dict[str, Any] | None = None
    problem_type: str | None = None
    finetuning_task: str | None = None
    tie_word_embeddings: bool = True
    pruned_heads: dict[int, list[int]] = field(default_factory=dict)

    def __init_subclass__(cls, architecture: Architecture | None = None) -> None:
        super().__init_subclass__()
        if architecture is not None:
            cls.model_type = architecture.model_type
            cls.pretrained_config_archive_map = architecture.archive_map("config.json")
        for alias, name in cls.aliases.items():
            setattr(cls, alias, alias_of(name))

    def __init__(
        self, vocab_size_or_config_json_file: int | str | os.PathLike[str] | None = None, **fields: Any
    ) -> None:
        known = self._names()
        self._kept: frozenset[str] = frozenset()
        self._nulls: frozenset[str] = frozenset()
        for name, each in fields_of(type(self)).items():
            self.__dict__[name] = default_of(each)
        first = vocab_size_or_config_json_file
        if isinstance(first, (str, os.PathLike)):
            self._read_file(first)
        elif first is not None:
            if "vocab_size" in fields:
                raise TypeError(
                    f"vocab_size is given twice: {FIRST}={quoted(first)}, vocab_size={quoted(fields['vocab_size'])}"
                )
            fields["vocab_size"] = first
        for name in (name for name in fields if name not in known and name not in self.unread):
            raise TypeError(f"{type(self).__name__} has no field {quoted(name)}{nearest_field(name, known)}")
        self._update(fields)
        self._check(first if isinstance(first, (str, os.PathLike)) else None)

    @classmethod
    def _names(cls) -> dict[str, str]:
        """Every name by which a field can be given -> the field."""
        from inspect import get_annotations

        fields = fields_of(cls)
        undeclared = [
            name
            for each in cls.__mro__
            for name, annotation in get_annotations(each).items()
            if name not in fields and "ClassVar" not in str(annotation)
        ]
        if undeclared:
            raise TypeError(
                f"{cls.__name__} annotates {', '.join(undeclared)} but is no dataclass: "
                "decorate it with @dataclass(init=False, eq=False, repr=False)"
            )
        return {**{name: name for name in fields}, **cls.aliases}

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        # Labels of another number of classes are stale; names of classes tell how many there are.
        state = self.__dict__
        if name == "num_labels":
            for labels in ("id2label", "label2id"):
                if state.get(labels) and len(state[labels]) != value:
                    state[labels] = None
        elif name == "id2label" and value:
            state["num_labels"] = len(value)
            if state.get("label2id") and not inverse(value, state["label2id"]):
                state["label2id"] = None

    def _update(self, values: Mapping[str, Any], file: bool = False) -> None:
        """Set fields, by name or alias, and (from a file) keep what is none.

        Raises:
            ValueError: naming key and value.
        """
        known, annotations = self._names(), annotations_of(type(self))
        given: dict[str, Any] = {}
        kept: dict[str, Any] = {}
        spelt: dict[str, str] = {}
        for key, value in values.items():
            name = known.get(key, key)
            if name not in annotations:
                if hasattr(type(self), key) and key not in self.__dict__:
                    raise ValueError(
                        f"{quoted(key)} cannot be kept: {type(self).__name__}.{key} has another meaning; rename it"
                    )
                kept[key] = copy.deepcopy(value)
                continue
            try:
                value = conform(value, annotations[name], text_keys=True)
            except ValueError as error:
                raise ValueError(f"{key} is {quoted(value)}, {error}") from None
            first = spelt.setdefault(name, key)
            if given.setdefault(name, value) != value:
                raise ValueError(
                    f"{first}={quoted(given[name])} and {key}={quoted(value)} are one field, {name}: give one of them"
                )
        agree(given)
        # Each of these may reset those after it.
        order = {"num_labels": 0, "id2label": 1, "label2id": 2}
        for name in sorted(given, key=lambda name: order.get(name, 3)):
            setattr(self, name, given[name])
        if file:
            self._kept = frozenset(kept) - frozenset(self.__dict__)
            # A dictionary with every field is one of `to_dict`, whose nulls say nothing.
            whole = annotations.keys() <= values.keys()
            self._nulls = frozenset() if whole else frozenset(name for name in given if given[name] is None)
        self.__dict__.update(kept)
        if kept and file:
            # Imported here: it takes a tenth of the time that importing a configuration takes, and is seldom needed.
            import logging

            logger = logging.getLogger(__name__)
            logger.info("kept keys that are no fields of %s: %s", type(self).__name__, ", ".join(sorted(kept)))

    def _read(self, values: Mapping[str, Any]) -> None:
        """Take the values of a JSON object.

        Raises:
            ValueError: it configures another architecture, or a value is of the wrong type.
        """
        if nests_too_deep(values):
            raise ValueError(f"values are nested deeper than {MAX_DEPTH} levels")
        found = values.get("model_type")
        if self.model_type:
            if found is not None and found not in (self.model_type, *self.accepted_model_types):
                from .architecture import cure

                raise ValueError(
                    f"model_type is {quoted(found)}, but {type(self).__name__} is the configuration of "
                    f"{quoted(self.model_type)}: {cure(shorten(str(found)))}"
                )
            values = {key: value for key, value in values.items() if key != "model_type"}
        elif found is not None:
            self.__dict__["model_type"] = found
            values = {key: value for key, value in values.items() if key != "model_type"}
        self._update(values, file=True)

    def _read_file(self, path: str | os.PathLike[str]) -> None:
        read: Callable[[Mapping[str, Any]], None] = self._read
        if self.checkpoint_names and is_pickled(path):
            from .checkpoints import open_checkpoint

            with open_checkpoint(os.fspath(path)) as checkpoint:
                values, read = self._values_of(checkpoint), self._update
        else:
            values = read_config(path)
        try:
            read(values)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from None

    def _values_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """The fields that one of the authors' checkpoints tells. For classes that have `checkpoint_names`.

        Raises:
            ValueError: it tells none, or they are no configuration of this class; names the file.
        """
        raise NotImplementedError

    def _check(self, path: str | os.PathLike[str] | None) -> None:
        """Validate; errors name the file that the values come from, if it is one."""
        try:
            self.validate()
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}" if path is not None else str(error)) from None

    def validate(self) -> None:
        """Check that every field is of its type and within its range.

        Called at the end of construction and by the constructors of models. Architectures extend it.

        Raises:
            ValueError: naming the field and the value.
        """
        for name, annotation in annotations_of(type(self)).items():
            try:
                conform(getattr(self, name), annotation, text_keys=False)
            except ValueError as error:
                raise ValueError(f"{name} is {quoted(getattr(self, name))}, {error}") from None
        check_positive(self, "num_labels")
        check_choice(
            self,
            "problem_type",
            (None, "regression", "single_label_classification", "multi_label_classification"),
        )

    def validate_relations(self) -> None:
        """Check that the values together make a model.

        Called when a model is built or loaded, after `validate`. A configuration by itself need not make one.
        Architectures extend it.

        Raises:
            ValueError: naming the fields that disagree, and their values.
        """
        if not self.pruned_heads:
            return
        layers, heads = self.num_hidden_layers, self.num_attention_heads
        gone: dict[int, set[int]] = {}
        for layer, pruned in self.pruned_heads.items():
            if not -layers <= layer < layers:
                raise ValueError(f"pruned_heads names layer {layer}, but num_hidden_layers is {layers}")
            for head in pruned:
                if not 0 <= head < heads:
                    raise ValueError(
                        f"pruned_heads names head {head} of layer {layer}, but num_attention_heads is {heads}"
                    )
            index = layer % layers
            gone.setdefault(index, set()).update(pruned)
            if len(gone[index]) == heads:
                raise ValueError(f"pruned_heads leaves none of the {heads} heads of layer {index}")

    @classmethod
    def field_names(cls) -> list[str]:
        """Every name by which a field can be given, aliases too."""
        return [*cls._names()]

    def has_field(self, name: str) -> bool:
        """Whether a keyword is a field of this configuration, an alias of one, or an attribute that was set.

        A key that only the file has is none: tx does not know what it means.
        """
        return name in self._names() or (name in self.__dict__ and name not in self._kept)

    def changed(self, values: Mapping[str, Any]) -> Self:
        """A copy with other values of fields, by name or alias.

        Raises:
            ValueError: a value is of the wrong type, or two contradict each other.
        """
        twin = copy.deepcopy(self)
        twin._update(values)
        return twin

    @property
    def longest_sequence(self) -> int | None:
        """How many tokens a model takes at once; None if there is no limit."""
        return getattr(self, "max_position_embeddings", None)

    def kept_heads(self, layer: int) -> list[int]:
        """The attention heads of a layer that are not pruned, numbered as in the unpruned model."""
        pruned: set[int] = set()
        for index, heads in self.pruned_heads.items():
            if index % self.num_hidden_layers == layer:  # negative layers count from the last
                pruned.update(heads)
        return [head for head in range(self.num_attention_heads) if head not in pruned]

    @overload
    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        return_unused_kwargs: Literal[False] = False,
        **kwargs: Any,
    ) -> Self: ...

    @overload
    @classmethod
    def from_pretrained(  # noqa: F811
        cls, pretrained_model_name_or_path: str | os.PathLike[str], return_unused_kwargs: Literal[True], **kwargs: Any
    ) -> tuple[Self, dict[str, Any]]: ...

    @classmethod
    def from_pretrained(  # noqa: F811
        cls, pretrained_model_name_or_path: str | os.PathLike[str], return_unused_kwargs: bool = False, **kwargs: Any
    ) -> Self | tuple[Self, dict[str, Any]]:
        """The configuration of a folder, a file, a URL or a name of the hub.

        Args:
            pretrained_model_name_or_path: a folder with `config.json` (or another of `file_names` and
                `checkpoint_names`), the path or URL of such a file, or a name such as "bert-base-uncased" or
                "organisation/name".
            return_unused_kwargs: also return the keywords that are neither fields nor download options.
            kwargs: values that replace those of the file, and download options (see `tx_core.files.Source`).

        Raises:
            OSError: there is no such folder, repository or file.
            ValueError: the file is no configuration of this class, or the values are impossible; names the file.
            TypeError: a keyword is neither a field nor an option (without `return_unused_kwargs`).
        """
        from .files import Source

        path = cls.find(pretrained_model_name_or_path, Source.take(kwargs))
        config, unused = cls._load(path, kwargs)
        if return_unused_kwargs:
            return config, unused
        for name in unused:
            raise TypeError(f"{cls.__name__} has no field {quoted(name)}{nearest_field(name, cls._names())}")
        return config

    @classmethod
    def find(cls, name_or_path: str | os.PathLike[str], source: Source) -> Path:
        """The file that holds the configuration of what a name stands for, fetched if need be.

        Raises:
            OSError: there is no such folder, repository or file.
        """
        from .files import locate

        names = (*cls.file_names, *cls.checkpoint_names)
        path = locate(name_or_path, names, source)
        if path is None:
            raise FileNotFoundError(
                f"{os.fspath(name_or_path)} has no {' or '.join(names)}: pass config={cls.__name__}(...) to "
                f"the model, or write the file with {cls.__name__}(...).save_pretrained(folder)"
            )
        return path

    @classmethod
    def _load(cls, path: str | os.PathLike[str], kwargs: Mapping[str, Any]) -> tuple[Self, dict[str, Any]]:
        """The configuration of a file changed by keywords, and the keywords that are none of its fields."""
        config = cls()
        config._read_file(path)
        config._update({name: value for name, value in kwargs.items() if config.has_field(name)})
        config._check(path)
        return config, {name: value for name, value in kwargs.items() if not config.has_field(name)}

    def save_pretrained(self, save_directory: str | os.PathLike[str]) -> None:
        """Write `config.json` into a folder, which is made if need be.

        Raises:
            NotADirectoryError: the path is that of a file.
        """
        from .files import CONFIG_NAME

        if os.path.isfile(save_directory):
            raise NotADirectoryError(f"{os.fspath(save_directory)} is a file; save_pretrained wants a folder")
        os.makedirs(save_directory, exist_ok=True)
        self.to_json_file(os.path.join(save_directory, CONFIG_NAME))

    @classmethod
    def from_dict(cls, json_object: Mapping[str, Any]) -> Self:
        """The configuration of a dictionary such as `to_dict` gives or a `config.json` holds.

        Raises:
            ValueError: naming key and value.
        """
        config = cls()
        config._read(json_object)
        config.validate()
        return config

    @classmethod
    def from_json_file(cls, json_file: str | os.PathLike[str]) -> Self:
        """The configuration of a JSON file.

        Raises:
            OSError: it cannot be read.
            ValueError: naming file, key and value.
        """
        return cls._load(json_file, {})[0]

    def to_dict(self) -> dict[str, Any]:
        """A deep copy of the fields, the kept keys and `model_type`."""
        return {**copy.deepcopy(self.__dict__), "model_type": self.model_type}

    def to_json_string(self) -> str:
        """JSON of `to_dict`, keys sorted, as it is written to `config.json`.

        A field that is None by default is left out while it is None, unless the file that was read has it: other
        programs refuse some of these.

        Raises:
            TypeError: an attribute that was set has no form in JSON; names it.
        """
        import json

        empty = {name for name, each in fields_of(type(self)).items() if default_of(each) is None} - self._nulls
        values = {name: value for name, value in self.to_dict().items() if value is not None or name not in empty}
        try:
            return json.dumps(values, indent=2, sort_keys=True) + "\n"
        except TypeError:
            for name, value in values.items():
                try:
                    json.dumps(value, sort_keys=True)
                except TypeError as error:
                    raise TypeError(
                        f"{type(self).__name__}.{name} is {quoted(value)}, which cannot be written as JSON ({error}): "
                        "set it to a number, text, list or dictionary, or delete it"
                    ) from None
            raise

    def to_json_file(self, json_file_path: str | os.PathLike[str]) -> None:
        """Write `to_json_string` to a file (through a temporary file beside it, so that no half is ever seen)."""
        from pathlib import Path

        from .files import atomic_write

        text = self.to_json_string()
        with atomic_write(Path(json_file_path)) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PretrainedConfig):
            return NotImplemented
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        defaults = {name: default_of(each) for name, each in fields_of(type(self)).items()}
        changed = [f"{name}={value!r}" for name, value in self.__dict__.items() if value != defaults.get(name, MISSING)]
        return f"{type(self).__name__}({', '.join(changed)})"


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The object that a configuration file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than 8 MiB, not JSON, no object, or gives a key twice; names the file.
    """
    return read_json_object(path, MAX_FILE_BYTES)


def check_positive(config: PretrainedConfig, *names: str) -> None:
    """Raise ValueError unless these fields are from 1 to their bounds (`PretrainedConfig.limits`, `MAX_SIZES`)."""
    for name in names:
        value, largest = getattr(config, name), _largest(config, name)
        if value < 1:
            raise ValueError(f"{name} is {value}, expected 1 to {largest}")
        if value > largest:
            kind = type(config).__name__
            raise ValueError(
                f"{name} is {value}, expected 1 to {largest}; for a larger model set "
                f"{kind}.limits = {{{name!r}: {value}}} first"
            )


def _largest(config: PretrainedConfig, name: str) -> int:
    names = [name, *(alias for alias, field in config.aliases.items() if field == name)]
    bounds = (bounds[each] for bounds in (type(config).limits, MAX_SIZES) for each in names if each in bounds)
    return next(bounds, MAX_SIZE)


def check_not_negative(config: PretrainedConfig, *names: str) -> None:
    """Raise ValueError if one of these fields is below 0 (None passes, where their type has it)."""
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 0:
            raise ValueError(f"{name} is {value}, expected 0 or more")


def check_probability(config: PretrainedConfig, *names: str) -> None:
    """Raise ValueError unless these fields are from 0 to 1 (or None, where their type has it)."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}, expected a probability from 0 to 1")


def check_divisible(config: PretrainedConfig, size: str, parts: str) -> None:
    """Raise ValueError unless the field `size` is a multiple of the field `parts`."""
    whole, number = getattr(config, size), getattr(config, parts)
    if whole % number:
        raise ValueError(f"{size} is {whole}, which is not divisible by {parts}, {number}")


def check_choice(config: PretrainedConfig, name: str, choices: Sequence[object]) -> None:
    """Raise ValueError unless the field is one of the choices."""
    value = getattr(config, name)
    if value not in choices:
        raise ValueError(f"{name} is {quoted(value)}, expected one of {', '.join(map(repr, choices))}")


def check_activation(config: PretrainedConfig, *names: str) -> None:
    """Raise ValueError unless these fields name activation functions of both frameworks (`ACTIVATIONS`)."""
    for name in names:
        check_choice(config, name, ACTIVATIONS)


def check_summary(config: Any) -> None:
    """Raise ValueError unless the fields of a head that scores whole sequences (`summary_…`) are possible."""
    check_choice(config, "summary_type", SUMMARY_TYPES)
    check_probability(config, "summary_first_dropout")
    if config.summary_activation is not None:
        check_activation(config, "summary_activation")
