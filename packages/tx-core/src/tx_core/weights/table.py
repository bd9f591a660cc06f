"""Weight names as data, and loading that is strict and explained. NumPy only.

An architecture states its parameters once, as a :class:`WeightTable` of rows: the published (PyTorch) name, the name in
its authors' own checkpoints, and how the authors' array becomes the published one. Everything that reads or writes a
checkpoint (either framework, any file format) goes through that table; a name that no row covers is an error.

Three spellings of a name occur:

- *published*: ``bert.encoder.layer.0.attention.self.query.weight``, always with the architecture's prefix here
  (files of a bare ``BertModel`` leave the prefix out, which :meth:`WeightTable.published` restores);
- *original*: the authors' own, e.g. ``bert/encoder/layer_0/attention/self/query/kernel``;
- *Keras*: that of ``tf_model.h5`` files, e.g. ``bert/encoder/layer_._0/attention/self/query/kernel:0``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tx_core.messages import shorten

if TYPE_CHECKING:
    from types import TracebackType

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]

# A layout is how the original array becomes the published one, and back. The third function gives the published shape.
_LAYOUTS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array], Callable[[Shape], Shape]]] = {
    "same": (lambda a: a, lambda a: a, lambda s: s),
    "transpose": (lambda a: a.T, lambda a: a.T, lambda s: s[::-1]),
    # TensorFlow 1's conv1d kernels and stacked scalars: a leading axis of one.
    "squeeze": (lambda a: a.reshape(a.shape[1:]), lambda a: a.reshape((1, *a.shape)), lambda s: s[1:]),
    # The same, where some files leave the axis out.
    "conv1d": (
        lambda a: a.reshape(_without_one(a.shape)),
        lambda a: a.reshape((1, *a.shape)),
        lambda s: _without_one(s),
    ),
}


# Parts of a Keras name that are tried as the beginning of a published one; real names have a dozen.
_MOST_PARTS = 32


def _without_one(shape: Shape) -> Shape:
    return shape[1:] if len(shape) == 3 and shape[0] == 1 else shape


@dataclass(frozen=True)
class Row:
    """One parameter, or one a layer where the name has ``{i}`` (further indices: ``{j}``).

    Args:
        name: the published name, with the architecture's prefix.
        original: the name in the authors' checkpoints; None where they have no such parameter.
        layout: how the authors' array becomes the published one: ``same``, ``transpose``, ``squeeze``, ``conv1d``.
        keras: the leaf of the name in ``tf_model.h5``: ``kernel`` (transposed there), ``weight``, ``embeddings``,
            ``gamma``, ``beta``, ``bias``; by default what the published name implies.
    """

    name: str
    original: str | None = None
    layout: str = "same"
    keras: str = ""

    @property
    def keras_leaf(self) -> str:
        """The last part of the name in a ``tf_model.h5`` file."""
        if self.keras:
            return self.keras
        *_, owner, leaf = ("", *self.name.split("."))
        norm = "LayerNorm" in owner or "layer_norm" in owner or owner.startswith("ln_")
        if leaf == "weight":
            return "gamma" if norm else "embeddings" if owner.endswith("embeddings") else "kernel"
        return "beta" if leaf == "bias" and norm else leaf


@dataclass(frozen=True)
class Tied:
    """A second published name of the same parameter, e.g. an output layer that shares the word embeddings."""

    alias: str
    name: str


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w\}|\*)", template)
    return re.compile(
        "".join("(.*)" if p == "*" else r"(\d{1,6})" if p.startswith("{") else re.escape(p) for p in parts)
    )


def _skeleton(name: str) -> str:
    return re.sub(r"\d+|\{\w\}", "#", name)


class _Names:
    """Finds the row whose template a name fits, and its indices, without trying every row."""

    def __init__(self, templates: Iterable[tuple[str, Row]]) -> None:
        self._rows: dict[str, list[tuple[re.Pattern[str], Row]]] = {}
        for template, row in templates:
            self._rows.setdefault(_skeleton(template), []).append((_pattern(template), row))

    def find(self, name: str) -> tuple[Row, tuple[str, ...]] | None:
        for pattern, row in self._rows.get(_skeleton(name), ()):
            if match := pattern.fullmatch(name):
                return row, match.groups()
        return None


def _fill(template: str, indices: Sequence[str]) -> str:
    for index in indices:
        template = re.sub(r"\{\w\}", index, template, count=1)
    return template


@dataclass(frozen=True)
class WeightTable:
    """All parameters of an architecture, of every head.

    Args:
        prefix: what the published names of models with a head put before the base model's, e.g. ``bert``.
        rows: every parameter of every class.
        tied: second names of parameters.
        dropped: published names that old or foreign files carry and that are no parameters (buffers); ``*`` stands
            for anything.
        dropped_originals: the same for the authors' checkpoints (optimizer slots, step counters).
        original_files: names that the authors' checkpoints have in a folder.
        renamed: (old ending, new ending) of published names that changed in 2019.
        keras_layers: published prefix → prefix in ``tf_model.h5`` where they differ, e.g. ``cls.predictions`` →
            ``mlm___cls.predictions``.
        keras_repeated: layer in ``tf_model.h5`` → published prefix of parameters that stand in it a second time,
            because the layer was built with them (a tied output layer).
    """

    prefix: str
    rows: tuple[Row, ...]
    tied: tuple[Tied, ...] = ()
    dropped: tuple[str, ...] = ()
    dropped_originals: tuple[str, ...] = ()
    original_files: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    keras_layers: Mapping[str, str] = field(default_factory=dict)
    keras_repeated: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> _Names:
        aliases = [(tied.alias, Row(tied.alias)) for tied in self.tied]
        return _Names([(row.name, row) for row in self.rows] + aliases)

    @cached_property
    def _by_original(self) -> _Names:
        return _Names([(row.original, row) for row in self.rows if row.original is not None])

    @cached_property
    def _dropped(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_pattern(name) for name in self.dropped)

    @cached_property
    def _dropped_originals(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_pattern(name) for name in self.dropped_originals)

    def row(self, name: str) -> Row | None:
        """The row that covers a published name (with prefix), or None."""
        found = self._by_name.find(name)
        return found[0] if found else None

    def published(self, name: str) -> str | None:
        """The published name, with prefix, of a name as PyTorch files spell it; None if no row covers it."""
        for old, new in self.renamed:
            if name.endswith(old):
                name = name[: -len(old)] + new
        for candidate in (name, f"{self.prefix}.{name}"):
            if self._by_name.find(candidate) or self._is_dropped(candidate):
                return candidate
        return None

    def _is_dropped(self, name: str) -> bool:
        return any(pattern.fullmatch(name) for pattern in self._dropped)

    def from_original(self, name: str) -> tuple[str, str] | None:
        """(published name, layout) of a name in the authors' checkpoints; None if no row covers it."""
        found = self._by_original.find(name)
        return (_fill(found[0].name, found[1]), found[0].layout) if found else None

    def to_original(self, name: str) -> tuple[str, str] | None:
        """(original name, layout) of a published name; None where the authors have no such parameter."""
        found = self._by_name.find(name)
        if found is None or found[0].original is None:
            return None
        return _fill(found[0].original, found[1]), found[0].layout

    def from_keras(self, name: str) -> tuple[str, str] | None:
        """(published name, layout) of a name in a Keras-2-era file, ``layer/model/…/leaf:0`` or ``…/leaf:0``.

        Such names begin with the layer's and the model's own names, either of which may be absent or carry a counter:
        the longest tail that a row covers is the parameter.
        """
        parts = name.removesuffix(":0").split("/")
        *path, leaf = [p for part in parts for p in part.split("_._")]
        path = [part.rpartition("___")[2] for part in path]
        endings = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}
        for start in range(max(0, len(path) - _MOST_PARTS), len(path)):
            candidate = ".".join((*path[start:], endings.get(leaf, leaf)))
            published = self.published(candidate)
            if published is not None:
                return published, "transpose" if leaf == "kernel" else "same"
        return None

    def to_keras(self, name: str, model_name: str) -> tuple[str, str, str]:
        """(layer, weight name, layout) under which a ``tf_model.h5`` file holds a published name.

        Args:
            name: published name with prefix.
            model_name: the Keras model's own name, e.g. ``tf_bert_for_masked_lm``.
        """
        found = self._by_name.find(name)
        if found is None:
            raise WeightsError(f"{name!r} is no parameter of the {self.prefix!r} architecture, so it has no Keras name")
        row, indices = found
        template = row.name
        for prefix, keras in self.keras_layers.items():
            if template.startswith(f"{prefix}."):
                template = keras + template[len(prefix) :]
        # A layer's number is part of its name there, "layer_._0"; the items of a sequence are levels, "ffn/0".
        path = _fill(re.sub(r"/(\{\w\})", r"_._\1", template.rpartition(".")[0].replace(".", "/")), indices)
        leaf = row.keras_leaf
        # A parameter of the model itself has no layer: Keras files keep it under this name.
        layer = path.split("/")[0] if path else "top_level_model_weights"
        weight = "/".join(filter(None, (model_name, path, f"{leaf}:0")))
        return layer, weight, "transpose" if leaf == "kernel" else "same"

    def aliases(self) -> dict[str, str]:
        """alias → parameter, for all tied names."""
        return {tied.alias: tied.name for tied in self.tied}


class WeightsError(ValueError):
    """A file's weights do not fit the model. ``report`` says how, name by name."""

    def __init__(self, message: str, report: LoadReport | None = None) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True, repr=False)
class LoadReport(Mapping[str, list[Any]]):
    """What a load did, by published name. Also the mapping that ``output_loading_info=True`` returned in 2019.

    Attributes:
        source: where the weights came from.
        loaded: parameters taken from the file.
        missing_keys: parameters of the model that the file does not have.
        newly_initialized: those of them that are a new head's, initialised as the configuration says.
        unexpected_keys: names in the file that the architecture does not know.
        dropped: names in the file that are known and not needed (another head's parameters, buffers, optimizer slots).
        mismatched_keys: (name, shape in the file, shape in the model).
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    newly_initialized: list[str] = field(default_factory=list)
    unexpected_keys: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    mismatched_keys: list[tuple[str, Shape, Shape]] = field(default_factory=list)
    error_msgs: list[str] = field(default_factory=list)

    _KEYS = ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs")

    def __getitem__(self, key: str) -> list[Any]:
        if key not in self._KEYS:
            raise KeyError(key)
        value: list[Any] = getattr(self, key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._KEYS)

    def __len__(self) -> int:
        return len(self._KEYS)

    def __repr__(self) -> str:
        counts = ("loaded", "newly_initialized", "missing_keys", "unexpected_keys", "mismatched_keys", "dropped")
        return f"LoadReport({self.source!r}, {', '.join(f'{len(getattr(self, n))} {n}' for n in counts)})"

    def problems(self) -> str:
        """The differences that make a load fail, in words; empty if there are none."""
        lines = []
        new = set(self.newly_initialized)
        if missing := [name for name in self.missing_keys if name not in new]:
            lines.append(_listed("missing from the file", missing))
        if self.unexpected_keys:
            lines.append(_listed("in the file, unknown to the model", self.unexpected_keys))
        lines += [
            f"{name}: the file has shape {found}, the model wants {wanted}"
            for name, found, wanted in self.mismatched_keys
        ]
        return "\n".join(lines + self.error_msgs)


def _listed(title: str, names: Sequence[str], most: int = 12) -> str:
    rest = f"\n  … and {len(names) - most} more" if len(names) > most else ""
    return f"{title} ({len(names)}):" + "".join(f"\n  {shorten(name)}" for name in names[:most]) + rest


class _Raw(Protocol):
    """What is needed of a :class:`tx_core.checkpoints.Checkpoint`."""

    @property
    def format(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    def names(self) -> list[str]: ...
    def info(self, name: str) -> Any: ...
    def read(self, name: str) -> Array: ...
    def take(self, name: str) -> Array: ...
    def give_back(self, name: str) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Entry:
    raw: str
    layout: str
    shape: Shape
    dtype: str


class Weights:
    """A checkpoint seen through a table: arrays by published name, read one at a time.

    Args:
        raw: an open checkpoint; closed with this object.
        table: the architecture's.
        known: name in the file → published name, of parameters that no row covers (a user's own head).
        source: what messages call the file.
    """

    def __init__(self, raw: _Raw, table: WeightTable, known: Mapping[str, str] | None = None, source: str = "") -> None:
        self._raw = raw
        self.source = source
        self.unexpected: list[str] = []
        self.dropped: list[str] = []
        self._entries: dict[str, _Entry] = {}
        self._twins: list[tuple[str, str]] = []  # (raw name, raw name) of the same parameter, to be compared
        own = known or {}
        for name in raw.names():
            translated = (own[name], "same") if name in own else self._translate(name, table)
            if translated is None:
                self.unexpected.append(name)
                continue
            published, layout = translated
            if not published or table._is_dropped(published):
                self.dropped.append(name)
                continue
            info = raw.info(name)
            published, layout, shape = self._keras_vector(published, layout, tuple(info.shape))
            entry = _Entry(name, layout, _LAYOUTS[layout][2](shape), str(info.dtype))
            if (first := self._entries.get(published)) is not None:
                self._twins.append((first.raw, name))
            self._entries.setdefault(published, entry)

    def _translate(self, name: str, table: WeightTable) -> tuple[str, str] | None:
        if self._raw.format in ("tf1", "npy_shards"):
            if any(pattern.fullmatch(name) for pattern in table._dropped_originals):
                return "", "same"
            return table.from_original(name)
        if self._is_keras():
            return table.from_keras(name)
        published = table.published(name)
        return (published, "same") if published else None

    def _is_keras(self) -> bool:
        # The reference writes safetensors from TensorFlow with Keras's names and layouts.
        return self._raw.format == "keras_h5" or self._raw.metadata.get("format") == "tf"

    def _keras_vector(self, name: str, layout: str, shape: Shape) -> tuple[str, str, Shape]:
        # Keras-era files keep the biases of GPT-2's Conv1D as (1, n).
        if self._is_keras() and name.endswith(".bias") and len(shape) == 2 and shape[0] == 1:
            return name, "squeeze", shape
        return name, layout, shape

    def names(self) -> list[str]:
        """Published names, in the file's order."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def shape(self, name: str) -> Shape:
        """Shape in the published layout."""
        return self._entries[name].shape

    def dtype(self, name: str) -> str:
        return self._entries[name].dtype

    def read(self, name: str) -> Array:
        """The array in the published layout (possibly a transposed view)."""
        entry = self._entries[name]
        return _LAYOUTS[entry.layout][0](self._raw.read(entry.raw))

    def take(self, name: str) -> Array:
        """As :meth:`read`, of memory that the caller may keep: see :meth:`tx_core.checkpoints.Checkpoint.take`."""
        entry = self._entries[name]
        return _LAYOUTS[entry.layout][0](self._raw.take(entry.raw))

    def give_back(self, name: str) -> None:
        """Free the memory of an array that was taken, and is neither changed nor needed any longer."""
        self._raw.give_back(self._entries[name].raw)

    def differing_twins(self) -> list[str]:
        """Messages on names that stand twice in the file for one parameter, with different values."""
        return [
            f"{first!r} and {second!r} are one parameter, yet the file gives them different values"
            for first, second in self._twins
            if not np.array_equal(self._raw.read(first), self._raw.read(second))
        ]

    def close(self) -> None:
        self._raw.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def compare(
    weights: Weights,
    wanted: Mapping[str, Shape],
    table: WeightTable,
    new_heads: Sequence[Sequence[str]],
    tied: Mapping[str, str],
    users_base: str | None = None,
) -> tuple[LoadReport, dict[str, str]]:
    """Match a checkpoint against a model's parameters; nothing is assigned here.

    Args:
        weights: the checkpoint.
        wanted: published name (with prefix) → shape, of every parameter of the model; tied names once.
        table: the architecture's.
        new_heads: chains of name prefixes (``{i}`` stands for any number) in the order of the forward pass. A group
            may be missing from the file only as a whole, and only if the later groups of its chain are missing too (a
            trained classifier without the pooler it was trained on is a broken file).
        tied: alias → parameter, as tied in this model.
        users_base: for a class that a user wrote, the prefix of the bare model it holds. What it adds to the
            architecture's table may be missing too, and each module beside the bare model and ``new_heads``, whatever
            it is called, as a whole.

    Returns:
        The report, and for every loaded parameter the name in ``weights`` it is read from.

    Raises:
        WeightsError: if anything is missing but a new head, or unexpected, or of another shape or kind.
    """
    report = LoadReport(weights.source, unexpected_keys=list(weights.unexpected), dropped=list(weights.dropped))
    origin: dict[str, str] = {}
    names_of: dict[str, list[str]] = {}
    for alias, name in tied.items():
        names_of.setdefault(name, []).append(alias)
    for name, shape in wanted.items():
        present = [n for n in (name, *names_of.get(name, ())) if n in weights]
        if not present:
            report.missing_keys.append(name)
            continue
        for other in present[1:]:
            if weights.shape(other) == weights.shape(present[0]) and not np.array_equal(
                weights.read(other), weights.read(present[0])
            ):
                report.error_msgs.append(
                    f"{present[0]} and {other} are tied in this model, yet the file gives them different values "
                    "(load it with tie_word_embeddings=False)"
                )
        if weights.shape(present[0]) != shape:
            report.mismatched_keys.append((name, weights.shape(present[0]), shape))
        elif not re.match(r"float|bfloat|complex", weights.dtype(present[0])):
            report.error_msgs.append(f"{name}: the file has dtype {weights.dtype(present[0])}, the model wants floats")
        else:
            origin[name] = present[0]
            report.loaded.append(name)
    used = {n for name in wanted for n in (name, *names_of.get(name, ()))} | set(origin.values())
    for name in weights.names():
        if name not in used:
            # Another head's parameters: the table knows them, this class has no use for them.
            report.dropped.append(name)
    report.error_msgs.extend(weights.differing_twins())
    report.newly_initialized.extend(_new(report.missing_keys, list(wanted), table, new_heads, users_base))
    if not origin:
        report.error_msgs.append("the file has none of the model's parameters")
    if problems := report.problems():
        raise WeightsError(f"{weights.source or 'the weights'} cannot be loaded:\n{problems}{_hint(report)}", report)
    return report, origin


def _new(
    missing: Sequence[str],
    wanted: Sequence[str],
    table: WeightTable,
    chains: Sequence[Sequence[str]],
    users_base: str | None,
) -> list[str]:
    absent = set(missing)
    allowed: set[str] = set()
    if users_base is not None:
        allowed.update(name for name in missing if table.row(name) is None)
        known = {users_base, *(group.partition(".")[0] for chain in chains for group in chain)}
        modules = dict.fromkeys(name.partition(".")[0] for name in wanted)
        chains = [*chains, *([module] for module in modules if module not in known)]
    for chain in chains:
        later_are_missing = True
        for group in reversed(chain):
            pattern = re.compile(_pattern(group).pattern + r"(\..*)?")
            members = [name for name in wanted if pattern.fullmatch(name)]
            whole = bool(members) and absent.issuperset(members)
            if whole and later_are_missing:
                allowed.update(members)
            later_are_missing = later_are_missing and (whole or not members)
    return [name for name in missing if name in allowed]


def _hint(report: LoadReport) -> str:
    if report.unexpected_keys and all(name.startswith("module.") for name in report.unexpected_keys):
        return "\nThe names begin with 'module.': save the model that DataParallel wraps (model.module)."
    heads = [m for m in report.mismatched_keys if m[0].rpartition(".")[0].endswith(("classifier", "qa_outputs"))]
    if heads:
        return "\nIs num_labels in the configuration that of the file?"
    return ""


def originals(arrays: Mapping[str, Callable[[], Array]], table: WeightTable) -> dict[str, Callable[[], Array]]:
    """The arrays under the names and in the layout of the authors' checkpoints, e.g. for ``write_tf1``.

    Args:
        arrays: published name (with prefix) → function that gives the array.

    Raises:
        WeightsError: if a parameter has no original name.
    """
    out: dict[str, Callable[[], Array]] = {}
    for name, array in arrays.items():
        found = table.to_original(name)
        if found is None:
            raise WeightsError(f"{name} has no name in the authors' checkpoints of the {table.prefix!r} architecture")
        out[found[0]] = _converted(array, _LAYOUTS[found[1]][1])
    return out


def keras_layers(
    arrays: Mapping[str, Callable[[], Array]], table: WeightTable, model_name: str
) -> dict[str, dict[str, Callable[[], Array]]]:
    """The arrays as layers of a ``tf_model.h5`` file: layer → weight name → function that gives the array."""
    layers: dict[str, dict[str, Callable[[], Array]]] = {}
    repeated: dict[str, dict[str, Callable[[], Array]]] = {}
    for name, array in arrays.items():
        layer, weight, layout = table.to_keras(name, model_name)
        converted = _converted(array, _LAYOUTS[layout][1])
        layers.setdefault(layer, {})[weight] = converted
        for other, prefix in table.keras_repeated.items():
            if name.startswith(f"{prefix}."):
                repeated.setdefault(other, {})[weight] = converted
    for layer in layers:
        layers[layer].update(repeated.get(layer, {}))
    return layers


def _converted(array: Callable[[], Array], convert: Callable[[Array], Array]) -> Callable[[], Array]:
    return lambda: np.ascontiguousarray(convert(array()))
