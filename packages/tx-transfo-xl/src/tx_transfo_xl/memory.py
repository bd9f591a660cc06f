"""The memory that a call is given, in words that both frameworks share.

Shapes: M memory, B batch, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def check_memory(mems: Any, layers: int, batch: Any, width: int) -> Any:
    """M of ``mems``, per layer (M, B, H). A size that is not known before the run is None, or no integer.

    Raises:
        ValueError: if they are not of that form; names it.
    """
    wanted = f"mems must hold the states of each of {layers} layers, (memory, batch, {width})"
    if not isinstance(mems, Sequence) and not hasattr(mems, "shape"):
        raise ValueError(f"{wanted}, not {type(mems).__name__}")
    if len(mems) != layers:
        raise ValueError(f"{wanted}, not of {len(mems)}")
    shapes = [tuple(each.shape) for each in mems]
    for shape in shapes:
        known = [isinstance(size, int) for size in shape]
        same = all(x == y or not isinstance(x, int) for x, y in zip(shape, shapes[0], strict=False))
        if len(shape) != 3 or not same or (known[2] and shape[2] != width):
            raise ValueError(f"{wanted}, not {shape}")
    rows = shapes[0][1]
    if isinstance(rows, int) and isinstance(batch, int) and rows != batch:
        raise ValueError(f"mems are those of {rows} rows, (memory, batch, {width}), but the batch has {batch}")
    return shapes[0][0]


def check_generates(config: Any) -> None:
    """Raise ValueError if a configuration's memory is none that a text can be continued with."""
    if config.mem_len == 0:
        raise ValueError("config.mem_len is 0: without a memory each new token would see itself alone; set it above 0")
    if config.ext_len:
        raise ValueError(
            f"config.ext_len is {config.ext_len}: the memory would lack the last tokens; set it to 0 to generate"
        )
