"""The one progress bar of tx."""

from __future__ import annotations

from .source import is_set

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tqdm import tqdm


def progress(total: int | None, description: str, unit: str = "B") -> tqdm[Any]:
    """The progress bar of downloads and of loading: on standard error, hidden where that is not a terminal.

    `HF_HUB_DISABLE_PROGRESS_BARS=1` and tqdm's own `TQDM_DISABLE=1` hide it too. In a notebook it is tqdm's for those.
    """
    from tqdm.auto import tqdm as bar

    shown_name = description if len(description) <= 40 else "…" + description[-39:]
    hidden = is_set("HF_HUB_DISABLE_PROGRESS_BARS") or None
    return bar(total=total, desc=shown_name, unit=unit, unit_scale=unit == "B", unit_divisor=1024, disable=hidden)
