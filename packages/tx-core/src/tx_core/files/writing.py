"""Atomic writing: a reader sees the old file or the whole new one, never a part of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .folder_saves import joined, settle, unlock
from .temporary import create_beside, flush

_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a temporary path to write to; when the block ends without an error, that file becomes `path`.

    The temporary file lies in the folder of `path` (a rename is atomic only within a file system), exists already, is
    empty, has the permissions of the umask and ends in the suffix of `path`, since some writers (`numpy.savez`) append
    one that they miss. The block opens it by name. Afterwards it is flushed to the disk and moved over `path`; within
    `saving`, at the end of that. A symbolic link at `path` is replaced, not followed, so that writing into a folder of
    links leaves what they point to as it is. If the block raises, the temporary file is removed and `path` is
    untouched.

        with atomic_write("config.json") as temporary:
            temporary.write_text(text, encoding="utf-8")

    Raises FileNotFoundError if the folder does not exist, IsADirectoryError if `path` is a folder, and the system's own
    OSError where it cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(f"cannot write the file {str(target)!r}: a folder has that name")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"cannot write {str(target)!r}: its folder does not exist; create it first")
    current = joined(target.parent)
    if current is None:
        settle(target.parent)
    temporary, lock = create_beside(target)
    try:
        yield temporary
        flush(temporary)
        if current is not None:
            current.add(temporary, lock, target)
            return
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(FileNotFoundError):
            temporary.unlink()
        unlock(lock)
        if isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None:
            error.filename = str(target)  # the system names none where a write fails
        raise
    unlock(lock)
