"""What goes wrong when a file is looked for. Every one is an OSError whose text names the file and the cure."""

from __future__ import annotations


class FilesError(OSError):
    """Base of the errors of `tx_core.files`.

    `url` is what was asked for (without credentials and query) and `status` the HTTP status of the answer, each None
    where there was none.
    """

    def __init__(self, message: str, *, url: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.url = url
        self.status = status


class InvalidNameError(FilesError, ValueError):
    """A name, revision or file name that cannot be one: it is refused before anything is looked up."""


class RepositoryNotFoundError(FilesError, FileNotFoundError):
    """Neither a local folder nor a repository of this name exists (or the repository is private)."""


class RevisionNotFoundError(FilesError, FileNotFoundError):
    """The repository has no such branch, tag or commit."""


class EntryNotFoundError(FilesError, FileNotFoundError):
    """There is no file at this URL, or none of this name in the repository."""


class AccessError(FilesError, PermissionError):
    """401 or 403: private, gated, or the token was refused."""


class UnavailableError(FilesError, ConnectionError):
    """No answer: no connection, a time-out, or a server that is overloaded or out of order (429, 5xx)."""


class OfflineError(FilesError, FileNotFoundError):
    """The file is not in the cache, and requests are switched off."""


class IntegrityError(FilesError):
    """What arrived, or lies in the cache, is not what was announced or locked: another length or another hash."""


class LockError(FilesError, ValueError):
    """The lock file does not have what is asked for, or contradicts it, or is none."""
