"""Saving several files of a folder as one: after a kill at any moment, readers find the old files or the new ones.

What is written within `saving(folder)` lies under temporary names until the end. Then the file `.tx-saving` says which
of them are renamed to what, and what is removed. All that is done, and the file removed. A process that finds it waits
if its writer lives, and otherwise does what is left to do: everything new is on the disk by then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from .errors import FilesError
from .source import check_file_name
from .temporary import MARKER, TEMPORARY, fcntl, flush_folder, is_abandoned, is_same, sweep

_PATIENCE = 60.0  # seconds to wait for another process that renames a few files
_POLL = 0.01  # seconds
_MAX_JOURNAL = 4 << 20  # bytes; names of some thousand files

_Lists = tuple[list[tuple[str, str]], list[str]]
"""(temporary name, name) of what is renamed, and the names that are removed."""


class Saving:
    """The files of a folder that are written and removed together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: dict[str, tuple[Path, int | None]] = {}
        self._removed: dict[str, None] = {}

    def add(self, temporary: Path, lock: int | None, target: Path) -> None:
        """Has a finished temporary file become `target` at the end."""
        if target.name in self._written:
            _discard(*self._written[target.name])
        self._written[target.name] = temporary, lock

    def remove(self, path: Path) -> None:
        """Has a file removed at the end."""
        self._removed[path.name] = None

    def commit(self) -> None:
        """Rename and remove."""
        renames = [(temporary.name, name) for name, (temporary, _) in self._written.items()]
        removals = [name for name in self._removed if name not in self._written and os.path.lexists(self.folder / name)]
        try:
            if len(renames) + len(removals) == 1:
                settle(self.folder)
                _switch(self.folder, renames, removals)
            elif renames or removals:
                _journaled(self.folder, renames, removals)
        except BaseException:
            # With the marker in place the files are needed: the next process goes on where this one stopped.
            self.close(keep=(self.folder / MARKER).exists())
            raise
        self.close(keep=True)

    def close(self, keep: bool) -> None:
        """Let go of the temporary files, and remove them unless they are kept."""
        for temporary, lock in self._written.values():
            if keep:
                unlock(lock)
            else:
                _discard(temporary, lock)
        self._written.clear()


_current: ContextVar[Saving | None] = ContextVar("saving", default=None)


@contextmanager
def saving(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Within it, what `atomic_write` and `remove` do in `folder` is done at the end, all at once.

    A block within another one for the same folder belongs to that. If the block raises, the folder stays as it was.
    Temporary files in the folder whose writer was killed are removed at the beginning.

    Raises OSErrors: FilesError if another save of the folder does not end, or was cut short and cannot be finished.
    """
    path = Path(folder).resolve()
    if joined(path) is not None:
        yield
        return
    settle(path)
    sweep(path)
    current = Saving(path)
    token = _current.set(current)
    try:
        yield
    except BaseException:
        current.close(keep=False)
        raise
    finally:
        _current.reset(token)
    current.commit()


def joined(folder: Path) -> Saving | None:
    """The save of `folder` in whose block this is called, if there is one."""
    current = _current.get()
    return current if current is not None and current.folder == folder.resolve() else None


def remove(path: Path) -> None:
    """Remove a file if it exists; within `saving`, at its end."""
    current = joined(path.parent)
    if current is not None:
        current.remove(path)
    else:
        path.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Return when no save of `folder` is under way; one whose process was killed is finished.

    Raises FilesError if another process does not end its save, or a save cannot be finished.
    """
    marker = folder / MARKER
    end = time.monotonic() + _PATIENCE
    while (handle := _open(marker)) is not None:
        try:
            if is_abandoned(handle, _PATIENCE):
                if is_same(marker, handle):
                    _finish(folder, handle)
                    return
                continue
        finally:
            os.close(handle)
        if time.monotonic() > end:
            raise FilesError(
                f"{folder}: another process has been saving to this folder for more than {_PATIENCE:.0f} seconds "
                f"({MARKER} is there, and locked); wait until it is done, or end it, and try again"
            )
        time.sleep(_POLL)


def _open(marker: Path) -> int | None:
    if not os.path.lexists(marker):  # nor raises where there can be no such path
        return None
    try:
        return os.open(marker, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:  # a folder that can only be read
        return os.open(marker, os.O_RDONLY)


def _journaled(folder: Path, renames: list[tuple[str, str]], removals: list[str]) -> None:
    import json

    marker = folder / MARKER
    note = "tx is replacing files of this folder, or was ended while it did; loading from it finishes that"
    journal = json.dumps({"note": note, "rename": renames, "remove": removals}).encode()
    handle = _claim(folder, marker)
    try:
        try:
            left = memoryview(journal)
            while left:  # where there is no more room, part of it may be written without an error
                left = left[os.write(handle, left) :]
            os.fsync(handle)
            flush_folder(folder)
        except BaseException:
            marker.unlink()
            raise
        _switch(folder, renames, removals)
        flush_folder(folder)
        if fcntl is not None:
            marker.unlink()
    finally:
        os.close(handle)
    if fcntl is None:  # an open file could not be removed there
        marker.unlink(missing_ok=True)


def _claim(folder: Path, marker: Path) -> int:
    """The new and empty marker, open and locked."""
    while True:
        settle(folder)
        try:
            handle = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except FileExistsError:
            continue
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if is_same(marker, handle):
            return handle
        os.close(handle)


def _switch(folder: Path, renames: list[tuple[str, str]], removals: list[str]) -> None:
    for temporary, name in renames:
        os.replace(folder / temporary, folder / name)
    for name in removals:
        (folder / name).unlink(missing_ok=True)


def _finish(folder: Path, handle: int) -> None:
    """Do what is left of a save whose process was killed. Its marker is open and locked."""
    marker = folder / MARKER
    lists = _read_journal(os.pread(handle, _MAX_JOURNAL, 0) if hasattr(os, "pread") else marker.read_bytes())
    try:
        if lists is not None:
            renames = [(old, new) for old, new in lists[0] if (folder / old).is_file()]
            _refuse_changed(folder, lists[0], dict(renames), os.fstat(handle).st_mtime_ns)
            _switch(folder, renames, lists[1])
            flush_folder(folder)
        marker.unlink(missing_ok=True)
    except FilesError:
        raise
    except OSError as error:
        if lists is not None:
            raise FilesError(
                f"{folder}: a save was cut short here, and cannot be finished ({error}); load the folder once where it "
                "can be written, or save again"
            ) from error
        # Nothing was renamed yet: what is there is the old state.


def _refuse_changed(folder: Path, renames: list[tuple[str, str]], left: dict[str, str], began: int) -> None:
    """Raise FilesError if the rest of a save would not be what it was: files are gone, or others took their place."""
    for old, new in renames:
        gone = not os.path.lexists(folder / new)
        if gone if old not in left else not gone and os.lstat(folder / new).st_mtime_ns > began:
            what = "is gone" if gone else "was written by something else since"
            raise FilesError(
                f"{folder}: a save was cut short here, and cannot be finished, because {new} {what}; save to another "
                f"folder, or delete {MARKER} there to take the other files as they are"
            )


def _read_journal(content: bytes) -> _Lists | None:
    """What a marker says; None if its writer was killed before it was whole. Other names than ours are refused."""
    import json

    try:
        journal = json.loads(content)
        renames = [(str(old), str(new)) for old, new in journal["rename"]]
        removals = [str(name) for name in journal["remove"]]
        for each in (*(each for pair in renames for each in pair), *removals):
            if "/" in check_file_name(each):
                return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (renames, removals) if all(TEMPORARY.fullmatch(old) for old, _ in renames) else None


def unlock(lock: int | None) -> None:
    """Let go of a temporary file."""
    if lock is not None:
        os.close(lock)


def _discard(temporary: Path, lock: int | None) -> None:
    with suppress(FileNotFoundError):
        temporary.unlink()
    unlock(lock)
