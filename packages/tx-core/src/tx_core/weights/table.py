"""The table of an architecture's parameters: its rows, and the spellings of a name.

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
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from tx_core.messages import quoted

from .layouts import Array
from .report import WeightsError
from .rows import PUBLISHED_LEAVES, Row, Tied

OPTIMIZER_SLOTS = (
    *("Adadelta", "Adafactor", "AdafactorOptimizer", "Adagrad", "Adam", "AdamOptimizer", "AdamW", "AdamWOptimizer"),
    *("AdamWeightDecay", "AdamWeightDecayOptimizer", "BERTAdam", "BertAdam", "ExponentialMovingAverage", "Ftrl"),
    *("LAMB", "LAMBOptimizer", "LARSOptimizer", "LambOptimizer", "Momentum", "MomentumOptimizer", "RMSProp"),
    *("adam_m", "adam_v", "lamb_m", "lamb_v", "m", "v", "vc", "vr"),
)
"""What optimizers append to the name of a parameter for what they note of it, after a slash, and possibly numbered."""

OPTIMIZER_STATE = (
    *("global_step", "beta1_power", "beta2_power", "learning_rate", r"loss_scale\w*", "current_loss_scale"),
    *("good_steps", "bad_steps", "num_good_steps", "num_bad_steps"),
)
"""Patterns of names in the authors' checkpoints that are no parameters, whatever the architecture.

They may be numbered, and lie in a scope. All that lies in the scope ``training`` is the optimizer's.
"""

# Parts of a Keras name that are tried as the beginning of a published one; real names have a dozen.
_MOST_PARTS = 32


@dataclass(frozen=True)
class TF1:
    """What the authors' code, where it is TensorFlow 1's, has in a folder beside the checkpoint.

    Args:
        config: the file of the configuration; empty where the code has its sizes from somewhere else.
        fields: key in that file → field of the configuration.
    """

    config: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


class Place(NamedTuple):
    """Where another spelling has a parameter.

    Attributes:
        name: the name there.
        layout: how the original array becomes the published one, see :class:`Row`.
        part: which part of the original array the parameter is: ``(k, n)``, the k-th of n equal parts; ``k``, the item
            at k of a stack; ``"{i}"``, every item of a stack, each under ``name`` with its number; None, all of it.
        axes: see :class:`Row`.
    """

    name: str
    layout: str
    part: tuple[int, int] | str | int | None = None
    axes: int | None = None


def pattern(template: str) -> re.Pattern[str]:
    """What matches the names of a template: ``{i}`` stands for a number, ``*`` for anything."""
    parts = re.split(r"(\{\w\}|\*)", template)
    return re.compile(
        "".join(
            ".*" if part == "*" else rf"(?P<{part[1]}>\d{{1,6}})" if part.startswith("{") else re.escape(part)
            for part in parts
        )
    )


_SLOT = re.compile(rf"(?:/|_slot_)(?:{'|'.join(OPTIMIZER_SLOTS)})(?:_\d{{1,3}})?$")
_STATE = re.compile(rf"training/.*|(?:[\w.-]+/)*(?:{'|'.join(OPTIMIZER_STATE)})(?:_\d{{1,3}})?")


def is_optimizer_state(name: str, is_variable: Callable[[str], bool]) -> bool:
    """Whether a name in the authors' checkpoints is of an optimizer: known as such, or what it notes of a variable.

    Args:
        is_variable: whether there is a variable of that name. Another, with a slot appended, is unknown.
    """
    if _STATE.fullmatch(name):
        return True
    while found := _SLOT.search(name):  # a slot may itself be averaged
        name = name[: found.start()]
        if is_variable(name):
            return True
    return False


def _skeleton(name: str) -> str:
    return re.sub(r"\d+|\{\w\}", "#", name)


class _Names:
    """Finds the rows whose template a name fits, and its numbers, without trying every row."""

    def __init__(self, templates: Iterable[tuple[str, Row]]) -> None:
        rows: dict[str, list[Row]] = {}
        for template, row in templates:
            rows.setdefault(template, []).append(row)
        self._rows: dict[str, list[tuple[re.Pattern[str], list[Row]]]] = {}
        for template, its_rows in rows.items():
            self._rows.setdefault(_skeleton(template), []).append((pattern(template), its_rows))

    def find(self, name: str) -> tuple[list[Row], re.Match[str]] | None:
        for template, rows in self._rows.get(_skeleton(name), ()):
            if numbers := template.fullmatch(name):
                return rows, numbers
        return None


def _fill(template: str, numbers: re.Match[str]) -> str:
    found = numbers.groupdict()
    return re.sub(r"\{(\w)\}", lambda place: found.get(place[1], place[0]), template)


@dataclass(frozen=True)
class WeightTable:
    """All parameters of an architecture, of every head.

    Args:
        prefix: what the published names of models with a head put before the base model's, e.g. ``bert``.
        rows: every parameter of every class.
        tied: second names of parameters, of the layer that scores the vocabulary.
        tied_by: for ties that depend on the configuration in another way than by ``tie_word_embeddings``: a function
            of the configuration that gives them, without ``{i}``. Rows name both parameters.
        other_originals: further names of parameters in the authors' checkpoints, which other releases of their code
            wrote. They are read, and never written.
        pieces: published name of a parameter → published names, numbered by ``{j}`` from 0 on, as which the authors'
            checkpoints hold its pieces along the first axis, where the model has one parameter for all of them.
        dropped: published names that old or foreign files carry and that are no parameters (buffers); ``*`` stands
            for anything.
        dropped_originals: names in the authors' checkpoints that are no parameters; ``*`` stands for anything.
        strangers: (name, what it tells) of models of the same authors that are none of this architecture, the most
            telling first: ``*`` stands for anything, and the sentence goes on after "this is".
        original_files: names that the authors' checkpoints have in a folder.
        tf1: for authors whose code is TensorFlow 1's: what it wants of a folder. None for others.
        given: for what the authors leave out or have in pieces (``absent``, ``pieces``): a function of the
            configuration that gives the shapes of such parameters, those of heads too, by published name.
        optional: published names of tables and normalisations that not every bare model has.
        heads: end of the name of a class, as in ``Architecture.tasks`` → what the names of its head's parameters begin
            with, tied ones among them.
        renamed: (old ending, new ending) of published names that changed in 2019.
        keras_layers: published prefix, or whole name, → what it is in ``tf_model.h5`` where they differ, e.g.
            ``cls.predictions`` → ``mlm___cls.predictions``.
        keras_repeated: layer in ``tf_model.h5`` → published prefix of parameters that stand in it a second time,
            because the layer was built with them (a tied output layer).
    """

    prefix: str
    rows: tuple[Row, ...]
    tied: tuple[Tied, ...] = ()
    tied_by: Callable[[Any], Iterable[Tied]] | None = None
    other_originals: tuple[Row, ...] = ()
    pieces: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    dropped_originals: tuple[str, ...] = ()
    strangers: tuple[tuple[str, str], ...] = ()
    original_files: tuple[str, ...] = ()
    tf1: TF1 | None = None
    given: Callable[[Any], Mapping[str, tuple[int, ...]]] | None = None
    optional: tuple[str, ...] = ()
    heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    renamed: tuple[tuple[str, str], ...] = ()
    keras_layers: Mapping[str, str] = field(default_factory=dict)
    keras_repeated: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _by_name(self) -> _Names:
        aliases = [(tied.alias, Row(tied.alias, kind=tied.kind)) for tied in self.tied]
        return _Names([(row.name, row) for row in self.rows] + aliases)

    @cached_property
    def _by_original(self) -> _Names:
        rows = (*self.rows, *self.other_originals)
        return _Names([(row.original, row) for row in rows if row.original is not None])

    @cached_property
    def _dropped(self) -> tuple[re.Pattern[str], ...]:
        return tuple(pattern(name) for name in self.dropped)

    def row(self, name: str) -> Row | None:
        """The row that covers a published name (with prefix), or None."""
        found = self._by_name.find(name)
        return found[0][0] if found else None

    def published(self, name: str) -> str | None:
        """The published name, with prefix, of a name as PyTorch files spell it; None if no row covers it."""
        for old, new in self.renamed:
            if name.endswith(old):
                name = name[: -len(old)] + new
        for candidate in (name, f"{self.prefix}.{name}"):
            if self._by_name.find(candidate) or self.is_dropped(candidate):
                return candidate
        return None

    def is_dropped(self, name: str) -> bool:
        """Whether a published name (with prefix) is known to be no parameter."""
        return any(dropped.fullmatch(name) for dropped in self._dropped)

    @cached_property
    def _dropped_originals(self) -> tuple[re.Pattern[str], ...]:
        return tuple(pattern(name) for name in self.dropped_originals)

    def is_dropped_original(self, name: str) -> bool:
        """Whether a name in the authors' checkpoints is known to be no parameter."""
        return any(dropped.fullmatch(name) for dropped in self._dropped_originals)

    def stranger(self, names: Collection[str]) -> str | None:
        """What the names of a file say that it is, if not of this architecture; None if they say nothing."""
        found = ((pattern(name), what) for name, what in self.strangers)
        return next((what for each, what in found if any(map(each.fullmatch, names))), None)

    def choice(self, name: str) -> str | None:
        """The head that an original name is of, where authors keep several of a kind under names of their own."""
        return None

    def from_file(self, name: str) -> str | None:
        """The original name, as rows spell it, of a name in an authors' file; None if it cannot be one.

        For authors who number what the rows name; see :meth:`to_file`.
        """
        return name

    def to_file(self, original: str) -> str:
        """The name in an authors' file of an original name as rows spell it, its numbers filled in."""
        return original

    def for_program(self, arrays: Mapping[str, Callable[[], Array]], config: Any) -> Mapping[str, Callable[[], Array]]:
        """The arrays of an authors' file as their program wants them of a model of this configuration.

        Args:
            arrays: name in the file → what gives the array, as rows spell and lay it out.
        """
        return arrays

    def from_original(self, name: str) -> tuple[Place, ...]:
        """The parameters that an array of the authors' checkpoints holds; none if no row covers its name."""
        spelled = self.from_file(name)
        found = None if spelled is None else self._by_original.find(spelled)
        if found is None:
            return ()
        rows, numbers = found
        return tuple(Place(_fill(row.name, numbers), row.layout, row.part, row.axes) for row in rows)

    def to_original(self, name: str) -> Place | None:
        """Where the authors' checkpoints hold a published name; None where they have no such parameter."""
        found = self._by_name.find(name)
        if found is None:
            return None
        (row, *_), numbers = found
        if row.original is None:
            return None
        part = int(numbers[row.part[1]]) if isinstance(row.part, str) else row.part
        return Place(self.to_file(_fill(row.original, numbers)), row.layout, part, row.axes)

    def from_keras(self, name: str) -> tuple[str, str] | None:
        """(published name, layout) of a name in a Keras-2-era file, ``layer/model/…/leaf:0`` or ``…/leaf:0``.

        Such names begin with the layer's and the model's own names, either of which may be absent or carry a counter:
        the longest tail that a row covers is the parameter.
        """
        parts = name.removesuffix(":0").split("/")
        *path, leaf = [p for part in parts for p in part.split("_._")]
        path = [part.rpartition("___")[2] for part in path]
        # A parameter of the model itself has no layer: at most the layer's stand-in and the model's name precede it.
        stop = len(path) + (len(path) <= 2)
        for start in range(max(0, len(path) - _MOST_PARTS), stop):
            candidate = ".".join((*path[start:], PUBLISHED_LEAVES.get(leaf, leaf)))
            published = self.published(candidate)
            if published is not None:
                row = self.row(published)
                return published, "transpose" if leaf == "kernel" or (row and row.kind == "projection") else "same"
        return None

    def to_keras(self, name: str, model_name: str) -> tuple[str, str, str]:
        """(layer, weight name, layout) under which a ``tf_model.h5`` file holds a published name.

        Args:
            name: published name with prefix.
            model_name: the Keras model's own name, e.g. ``tf_bert_for_masked_lm``.
        """
        found = self._by_name.find(name)
        if found is None:
            raise WeightsError(
                f"{quoted(name)} is no parameter of the {self.prefix!r} architecture, so it has no Keras name"
            )
        (row, *_), numbers = found
        path = f"{row.name.rpartition('.')[0]}.{row.keras_leaf}".lstrip(".")
        for prefix, keras in self.keras_layers.items():
            if f"{path}.".startswith(f"{prefix}."):
                path = keras + path[len(prefix) :]
        path = path.replace(".", "/").replace("_/_", "_._")
        # A layer's number is part of its name there, "layer_._0"; the items of a sequence are levels, "ffn/0".
        path = _fill(re.sub(r"/(\{\w\})", r"_._\1", path), numbers)
        # A parameter of the model itself has no layer: Keras files keep it under this name.
        layer = path.partition("/")[0] if "/" in path else "top_level_model_weights"
        return layer, "/".join(filter(None, (model_name, f"{path}:0"))), row.keras_layout

    def aliases(self) -> dict[str, str]:
        """alias → parameter, for all tied names of the layer that scores the vocabulary."""
        return {tied.alias: tied.name for tied in self.tied}

    def ties(self, config: Any, has_output: bool, own: Callable[[], Collection[str]]) -> dict[str, str]:
        """alias → parameter, of what is one parameter in a model.

        Args:
            config: the model's configuration.
            has_output: whether the model has a layer that scores the vocabulary.
            own: gives the published names of the model's parameters. It is called if ``tie_word_embeddings`` is off:
                what is no parameter of its own is tied still.
        """
        tied = self.aliases() if has_output else {}
        if tied and not config.tie_word_embeddings:
            names = own()
            tied = {alias: name for alias, name in tied.items() if alias not in names}
        if self.tied_by is not None:
            tied.update({each.alias: each.name for each in self.tied_by(config)})
        return tied
