"""Sizes of the adaptive softmax, for both frameworks."""

from __future__ import annotations


def cluster_widths(width: int, clusters: int, div_value: float) -> list[int]:
    """How wide the vectors of each cluster are.

    Raises:
        ValueError: if one would have no number.
    """
    widths = [int(width // div_value**i) for i in range(1, clusters + 1)]
    if min(widths) < 1:
        raise ValueError(
            f"with a div_value of {div_value} the vectors of the adaptive softmax's {clusters} clusters would be "
            f"{', '.join(map(str, widths))} wide, of {width}: lower it, or have fewer clusters"
        )
    return widths
