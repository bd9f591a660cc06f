"""The folder of a training and the checkpoints in it, whatever the framework."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")


def whole_checkpoints(folder: str | os.PathLike[str], state: str) -> list[Path]:
    """The checkpoints in a training's folder (``checkpoint-100``, …) that have a file `state`, the oldest first."""
    found = {int(match[1]): path for path in Path(folder).glob("checkpoint-*") if (match := _NAME.fullmatch(path.name))}
    return [found[step] for step in sorted(found) if (found[step] / state).is_file()]


def remove_old(folder: Path, state: str, keep: int | None) -> None:
    """Remove all but the newest checkpoints in a training's folder; all stay if `keep` is None."""
    found = whole_checkpoints(folder, state)
    for path in found[: max(0, len(found) - keep)] if keep is not None else ():
        (path / state).unlink()  # first: what is left, if this is cut short, is no checkpoint
        shutil.rmtree(path)


def chosen_checkpoint(folder: Path, found: list[Path], resume: bool | str | os.PathLike[str]) -> Path | None:
    """The checkpoint that a training goes on from, if it does.

    Args:
        folder: of the training.
        found: its checkpoints, the oldest first.
        resume: True for the newest, or the path of one.

    Raises:
        FileExistsError: if there are checkpoints that are not to be gone on from.
        ValueError: if it is in another folder.
    """
    if not isinstance(resume, bool):
        if Path(resume).resolve().parent != folder.resolve():  # where the best model so far is
            raise ValueError(f"{resume} is not in {folder}: go on in its own folder, or in a copy of all of it")
        return Path(resume)
    if found and not resume:
        raise FileExistsError(
            f"{folder} has checkpoints of a training, such as {found[-1].name}: go on from there "
            "(resume=True), have them removed (overwrite=True), or choose another folder"
        )
    return found[-1] if found else None
