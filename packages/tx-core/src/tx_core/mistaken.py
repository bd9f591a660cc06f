"""What people find in the place of a file: pointers to it, pages that say it is not there, packed files."""

from __future__ import annotations

import re

#: So many bytes of a file are enough for :func:`mistaken_for`.
HEAD = 512

# First bytes, what that is, the cure.
_KINDS = (
    (b"version https://git-lfs", "a git-LFS pointer, not the file itself", "run `git lfs pull`, or download it"),
    (b"\x1f\x8b", "gzip-compressed", "unpack it first (`tar xzf` or `gunzip`)"),
    (b"BZh", "bzip2-compressed", "unpack it first"),
    (b"\xfd7zXZ", "xz-compressed", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed", "unpack it first"),
    (b"PK\x05\x06", "an empty zip archive", "fetch it again"),
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body", b"<!--")
# The whole of what servers answer in the place of a file.
_REFUSAL = (
    rb"(?i)(?:error:? *)?(?:[45]\d\d:? *)?(?:(?:(?:entry|file|page|repository|revision) )?not found"
    rb"|forbidden|unauthorized|access denied|bad gateway|service unavailable"
    rb"|too many requests|invalid username or password)\.?"
)


def mistaken_for(head: bytes) -> str | None:
    """What the first `HEAD` bytes of a file are, and the cure; None if they are nothing of the kind.

    The sentence goes on after the file's name and a colon.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        return "the file is empty; fetch or copy it again"
    for magic, what, cure in _KINDS:
        if head.startswith(magic):
            return f"the file is {what}; {cure}"
    if text[:64].lower().startswith(_PAGES):
        return "the file is a web page, probably an error page; download it again"
    return None


def text_mistaken_for(head: bytes) -> str | None:
    """The same of a file that holds text, which an answer such as "Entry not found" could be taken for."""
    text = head.strip()
    if len(head) < HEAD and re.fullmatch(_REFUSAL, text):
        return f"the file is a server's answer, {text.decode('ascii')!r}, not the file itself; download it again"
    return mistaken_for(head)
