"""Reading the text files of datasets, with errors that say which file and what to do."""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os

_SHOWN = 12  # names of a folder's files in a message


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file in UTF-8, with or without a byte order mark; every line ends in "\\n".

    Raises:
        FileNotFoundError: there is no such file; the message says what its folder has.
        IsADirectoryError: the path is a folder.
        ValueError: it is not UTF-8; the message has the number of the line.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file{_beside(path)}") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder, and a file is wanted") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: the text is not UTF-8 ({error.reason}); convert the file") from error
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def lines_of(text: str) -> list[str]:
    """The lines of a text without their ends. Only "\\n" ends a line."""
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    return lines


def _beside(path: Path) -> str:
    """What a message says of the folder in which a file is missing."""
    folder = path.parent
    if not folder.is_dir():
        return ", nor its folder"
    names = sorted(each.name for each in folder.iterdir())
    if not names:
        return "; its folder is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; its folder has {', '.join(names[:_SHOWN])}{more}"
