"""How many classes there are: `num_labels`, `id2label` and `label2id` of a configuration have to agree."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NAMES = ("id2label", "label2id")


def agree(given: dict[str, Any]) -> None:
    """Make the three fields agree, in place, where one file or one call gives several of them.

    Names that somebody chose tell how many classes there are. Default names (LABEL_0, LABEL_1, …) do not: programs of
    2019 left two of them beside any count. Default names that another field contradicts are dropped.

    Raises:
        ValueError: a count and chosen names, or two sets of chosen names, differ; gives both numbers.
    """
    sizes = {name: _size(name, given[name]) for name in _NAMES if given.get(name)}
    if not sizes:
        return
    told = [(name, number) for name, number in sizes.items() if not _are_default(name, given[name])]
    count: int | None = given.get("num_labels")
    if count is None:
        name, count = (told or [*sizes.items()])[0]
        told_by = f"{name} names {count}"
    else:
        told_by = f"num_labels is {count}"
    for name, number in told:
        if number != count:
            raise ValueError(f"{told_by} but {name} names {number} classes: correct one of them, or leave it out")
    for name, number in sizes.items():
        if number != count:
            given[name] = None
    given["num_labels"] = count


def inverse(id2label: Mapping[int, Any], label2id: Mapping[str, Any]) -> bool:
    """Whether `label2id` gives the number of every name in `id2label`."""
    return all(label2id.get(str(label)) == index for index, label in id2label.items())


def _size(name: str, labels: Mapping[Any, Any]) -> int:
    # Several spellings of a name may stand for one class.
    return len(labels) if name == "id2label" else len({str(index) for index in labels.values()})


def _are_default(name: str, labels: Mapping[Any, Any]) -> bool:
    pairs = labels.items() if name == "id2label" else ((index, label) for label, index in labels.items())
    return all(label == f"LABEL_{index}" for index, label in pairs)
