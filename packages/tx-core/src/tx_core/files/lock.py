"""The lock file: which commit a name stands for and what its files hold, so that a load is the same everywhere.

    {
      "models": {
        "org/name": {
          "main": {                               the revision that was asked for
            "absent": ["added_tokens.json"],      asked for too, and not in the commit
            "commit": "5f2c…",                    40 digits
            "endpoint": "https://mirror.org",     where the hub is, if it is not the public one
            "files": {"config.json": {"sha256": "9a01…", "size": 570}}
          }
        }
      },
      "version": 1
    }

`tx download NAME --lock tx.lock` writes it and `from_pretrained(NAME, lock="tx.lock")` is held to it: no file is used
that is not in the lock with the same size and hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tx_core.json_files import read_json_object
from tx_core.messages import nearest, quoted

from .bundled import bundled_folder
from .errors import EntryNotFoundError, IntegrityError, LockError, OfflineError
from .source import DEFAULT_ENDPOINT, Source, check_file_name, check_name, check_revision, is_commit, is_url, shown
from .writing import atomic_write

VERSION = 1
# A model has some twenty files of a hundred bytes each: this is room for thousands of models.
MAX_BYTES = 16 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_IN_THE_CACHE = re.compile(r"/models--([^/]+)/snapshots/([0-9a-f]{40})/(.+)")

Find = Callable[[str, Sequence[str], Source], Path | None]


@dataclass(frozen=True)
class LockedFile:
    """What a file holds.

    Attributes:
        size: in bytes.
        sha256: of all its bytes, 64 hexadecimal digits.
    """

    size: int
    sha256: str

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> LockedFile:
        """What the file at `path` holds now. Raises OSError if it cannot be read."""
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return cls(file.tell(), digest.hexdigest())

    def __str__(self) -> str:
        return f"sha256 {self.sha256} ({self.size} bytes)"


@dataclass(frozen=True)
class LockedCommit:
    """What a revision of a repository stands for.

    Attributes:
        commit: the full hash.
        files: name within the repository → what it holds.
        absent: names that were asked for and that the commit does not have.
        endpoint: the hub's address; None for the public one.
    """

    commit: str
    files: Mapping[str, LockedFile] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    endpoint: str | None = None

    def _of(self, file: str) -> LockedFile | str | None:
        return self.files.get(file) or ("no such file" if file in self.absent else None)

    def joined(self, other: LockedCommit, where: str) -> LockedCommit:
        """Both, which are of the same commit; endpoint and what was asked for last are the other's.

        Raises IntegrityError if they contradict each other: the content of a commit does not change.
        """
        for name in sorted({*self.files, *other.files}):
            mine, its = (
                each.files.get(name, "no such file" if name in each.absent else None) for each in (self, other)
            )
            if mine is not None and its is not None and mine != its:
                raise IntegrityError(
                    f"{name} of {where}: the lock file says {mine}, what was fetched has {its}, of the same commit "
                    f"{self.commit}, which cannot change: one of them is damaged or forged. Fetch it into another "
                    "cache folder; if that agrees with what was fetched, remove the entry from the lock file"
                )
        return replace(other, files={**self.files, **other.files}, absent=self.absent | other.absent)


Lock = dict[str, dict[str, LockedCommit]]
"""Name of a repository → revision → what it stands for."""


def read_lock(path: str | os.PathLike[str]) -> Lock:
    """What a lock file says.

    Raises:
        LockError: there is no such file, or it is no lock file of this version; names what is wrong.
        OSError: it cannot be read.
    """
    try:
        values = read_json_object(path, MAX_BYTES, lambda where, problem: LockError(f"{where}: {problem}"))
    except FileNotFoundError:
        raise LockError(
            f"there is no lock file {os.fspath(path)!r} (the current folder is {os.getcwd()!r}); "
            f"`tx download NAME --lock {shlex.quote(os.fspath(path))}` writes it"
        ) from None
    version = values.get("version")
    if type(version) is not int or version < 1:
        raise LockError(f"{path}: the version {quoted(version)} is none, so this is no lock file of tx")
    if version > VERSION:
        raise LockError(f"{path}: has version {version}, and this tx-core reads {VERSION}: update tx-core")
    try:
        _only(values, {"version", "models"}, "the lock file")
        return {
            check_name(name): {check_revision(revision): _commit(value) for revision, value in _object(each, name)}
            for name, each in _object(values.get("models"), "models")
        }
    except ValueError as error:
        raise LockError(f"{path}: {error}; correct it, or remove the entry and run `tx download` again") from None


def _object(value: Any, what: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise ValueError(f"{quoted(what)} is {quoted(value)}, no object")
    return value.items()


def _only(values: Mapping[str, Any], known: set[str], what: str) -> None:
    for key in values:
        if key not in known:
            raise ValueError(f"{what} has the unknown key {quoted(key)}{nearest(key, known)}")


def _commit(value: Any) -> LockedCommit:
    values = dict(_object(value, "a revision"))
    _only(values, {"absent", "commit", "endpoint", "files"}, "a revision")
    commit, endpoint, absent = values.get("commit"), values.get("endpoint"), values.get("absent", [])
    if not isinstance(commit, str) or not is_commit(commit):
        raise ValueError(f"the commit {quoted(commit)} is no hash of 40 hexadecimal digits")
    if endpoint is not None and not (isinstance(endpoint, str) and is_url(endpoint)):
        raise ValueError(f"the endpoint {quoted(endpoint)} is no http(s) address")
    if not isinstance(absent, list) or not all(isinstance(name, str) for name in absent):
        raise ValueError(f"absent is {quoted(absent)}, no list of names")
    files = {check_file_name(name): _file(name, each) for name, each in _object(values.get("files"), "files")}
    if both := files.keys() & set(absent):
        raise ValueError(f"{quoted(min(both))} is both in the commit {commit} and absent")
    return LockedCommit(commit, files, frozenset(map(check_file_name, absent)), endpoint)


def _file(name: str, value: Any) -> LockedFile:
    values = dict(_object(value, name))
    _only(values, {"sha256", "size"}, quoted(name))
    size, digest = values.get("size"), values.get("sha256")
    if type(size) is not int or not 0 <= size < 1 << 63:
        raise ValueError(f"the size of {quoted(name)} is {quoted(size)}, no number of bytes")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise ValueError(f"the sha256 of {quoted(name)} is {quoted(digest)}, no 64 hexadecimal digits in lower case")
    return LockedFile(size, digest)


def write_lock(path: str | os.PathLike[str], lock: Lock) -> None:
    """Writes a lock file, atomically; the same lock always gives the same bytes, and is then not written again."""
    models = {
        name: {
            revision: {
                "commit": each.commit,
                "files": {file: {"sha256": held.sha256, "size": held.size} for file, held in each.files.items()},
                **({"absent": sorted(each.absent)} if each.absent else {}),
                **({"endpoint": each.endpoint} if each.endpoint else {}),
            }
            for revision, each in revisions.items()
        }
        for name, revisions in lock.items()
    }
    content = (json.dumps({"version": VERSION, "models": models}, indent=2, sort_keys=True) + "\n").encode()
    target = Path(path)
    if not target.is_file() or target.read_bytes() != content:
        with atomic_write(target) as temporary:
            temporary.write_bytes(content)


def update_lock(
    path: str | os.PathLike[str], name: str, revision: str, fetched: LockedCommit, cache_root: Path
) -> LockedCommit:
    """Notes what was fetched in a lock file, which is made if need be; all else in it stays.

    What the lock says of the same commit is kept beside it; of another commit it is replaced. Processes that write the
    same lock at once wait for each other.

    Args:
        path: the lock file.
        name, revision: what was asked for.
        fetched: what it stands for.
        cache_root: the cache's folder, which the file that processes wait for is made in.

    Returns:
        What the lock now says of the revision.

    Raises:
        LockError: what is there is no lock file.
        IntegrityError: the lock says something else of the same commit.
        OSError: it cannot be written.
    """
    from .cache import locked

    target = Path(path).absolute()
    waiting = cache_root / ".locks" / f"tx-lock-{hashlib.sha256(os.fsencode(target)).hexdigest()[:40]}.lock"
    waiting.parent.mkdir(parents=True, exist_ok=True)
    with locked(waiting):
        lock = read_lock(target) if target.exists() else {}
        before = lock.get(name, {}).get(revision)
        if before is not None and before.commit == fetched.commit:
            fetched = before.joined(fetched, f"{name!r}")
        lock.setdefault(name, {})[revision] = fetched
        write_lock(target, lock)
    return fetched


def endpoint_of(source: Source) -> str | None:
    """What a lock file notes of where files come from: the hub's address without secrets; None for the public hub."""
    url = shown(source.endpoint_url()).rstrip("/")
    return None if url == DEFAULT_ENDPOINT else url


def locate_held(name: str, files: Sequence[str], source: Source, find: Find) -> Path | None:
    """As `tx_core.files.locate`, of a source with a lock: what is found is what the lock says, or an error.

    Args:
        name: what `locate` takes.
        files: file names, relative to the repository.
        source: with a lock.
        find: finds what a name stands for without a lock.

    Returns:
        The path of the first of `files` that is in the lock; None if the lock says that all of them are absent.

    Raises:
        LockError: the lock does not have the name, the revision or the file.
        IntegrityError: the file is not what the lock says.
        OfflineError, EntryNotFoundError: the file is in the lock and not to be had.
    """
    assert source.lock is not None
    lock = read_lock(source.lock)
    if os.path.isfile(name):
        return _held_path(name, lock, source)
    revision, entry = _entry(name, lock, source)
    label = f"{name!r} ({revision})"
    file = next((file for file in files if file in entry.files), None)
    if file is None:
        unknown = [file for file in files if file not in entry.absent]
        if unknown:
            raise LockError(
                f"the lock file {source.lock} does not have {' or '.join(unknown)} of {label}: "
                f"{_download(name, revision, source)} notes what a model needs, and other files with --files"
            )
        return None
    path = find(name, [file], _from_hub(source, entry))
    if path is None:
        where = f"the folder {name!r} lacks it" if os.path.isdir(name) else "the repository does not have it there"
        if not os.path.isdir(name) and source.offline:
            raise OfflineError(
                f"{file} of {label} is in the lock file {source.lock}, but not in the cache "
                f"{str(source.cache_root())!r}, and {source.offline_reason} forbids requests; download it once "
                "without that"
            )
        raise EntryNotFoundError(
            f"{file} of {label} is in the lock file {source.lock}, commit {entry.commit}, but {where}"
        )
    return _checked(path, file, entry, name, revision, source)


def _from_hub(source: Source, entry: LockedCommit) -> Source:
    """Where the commit is fetched from. A token that was not passed goes to no host that the lock alone names."""
    held = replace(source, lock=None, revision=entry.commit)
    if entry.endpoint is None or source.endpoint is not None or os.environ.get("HF_ENDPOINT"):
        return held
    return replace(held, endpoint=entry.endpoint, token=False if source.token is None else source.token)


def _held_path(path: str, lock: Lock, source: Source) -> Path:
    """A file that is named by its path: of the cache, or in a folder whose name is in the lock."""
    found = _IN_THE_CACHE.search(Path(path).as_posix())
    name, file = (found[1].replace("--", "/"), found[3]) if found else ("", "")
    for folder in lock:
        if Path(path).is_relative_to(folder):
            found, name, file = None, folder, Path(path).relative_to(folder).as_posix()
    if name not in lock:
        raise LockError(
            f"{path!r} is a local file, and the lock file {source.lock} holds repositories by their names: leave lock= "
            "out, or give the name"
        )
    revision, entry = _entry(name, lock, source)
    if (found and found[2] != entry.commit) or file not in entry.files:
        raise LockError(
            f"{path!r} is not what the lock file {source.lock} has of {name!r} ({revision}, commit {entry.commit}): "
            f"{_download(name, revision, source)} writes what the hub has now"
        )
    return _checked(Path(path), file, entry, name, revision, source)


def _entry(name: str, lock: Lock, source: Source) -> tuple[str, LockedCommit]:
    """The revision that a source means, and what the lock says of it."""
    revisions = lock.get(name)
    if revisions is None:
        raise LockError(f"the lock file {source.lock} does not have {name!r}: {_cure(name, source)}")
    asked = source.revision
    if asked in revisions:
        return asked, revisions[asked]
    if asked == "" and len(revisions) == 1:
        return next(iter(revisions.items()))
    if asked == "" and "main" in revisions:
        return "main", revisions["main"]
    of_commit = [revision for revision, each in revisions.items() if each.commit == asked]
    if of_commit:
        entry = revisions[of_commit[0]]
        for other in of_commit[1:]:
            entry = entry.joined(revisions[other], f"{name!r}")
        return of_commit[0], entry
    known = ", ".join(f"{revision} (commit {each.commit})" for revision, each in sorted(revisions.items()))
    if asked == "":
        raise LockError(f"the lock file {source.lock} has {name!r} at {known}: say which, with revision=")
    raise LockError(
        f"revision={asked!r} contradicts the lock file {source.lock}, which has {name!r} at {known}: leave revision= "
        f"out, or {_download(name, asked, source)} adds it"
    )


def _cure(name: str, source: Source) -> str:
    if is_url(name):
        return "it holds repositories, and no addresses: leave lock= out"
    if os.path.isdir(name):
        return "it holds repositories, and this is a local folder: leave lock= out"
    if bundled_folder(check_name(name)) is not None:
        return f"it comes with the installed {name.partition('/')[0]}, whose version pip holds: leave lock= out"
    return f"{_download(name, source.revision or 'main', source)} adds it"


def _download(name: str, revision: str, source: Source) -> str:
    asked = "" if revision == "main" else f" --revision {shlex.quote(revision)}"
    return f"`tx download {shlex.quote(name)}{asked} --lock {shlex.quote(str(source.lock))}`"


def _checked(path: Path, file: str, entry: LockedCommit, name: str, revision: str, source: Source) -> Path:
    found, wanted = LockedFile.of(path), entry.files[file]
    if found != wanted:
        cure = "fetch it again with force_download=True"
        if path.is_relative_to(name):
            cure = f"the local folder {name!r} goes before the repository: rename it, or leave lock= out"
        raise IntegrityError(
            f"{file} of {name!r} ({revision}, commit {entry.commit}): {path} has {found}, the lock file {source.lock} "
            f"says {wanted}; it is damaged or was changed: {cure}"
        )
    return path
