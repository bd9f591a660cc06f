"""Temporary files beside their targets. Each is locked by its writer, so that those of dead writers can be told."""

from __future__ import annotations

import errno
import importlib
import os
import re
import time
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The system's locks on files; None where there are none (Windows).
fcntl: Any = None
with suppress(ImportError):
    fcntl = importlib.import_module("fcntl")

#: What says that files of a folder are being replaced, see `saving`.
MARKER = ".tx-saving"
TEMPORARY = re.compile(r"\.tx-[0-9a-f]{12}\..+", re.DOTALL)
# Longer names are shortened in the temporary name: file systems allow 255 bytes.
_LONGEST_STEM = 80
# Where the system has no locks, a temporary file of this age has lost its writer.
_OLD = 24 * 3600.0  # seconds


def create_beside(target: Path) -> tuple[Path, int | None]:
    """A new empty file beside `target`, and the descriptor that holds its lock as long as it is open."""
    while True:
        path = target.with_name(f".tx-{os.urandom(6).hex()}.{target.stem[:_LONGEST_STEM]}{target.suffix}")
        try:
            # Mode 0o666 less the umask, as open() would give; tempfile's 0o600 would lock out the user's group.
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
        except FileExistsError:
            continue
        if fcntl is None:  # an open file could not be renamed there
            os.close(handle)
            return path, None
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if is_same(path, handle):
            return path, handle
        os.close(handle)  # another process took it for an abandoned one, before it was locked


def is_same(path: Path, handle: int) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False


def is_abandoned(handle: int, age: float) -> bool:
    """Whether no living process has locked this open file; it is locked then. Without locks, whether it is so old."""
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
        else:
            return True
    return time.time() - os.fstat(handle).st_mtime > age


def sweep(folder: Path) -> None:
    """Remove the temporary files of writers that were killed."""
    with suppress(OSError):  # what cannot be removed stays for another time
        for entry in [*os.scandir(folder)]:
            if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _sweep_one(Path(entry.path))


def _sweep_one(path: Path) -> None:
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDONLY)
        try:
            # A dead writer's marker, if it got that far, is there by now: its files are still needed.
            if is_abandoned(handle, _OLD) and not path.with_name(MARKER).exists():
                path.unlink()
        finally:
            os.close(handle)


def flush(path: Path) -> None:
    """Has the system write `path`'s content to the disk, so that a rename cannot outlive the data after a power cut."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Has the system write the names in a folder to the disk, where it can."""
    with suppress(OSError):  # Windows opens no folders, and some file systems have nothing to flush
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
