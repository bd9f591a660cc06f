"""A checkpoint seen through a weight table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tx_core.messages import quoted, shorten

from .layouts import LAYOUTS, Array, Part, Shape, part_shape, take
from .table import Place, WeightTable, is_optimizer_state

if TYPE_CHECKING:
    from types import TracebackType

# What training frameworks keep beside the weights, by the first part of its name.
_TRAINING_STATE = re.compile(
    r"(?:\w*(?:optim|sched|scaler|rng_state)\w*|amp|callbacks|loops|hyper_parameters|hparams|args|config|cfg"
    r"|extra_state)(?:\..*)?"
    r"|epoch|(?:global_)?step|iteration|loss|best_\w+",
    re.DOTALL,
)
# Parts that names may have in front: a key of the file, and a few wrappers around each other.
_MOST_PREFIXES = 5
# More layers than any stack has; a file may claim any number.
_MOST_ITEMS = 1024


class Raw(Protocol):
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
    def same(self, name: str, other: str) -> bool: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class _Entry:
    raw: str
    layout: str
    part: Part | None
    shape: Shape
    dtype: str
    fill: float | str | None = None  # of an array that the file does not have: see `Row.absent`
    pieces: tuple[_Entry, ...] = ()  # of an array that the file has in pieces

    @property
    def stands_alone(self) -> bool:
        """Whether an array of the file is it, and nothing else."""
        return self.part is None and self.fill is None and not self.pieces


class Weights:
    """A checkpoint seen through a table: arrays by published name, read one at a time.

    A file of PyTorch's has the authors' names if none of its names is a published one. Its names may all begin with the
    same parts, of a wrapper or of the key that they lie under beside a training's state; the fewest parts count that
    leave a known name.

    Args:
        raw: an open checkpoint; closed with this object.
        table: the architecture's.
        known: name in the file → published name, of parameters that no row covers (a user's own head).
        source: what messages call the file.

    Attributes:
        unexpected: names in the file that the table does not know.
        dropped: names in the file that it knows to be no parameters.
        spelling: whose names the file has: ``published``, ``original`` or ``keras``, see :mod:`tx_core.weights.table`.
        prefix: what all names of parameters in the file begin with, and published ones do not.
        misfits: messages on arrays whose shape is none that their rows can have.
        choices: published name → the heads that the file has of this kind, if it has several. They are dropped.
    """

    def __init__(self, raw: Raw, table: WeightTable, known: Mapping[str, str] | None = None, source: str = "") -> None:
        self._raw = raw
        self._table = table
        self._own = known or {}
        self.source = source
        self.unexpected: list[str] = []
        self.dropped: list[str] = []
        self.misfits: list[str] = []
        self._entries: dict[str, _Entry] = {}
        self._twins: list[tuple[_Entry, _Entry]] = []  # of the same parameter, to be compared
        self._named: dict[str, list[str]] = {}  # name in the file → published names
        self._held: dict[str, tuple[Array, set[str]]] = {}  # name in the file → array, parts that are still to be read
        self.choices: dict[str, list[str]] = {}
        names = dict.fromkeys(raw.names())
        self.spelling, self.prefix = self._spelled(names)
        inner = {name: name[len(self.prefix) :] for name in names if name.startswith(self.prefix)}
        heads = {name: head for name, own in inner.items() if (head := table.choice(own)) is not None}
        several = self.spelling == "original" and len({*heads.values()}) > 1
        for name in names:
            places = self._places(inner[name], name, names) if name in inner else ()
            if several and name in heads and places:
                for place in places:
                    self.choices.setdefault(place.name, []).append(heads[name])
                places = ()
            if places is None:
                self.unexpected.append(name)
            elif not places:
                self.dropped.append(name)
            for place in places or ():
                try:
                    self._add(name, place)
                except ValueError as error:
                    self.misfits.append(f"{shorten(name)}: {error}")

    def _spelled(self, names: Collection[str]) -> tuple[str, str]:
        """(spelling, prefix) of the file's names."""
        if self._raw.format in ("tf1", "npy_shards"):
            return "original", ""
        # The reference writes safetensors from TensorFlow with Keras's names and layouts.
        if self._raw.format == "keras_h5" or self._raw.metadata.get("format") == "tf":
            return "keras", ""
        for prefix in self._prefixes(names):
            inner = [name[len(prefix) :] for name in names if name.startswith(prefix)]
            if any(map(self._is_published, inner)):
                return "published", prefix
            if any(map(self._table.from_original, inner)):
                return "original", prefix
        return "published", ""

    def _is_published(self, name: str) -> bool:
        return name in self._own or self._table.published(name) is not None

    def _prefixes(self, names: Collection[str]) -> Iterator[str]:
        """What all names begin with, a training's state aside: nothing, and the parts that they share."""
        yield ""
        weights = [
            name for name in names if not _TRAINING_STATE.fullmatch(name) and not self._table.is_dropped_original(name)
        ]
        prefix = ""
        for _ in range(_MOST_PREFIXES):
            part, dot, _ = weights[0][len(prefix) :].partition(".") if weights else ("", "", "")
            prefix += part + dot
            if not dot or not all(name.startswith(prefix) for name in weights):
                return
            yield prefix

    def _places(self, name: str, raw: str, names: Collection[str]) -> tuple[Place, ...] | None:
        """The parameters that a name stands for; empty if it is known to be none, None if it is unknown.

        Args:
            name: the name without prefix.
            raw: the name in the file.
            names: all those of the file.
        """
        if name in self._own:
            place: Place | None = Place(self._own[name], "same")
        elif self._table.is_dropped_original(name):
            return ()
        elif self.spelling == "original":
            if places := self._table.from_original(name):
                return places
            slot = is_optimizer_state(name, lambda each: each in names or bool(self._table.from_original(each)))
            return () if slot else None
        elif self.spelling == "keras":
            place = self._keras_place(raw)
        else:
            published = self._table.published(name)
            place = None if published is None else Place(published, "same")
        if place is None:
            return None
        return () if self._table.is_dropped(place.name) else (place,)

    def _keras_place(self, name: str) -> Place | None:
        found = self._table.from_keras(name)
        if found is None:
            return None
        published, layout = found
        if published.endswith(".bias"):
            # Keras-era files keep the biases of GPT-2's Conv1D as (1, n).
            shape = self._raw.info(name).shape
            layout = "squeeze" if len(shape) == 2 and shape[0] == 1 else layout
        return Place(published, layout)

    def _add(self, name: str, place: Place) -> None:
        info = self._raw.info(name)
        whole, layout = tuple(info.shape), LAYOUTS[place.layout]
        for published, part in _items(place, whole):
            shape = layout.shape(whole if part is None else part_shape(whole, part))
            entry = _Entry(name, place.layout, part, shape, str(info.dtype))
            first = self._entries.setdefault(published, entry)
            if first is entry:
                self._named.setdefault(name, []).append(published)
            else:
                self._twins.append((first, entry))

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

    def supply(self, name: str, shape: Shape) -> bool:
        """Whether the authors compute without a parameter what a constant one does: it is then among these."""
        row = self._table.row(name) if self.spelling == "original" else None
        if row is None or row.absent is None or (row.absent == "identity" and shape != shape[:1] * 2):
            return False
        self._entries[name] = _Entry(name, "same", None, shape, "float32", row.absent)
        return True

    def join(self, name: str, shape: Shape) -> bool:
        """Whether the authors have the parameter in pieces that make this shape: it then is what they make."""
        template = self._table.pieces.get(name) if self.spelling == "original" else None
        names: list[str] = []
        while template is not None and (piece := template.replace("{j}", str(len(names)))) in self._entries:
            names.append(piece)
        shapes = [self._entries[piece].shape for piece in names]
        if len(names) < 2 or any(each[1:] != shape[1:] or not each for each in shapes):
            return False
        if sum(each[0] for each in shapes) != shape[0]:
            return False
        pieces = tuple(self._entries.pop(piece) for piece in names)
        self._entries[name] = _Entry(name, "same", None, shape, pieces[0].dtype, pieces=pieces)
        return True

    def parts_of(self, name: str) -> list[str]:
        """The published names of the parts of an array that has one of its own as a whole; none if it has no parts."""
        entry = self._entries[name]
        others = self._named.get(entry.raw, ()) if entry.part is None else ()
        return [other for other in others if other in self._entries and self._entries[other].part is not None]

    def serves(self, name: str, used: Collection[str]) -> bool:
        """Whether the array of a published name is one of those used, in the other way: whole, or in parts."""
        entry = self._entries[name]
        others = (other for other in self._named.get(entry.raw, ()) if other in used)
        return any((self._entries[other].part is None) != (entry.part is None) for other in others)

    def read(self, name: str) -> Array:
        """The array in the published layout (possibly a transposed view).

        An array of which several parameters are parts is read once, and kept until all of them were asked for.
        """
        entry = self._entries[name]
        if entry.part is None:
            return self._fetch(entry)
        parts = {each for each in self._named[entry.raw] if self._entries[each].part is not None}
        array, waiting = self._held.get(entry.raw) or (self._raw.read(entry.raw), parts)
        waiting.discard(name)
        self._held[entry.raw] = array, waiting
        if not waiting:
            del self._held[entry.raw]
        return self._convert(entry, array)

    def take(self, name: str) -> Array:
        """As :meth:`read`, of memory that the caller may keep: see :meth:`tx_core.checkpoints.Checkpoint.take`."""
        entry = self._entries[name]
        if not entry.stands_alone:
            return self.read(name)
        return self._convert(entry, self._raw.take(entry.raw))

    def give_back(self, name: str) -> None:
        """Free the memory of an array that was taken, and is neither changed nor needed any longer."""
        entry = self._entries[name]
        if entry.stands_alone:
            self._raw.give_back(entry.raw)

    def _fetch(self, entry: _Entry) -> Array:
        if entry.fill == "identity":
            return np.eye(*entry.shape, dtype=np.float32)
        if entry.fill is not None:
            return np.full(entry.shape, entry.fill, np.float32)
        if entry.pieces:
            return np.concatenate([self._fetch(piece) for piece in entry.pieces])
        return self._convert(entry, self._raw.read(entry.raw))

    @staticmethod
    def _convert(entry: _Entry, array: Array) -> Array:
        return LAYOUTS[entry.layout].published(array if entry.part is None else take(array, entry.part))

    def agree(self, name: str, other: str) -> bool:
        """Whether two parameters have the same values."""
        one, two = self._entries[name], self._entries[other]
        in_file = all(each.fill is None and not each.pieces for each in (one, two))
        if in_file and (one.layout, one.part) == (two.layout, two.part) and self._raw.same(one.raw, two.raw):
            return True
        return np.array_equal(self.read(name), self.read(other))

    def differing_twins(self) -> list[str]:
        """Messages on names that stand twice in the file for one parameter, with different values."""
        return [
            f"{quoted(first.raw)} and {quoted(second.raw)} are one parameter, yet the file gives them different values"
            for first, second in self._twins
            if not np.array_equal(self._fetch(first), self._fetch(second))
        ]

    def close(self) -> None:
        self._held.clear()
        self._raw.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _items(place: Place, shape: Shape) -> list[tuple[str, Part | None]]:
    """(published name, part) of the parameters that an array holds at a place."""
    if not isinstance(place.part, str):
        return [(place.name, place.part)]
    if place.axes is not None and len(shape) <= place.axes:
        return [(place.name.replace(place.part, "0"), None)]
    if not shape or shape[0] > _MOST_ITEMS:
        raise ValueError(f"an array of shape {shape} is no stack of at most {_MOST_ITEMS} layers")
    return [(place.name.replace(place.part, str(k)), k) for k in range(shape[0])]
