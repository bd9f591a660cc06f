"""What a load did, and the error of one that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tx_core.messages import shorten

from .layouts import Shape


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
        prefix: what the names of all parameters in the file begin with, and those of this report do not: ``module.`` of
            a wrapper, or the key that they lie under beside a training's state.
    """

    source: str
    loaded: list[str] = field(default_factory=list)
    missing_keys: list[str] = field(default_factory=list)
    newly_initialized: list[str] = field(default_factory=list)
    unexpected_keys: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    mismatched_keys: list[tuple[str, Shape, Shape]] = field(default_factory=list)
    error_msgs: list[str] = field(default_factory=list)
    prefix: str = ""

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
        under = f"all under {self.prefix!r}, " if self.prefix else ""
        return f"LoadReport({self.source!r}, {under}{', '.join(f'{len(getattr(self, n))} {n}' for n in counts)})"

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
