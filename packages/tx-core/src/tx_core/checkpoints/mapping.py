"""A file as memory: pages are read when they are used, shared by processes, and copied when they are changed."""

from __future__ import annotations

import mmap
import sys
from typing import BinaryIO

# Windows keeps mapped files from being replaced, and has no MADV_DONTNEED; the formats are little-endian.
_CAN_MAP = sys.byteorder == "little" and hasattr(mmap, "MADV_DONTNEED")


def map_file(file: BinaryIO, size: int) -> mmap.mmap | None:
    """A private mapping of the first `size` bytes of an open file, which changes never reach; None if that fails.

    The mapping outlives the file object, and the file's name.
    """
    if not _CAN_MAP:
        return None
    try:
        if sys.version_info >= (3, 13):
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY, trackfd=False)
        return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # a file system that cannot; as much memory may not be promised; a file cut just now
        return None


def forget(mapping: mmap.mmap, start: int, stop: int) -> None:
    """Free the pages between two places of a mapping. They are read anew if they are used again; changes are lost."""
    first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, stop // mmap.PAGESIZE * mmap.PAGESIZE
    if first < last:
        mapping.madvise(mmap.MADV_DONTNEED, first, last - first)
