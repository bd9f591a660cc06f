"""The cache on disk: repositories in the layout of the hub's own library, and files of other addresses beside them.

<root>/models--org--name/blobs/<etag>                    the content
                         refs/<revision>                 the commit that a branch or tag stood for
                         snapshots/<commit>/<file>       link to the blob
                         .no_exist/<commit>/<file>       empty: the commit has no such file
<root>/.locks/models--org--name/<etag>.lock
<root>/tx-urls/<hash of the URL>/ref                     key of the newest content
                                 <hash of the ETag>/<file>
                                 absent                  empty: there was no file at this URL
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from .errors import (
    AccessError,
    EntryNotFoundError,
    FilesError,
    IntegrityError,
    OfflineError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    UnavailableError,
)
from .source import Source, check_revision, is_commit, origin, shown
from .temporary import sweep
from .transfer import ATTEMPTS, ChangedError, Client, Remote, Reply, download, raise_for_status
from .writing import atomic_write

logger = logging.getLogger(__name__)

# With a cached copy at hand a dead connection is given up sooner.
_ATTEMPTS_IF_CACHED = 2
_CHANGES = 3  # so often the file may change between asking and fetching
_LOG_LOCK_EVERY = 10.0  # seconds
_HASH = re.compile("[0-9a-fA-F]{7,64}")


@dataclass(frozen=True)
class HubCache:
    """The cached files of one repository."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / ("models--" + self.name.replace("/", "--"))

    def commit(self, revision: str) -> str | None:
        """The commit that `revision` last stood for; None if nothing of it is cached."""
        if is_commit(revision):
            return revision
        try:
            commit = (self.folder / "refs" / revision).read_text(encoding="utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            # A shortened commit hash has no ref, but perhaps a folder of its own.
            return revision if (self.folder / "snapshots" / revision).is_dir() else None
        if not _HASH.fullmatch(commit):
            logger.warning("the cache file %s is damaged and not used", self.folder / "refs" / revision)
            return None
        return commit

    def snapshot(self, commit: str, file: str) -> Path:
        return self.folder / "snapshots" / commit / file

    def is_absent(self, commit: str, file: str) -> bool:
        return (self.folder / ".no_exist" / commit / file).is_file()

    def has_snapshot(self, commit: str) -> bool:
        return (self.folder / "snapshots" / commit).is_dir() or (self.folder / ".no_exist" / commit).is_dir()

    def blob(self, etag: str) -> Path:
        return self.folder / "blobs" / _as_file_name(etag)

    def lock(self, etag: str) -> Path:
        return self.root / ".locks" / self.folder.name / f"{_as_file_name(etag)}.lock"

    def note_commit(self, revision: str, commit: str) -> None:
        """Remembers what `revision` stands for. A cache that cannot be written only costs the next call a request."""
        if revision == commit or self.commit(revision) == commit:
            return
        ref = self.folder / "refs" / revision
        try:
            ref.parent.mkdir(parents=True, exist_ok=True)
            sweep(ref.parent)
            with atomic_write(ref) as temporary:
                temporary.write_text(commit, encoding="utf-8")
        except OSError as error:
            logger.warning("cannot note in the cache that %s is commit %s: %s", revision, commit, error)

    def note_absent(self, commit: str, file: str) -> None:
        mark = self.folder / ".no_exist" / commit / file
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError as error:
            logger.warning("cannot note in the cache that commit %s has no %s: %s", commit, file, error)


def from_hub(name: str, files: Sequence[str], source: Source) -> Path | None:
    """The first of `files` that the repository has, from the cache or downloaded; None if it has none of them."""
    revision = check_revision(source.revision)
    cache = HubCache(source.cache_root(), name)
    if source.offline:
        return _only_cached(cache, revision, files, source)
    if is_commit(revision) and not source.force_download:
        # Pinned: what is cached cannot have changed. Not even a session is made.
        files = [file for file in files if not cache.is_absent(revision, file)]
        if not files:
            return None
        if cache.snapshot(revision, files[0]).is_file():
            return cache.snapshot(revision, files[0])
    endpoint = source.endpoint_url()
    with Client(endpoint, source.explicit_token() or source.implicit_token(), source.proxies) as client:
        known = revision  # becomes the commit with the first answer: all candidates come from the same one
        for file in files:
            if is_commit(known) and not source.force_download:
                if cache.snapshot(known, file).is_file():
                    return cache.snapshot(known, file)
                if cache.is_absent(known, file):
                    continue
            try:
                path, known = _fetch(client, cache, f"{endpoint}/{name}", known, revision, file, source)
            except UnavailableError as error:
                if source.force_download:
                    raise
                return _only_cached(cache, revision, files, source, error)
            if path is not None:
                return path
    return None


def _only_cached(
    cache: HubCache, revision: str, files: Sequence[str], source: Source, error: UnavailableError | None = None
) -> Path | None:
    """The first of `files` in the cache. `error` is why nobody can be asked; None if nobody was to be."""
    commit = cache.commit(revision)
    unknown = list(files)
    if commit is not None:
        for file in files:
            path = cache.snapshot(commit, file)
            if path.is_file():
                if error is not None:
                    logger.warning("%s. The cached %s of %r is used, current or not", error, file, cache.name)
                return path
        unknown = [file for file in files if not cache.is_absent(commit, file)]
        if not unknown:
            return None
    if error is not None:
        raise error
    if commit is not None and cache.has_snapshot(commit):
        # Whoever filled the cache (a snapshot download, say) need not have asked for optional files.
        logger.info(
            "%s: %s of %r not in the cache, taken as absent", source.offline_reason, ", ".join(unknown), cache.name
        )
        return None
    raise OfflineError(
        f"{' or '.join(files)} of {cache.name!r} (revision {revision!r}) is not in the cache {str(cache.root)!r} and "
        f"{source.offline_reason} forbids requests; there is no local folder {cache.name!r} either. Download it once "
        "without that, or pass the cache_dir= that holds it"
    )


def _fetch(
    client: Client, cache: HubCache, url: str, asked: str, revision: str, file: str, source: Source
) -> tuple[Path | None, str]:
    """Asks for `file` at the revision `asked`. Returns its path (None: no such file) and the commit, if known."""
    label = f"{file} of {cache.name!r} (revision {revision!r})"
    cached = cache.commit(revision)
    attempts = _ATTEMPTS_IF_CACHED if cached and cache.snapshot(cached, file).is_file() else ATTEMPTS
    for _ in range(_CHANGES):
        reply = client.head(_resolve(url, asked, file), attempts)
        commit = reply.hub_headers.get("X-Repo-Commit", asked)
        if _is_missing_entry(reply):
            if "X-Repo-Commit" in reply.hub_headers:
                commit = _checked_commit(commit, shown(url))
                cache.note_absent(commit, file)
                cache.note_commit(revision, commit)
            return None, commit
        _raise_for_repository(reply, label, cache.name, client.sends_token, source)
        if reply.etag is None or ("X-Repo-Commit" not in reply.hub_headers and not is_commit(asked)):
            raise FilesError(
                f"{label}: {shown(reply.response.url)} does not answer as a model hub (no X-Repo-Commit or no ETag "
                "header); check endpoint= or HF_ENDPOINT, and that no proxy or firewall answers in its place",
                url=shown(reply.response.url),
                status=reply.status,
            )
        commit = _checked_commit(commit, shown(url))
        linked = "X-Linked-Etag" in reply.hub_headers
        remote = Remote(
            url=_resolve(url, commit, file),  # the commit's, so that a branch that moves meanwhile changes nothing
            label=label,
            etag=reply.etag,
            size=reply.size,
            validator=None if linked else reply.strong_etag,
            checksum=True,
        )
        try:
            path = _store(client, cache, remote, commit, file, source)
        except ChangedError:
            logger.warning("%s changed while it was asked for; asking again", label)
            continue
        cache.note_commit(revision, commit)
        return path, commit
    raise IntegrityError(
        f"{label}: the file at {shown(url)} changes each time it is asked for; try again later", url=shown(url)
    )


def _store(client: Client, cache: HubCache, remote: Remote, commit: str, file: str, source: Source) -> Path:
    """Makes sure that the snapshot of `commit` has `file`; it is downloaded only if no commit brought its content."""
    path = cache.snapshot(commit, file)
    if path.is_file() and not source.force_download:
        return path
    etag = remote.etag or ""
    blob = cache.blob(etag)
    _make_folders(cache.root, blob.parent, path.parent, cache.lock(etag).parent)
    with locked(cache.lock(etag)):
        if path.is_file() and not source.force_download:
            return path  # another process was faster
        if blob.is_file() and not source.force_download:
            _link(blob, path, new=False)
            return path
        download(client, remote, blob, source.resume_download and not source.force_download)
        _link(blob, path, new=True)
    return path


def _link(blob: Path, path: Path, new: bool) -> None:
    """Puts the blob at `path`: as a relative link, else (a file system without links) moved if it is new, or copied."""
    # Its name is always the same, since the lock is held: one that a killed process left behind is replaced.
    temporary = path.with_name(f".tx-{_short_hash(path.name)[:12]}.link")
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(blob, path.parent))
    except (OSError, NotImplementedError) as error:
        logger.info("no symbolic link at %s (%s): the file itself is put there", path, error)
        if new:
            os.replace(blob, path)
        else:
            sweep(path.parent)
            with atomic_write(path) as copy:
                shutil.copyfile(blob, copy)
    else:
        os.replace(temporary, path)


def _is_missing_entry(reply: Reply) -> bool:
    """Whether the repository is there and the file is not. A plain mirror's bare 404 says no more than this either."""
    return reply.status == 404 and reply.response.headers.get("X-Error-Code", "EntryNotFound") == "EntryNotFound"


def _raise_for_repository(reply: Reply, label: str, name: str, token_sent: bool, source: Source) -> None:
    status, url = reply.status, shown(reply.response.url)
    code = reply.response.headers.get("X-Error-Code", "")
    if code == "RevisionNotFound":
        raise RevisionNotFoundError(
            f"{label}: {name!r} has no such branch, tag or commit ({url} answers {status}); check revision=",
            url=url,
            status=status,
        )
    if code == "GatedRepo":
        raise AccessError(
            f"{label}: {name!r} is gated ({url} answers {status}): accept its conditions at "
            f"{shown(source.endpoint_url())}/{name} and pass token=… or set HF_TOKEN",
            url=url,
            status=status,
        )
    if code == "RepoNotFound":
        private = "your token does not open it" if token_sent else "it is private: pass token=… or set HF_TOKEN"
        raise RepositoryNotFoundError(
            f"{label}: there is no local folder {name!r} (seen from {os.getcwd()!r}), and {url} answers {status}: no "
            f"repository has this name, or {private}",
            url=url,
            status=status,
        )
    raise_for_status(reply, label, token_sent)


def _resolve(url: str, revision: str, file: str) -> str:
    return f"{url}/resolve/{quote(revision, safe='')}/{quote(file)}"


def _checked_commit(commit: str, where: str) -> str:
    """`commit` becomes the name of a folder, so it is believed only if it is a hash."""
    if not _HASH.fullmatch(commit):
        raise FilesError(f"{where} gives {commit[:80]!r} as the commit, which is no hash")
    return commit


def _as_file_name(etag: str) -> str:
    """The hub's library uses the ETag itself; one that would be no proper file name is hashed."""
    if re.fullmatch(r"\w[\w.+=-]{0,127}", etag, re.ASCII) and not etag.endswith((".incomplete", ".lock")):
        return etag
    return "etag-" + hashlib.sha256(etag.encode("utf-8", "surrogateescape")).hexdigest()[:40]


def _make_folders(root: Path, *folders: Path) -> None:
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FilesError(
            f"the cache {str(root)!r} cannot be written ({error.strerror}: {error.filename!r}); pass cache_dir=… or "
            "set HF_HOME"
        ) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file, which processes of the hub's own library respect too."""
    from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

    lock: BaseFileLock = FileLock(str(path))
    while True:
        try:
            lock.acquire(timeout=_LOG_LOCK_EVERY)
        except Timeout:
            logger.warning("waiting for another process that downloads the same file; it holds %s", path)
        except NotImplementedError:
            logger.info("no file locks in %s: an ordinary file serves as the lock", path.parent)
            lock = SoftFileLock(str(path))
        else:
            break
    try:
        yield
    finally:
        lock.release()


def from_url(url: str, source: Source) -> Path:
    """The file at a plain address, from the cache if its ETag is still the same. Raises EntryNotFoundError for 404."""
    home = origin(url)  # raises if the address is malformed
    folder = source.cache_root() / "tx-urls" / _short_hash(url)
    name = _url_file_name(url)
    cached = _cached_url(folder, name)
    absent = folder / "absent"
    if source.offline:
        if absent.is_file():
            raise EntryNotFoundError(f"there was no file at {shown(url)} when it was last asked for", url=shown(url))
        if cached is None:
            raise OfflineError(
                f"{shown(url)} is not in the cache {str(source.cache_root())!r} and {source.offline_reason} forbids "
                "requests; download it once without that",
                url=shown(url),
            )
        return cached
    token = source.explicit_token()
    if token is None and home == origin(source.endpoint_url()):
        token = source.implicit_token()
    with Client(url, token, source.proxies) as client:
        try:
            path = _fetch_url(client, url, folder, name, cached, source)
        except EntryNotFoundError:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                absent.touch()
            except OSError as error:
                logger.warning("cannot note in the cache that there is no file at %s: %s", shown(url), error)
            raise
        except UnavailableError as error:
            if cached is None or source.force_download:
                raise
            logger.warning("%s. The cached file is used, current or not", error)
            return cached
    absent.unlink(missing_ok=True)
    return path


def _fetch_url(client: Client, url: str, folder: Path, name: str, cached: Path | None, source: Source) -> Path:
    for _ in range(_CHANGES):
        reply = client.head(url, _ATTEMPTS_IF_CACHED if cached else ATTEMPTS)
        raise_for_status(reply, name, client.sends_token)
        # Without an ETag the date and the size tell one content from another; without those, the first download stays.
        key = _short_hash(reply.etag or f"{reply.response.headers.get('Last-Modified', '')} {reply.size or ''}")
        path = folder / key / name
        if source.force_download or not path.is_file():
            lock = folder / f"{key}.lock"
            _make_folders(source.cache_root(), path.parent)
            # An ETag of an arbitrary server may look like a hash and be none, so it is compared, not computed.
            remote = Remote(url, name, reply.etag, reply.size, reply.strong_etag, checksum=False)
            try:
                with locked(lock):
                    if source.force_download or not path.is_file():
                        download(client, remote, path, source.resume_download and not source.force_download)
            except ChangedError:
                continue
        if cached != path:
            sweep(folder)
            with atomic_write(folder / "ref") as temporary:
                temporary.write_text(key, encoding="utf-8")
        return path
    raise IntegrityError(f"the file at {shown(url)} changes each time it is asked for; try again later", url=shown(url))


def _cached_url(folder: Path, name: str) -> Path | None:
    try:
        key = (folder / "ref").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    path = folder / key / name
    return path if re.fullmatch("[0-9a-f]{40}", key) and path.is_file() else None


def _url_file_name(url: str) -> str:
    """The last part of the address as a file name, since some readers go by its ending."""
    name = re.sub(r"[^\w.+-]", "_", unquote(urlsplit(url).path).rpartition("/")[2], flags=re.ASCII).lstrip(".")
    return name[-100:] or "file"


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def first_that_exists(urls: Sequence[str], fetch: Callable[[str], Path]) -> Path | None:
    """The first of `urls` that `fetch` does not call missing."""
    for url in urls:
        try:
            return fetch(url)
        except EntryNotFoundError:
            continue
    return None
