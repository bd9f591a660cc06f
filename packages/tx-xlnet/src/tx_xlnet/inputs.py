"""Checks of what XLNet's calls take, for both frameworks. A size that is not known, in a graph, fits all."""

from __future__ import annotations

from typing import Any

Shape = tuple[Any, ...]


def _differs(found: Any, wanted: Any) -> bool:
    return isinstance(found, int) and isinstance(wanted, int) and found != wanted


def check_shape(name: str, found: Shape, wanted: Shape, axes: str) -> None:
    """Raise ValueError unless an input has a shape; None fits every size.

    Args:
        name: the argument. axes: what its axes are, ``"batch, sequence"``.
    """
    if len(found) != len(wanted) or any(map(_differs, found, wanted)):
        sizes = ", ".join(str(size) if isinstance(size, int) else "any" for size in wanted)
        raise ValueError(f"{name} must have shape ({axes}), here ({sizes}), not {tuple(found)}")


def check_rows(batch: Any) -> None:
    """Raise ValueError unless the rows of a batch of ``config.bi_data`` are of an even number."""
    if isinstance(batch, int) and batch % 2:
        raise ValueError(
            f"the batch has {batch} rows, but with config.bi_data half of them are read backwards: give an even number"
        )


def check_masks(attention_mask: Any, input_mask: Any) -> None:
    """Raise ValueError if padding is told in both ways."""
    if attention_mask is not None and input_mask is not None:
        raise ValueError(
            "attention_mask (1 for tokens, 0 for padding) and input_mask (0 for tokens, 1 for padding) say the same: "
            "give one of them"
        )


def layers_of_memory(mems: Any, layers: int) -> list[Any] | None:
    """What each layer has in a memory; None if there is none.

    Raises:
        ValueError: if it is of another number of layers.
    """
    if mems is None:
        return None
    found = [mems[i] for i in range(len(mems))]
    if all(each is None for each in found):
        return None
    if len(found) != layers or any(each is None for each in found):
        raise ValueError(
            f"mems must hold the states of each of {layers} layers, (memory, batch, hidden), as a call returns them; "
            f"it holds {sum(each is not None for each in found)}"
        )
    return found


def check_memory(mems: list[Any], batch: Any, width: int) -> None:
    """Raise ValueError unless each layer's memory is (M, B, H), of one M."""
    for i, each in enumerate(mems):
        check_shape(f"mems[{i}]", tuple(each.shape), (mems[0].shape[0], batch, width), "memory, batch, hidden")
