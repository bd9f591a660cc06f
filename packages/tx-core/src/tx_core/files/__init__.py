"""Files by name: a local folder or file, a model that an installed package brings, a repository of the hub, or an
http(s) address; cached, verified, resumable.

The cache has the layout of the hub's own library, so files that it or `transformers` downloaded are found, and the
other way round. Nothing here imports requests, filelock or tqdm before a request is sent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from .bars import progress
from .bundled import bundled_folder
from .errors import (
    AccessError,
    EntryNotFoundError,
    FilesError,
    IntegrityError,
    InvalidNameError,
    LockError,
    OfflineError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    UnavailableError,
)
from .folder_saves import remove, saving, settle
from .source import Source, cache_folder, check_name, is_url, within
from .writing import atomic_write

__all__ = [
    "CONFIG_NAME",
    "PYTORCH_PRETRAINED_BERT_CACHE",
    "PYTORCH_TRANSFORMERS_CACHE",
    "SAFE_WEIGHTS_NAME",
    "TF2_WEIGHTS_NAME",
    "TF_WEIGHTS_NAME",
    "TRANSFORMERS_CACHE",
    "WEIGHTS_NAME",
    "AccessError",
    "EntryNotFoundError",
    "FilesError",
    "IntegrityError",
    "InvalidNameError",
    "LockError",
    "OfflineError",
    "RepositoryNotFoundError",
    "RevisionNotFoundError",
    "Source",
    "UnavailableError",
    "atomic_write",
    "cache_folder",
    "cached_path",
    "check_unchanged",
    "locate",
    "locate_each",
    "pinned",
    "progress",
    "refuse_file",
    "remove",
    "saving",
    "settle",
]

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "pytorch_model.bin"
TF2_WEIGHTS_NAME = "tf_model.h5"
TF_WEIGHTS_NAME = "model.ckpt"
SAFE_WEIGHTS_NAME = "model.safetensors"

_DEFAULT = Source()


def locate(name_or_path: str | os.PathLike[str], candidates: Sequence[str], source: Source = _DEFAULT) -> Path | None:
    """The path of the first of `candidates` that exists in what `name_or_path` names.

    `name_or_path` is, in this order: an existing file, returned as it is whatever the candidates; an existing folder;
    an http(s) address of a file, downloaded and returned, or, if it ends in "/", of a folder; a model that an installed
    package brings ("tx-tiny/gpt2"), which needs no request; a hub repository ("gpt2", "org/name"). So a local folder
    wins over a repository of the same name. Candidates are file names with "/", relative to the folder or repository
    and to `source.subfolder`.

    Of a repository the cached file is used without any request if `source.revision` is a full commit hash or requests
    are forbidden (`source.local_files_only`, `TX_OFFLINE=1`, `HF_HUB_OFFLINE=1`); otherwise one request asks whether it
    is current, and if there is no answer the cached one is used with a logged warning.

    With `source.lock` the commit is the locked one, and what is found has to be what the lock says; see
    `tx_core.files.lock`.

    Returns None if the folder or repository exists and has none of the candidates; offline also if the revision is
    cached without them. Raises OSErrors: InvalidNameError, RepositoryNotFoundError, RevisionNotFoundError,
    EntryNotFoundError (the address of a file), AccessError (401, 403), OfflineError, UnavailableError (no connection,
    429, 5xx after retries), IntegrityError (length or hash), LockError (not in the lock, or against it), FilesError (a
    save of the folder was cut short and cannot be finished); ValueError for options that contradict each other.
    """
    name = os.fspath(name_or_path)
    files = [within(source.subfolder, candidate) for candidate in candidates]
    if source.lock is None:
        return _find(name, files, source)
    from .lock import locate_held  # few loads are held to a lock

    return locate_held(name, files, source, _find)


def _find(name: str, files: Sequence[str], source: Source) -> Path | None:
    """As `locate`, without a lock; the file names are checked, and relative to the folder or repository."""
    if not is_url(name):
        settle(Path(name).parent)
    if os.path.isfile(name):
        return Path(name)
    if os.path.isdir(name):
        return _first_in(Path(name), files)
    if not is_url(name):
        bundled = bundled_folder(check_name(name), source.revision)
        if bundled is not None:
            return _first_in(bundled, files)
    from .cache import first_that_exists, from_hub, from_url  # here, since most of what uses this module never asks

    if not is_url(name):
        return from_hub(name, files, source)
    if name.endswith("/"):
        return first_that_exists([name + quote(file) for file in files], lambda url: from_url(url, source))
    return from_url(name, source)


def _first_in(folder: Path, files: Sequence[str]) -> Path | None:
    paths = [folder / file for file in files]
    for parent in dict.fromkeys(path.parent for path in paths):
        settle(parent)
    return next((path for path in paths if path.is_file()), None)


def pinned(source: Source, path: Path, name_or_path: str | os.PathLike[str]) -> Source:
    """`source` at the commit that `path`, found by `locate`, is of, so that further files come from the same commit.

    It also spares the requests for those that are cached. Of a local folder the state of `path` is noted, for
    `check_unchanged`. For a path that is of neither, `source` itself.
    """
    local = Path(name_or_path)
    if source.seen is None and (path.is_relative_to(local) or (path.parent == local.parent and local.is_file())):
        return replace(source, seen=(str(path), *_state(path)))
    folder = re.escape("models--" + os.fspath(name_or_path).replace("/", "--"))
    match = re.search(rf"/{folder}/snapshots/([0-9a-f]{{40}})/", path.as_posix())
    return source if match is None else replace(source, revision=match[1])


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def check_unchanged(source: Source) -> None:
    """Raise FilesError if what was read first of a local folder has been replaced: the rest may be of another save."""
    if source.seen is not None:
        path = Path(source.seen[0])
        settle(path.parent)
        if not path.is_file() or _state(path) != source.seen[1:]:
            raise FilesError(
                f"{path.parent} was saved to while it was read, and {path.name} is another now: load it again"
            )


def refuse_file(name_or_path: str | os.PathLike[str], source: Source) -> None:
    """Raise LockError if a file is named by its path, or the prefix of a checkpoint, and `source` has a lock.

    It is for what reads more files than the one that is named, without a name for each.
    """
    name = os.fspath(name_or_path)
    if source.lock is not None and (os.path.isfile(name) or os.path.isfile(f"{name}.index")):
        raise LockError(
            f"{name!r} is a local file, and what lies beside it cannot be held to the lock file {source.lock}: give "
            "the name of its repository, or leave lock= out"
        )


def locate_each(
    name_or_path: str | os.PathLike[str], files: Iterable[str], source: Source = _DEFAULT
) -> tuple[dict[str, Path], Source]:
    """The paths of those of `files` that exist, all of the commit of the first; and `source` at that commit.

    Errors are those of `locate`.
    """
    found: dict[str, Path] = {}
    for file in files:
        path = locate(name_or_path, [file], source)
        if path is not None:
            found[file] = path
            source = pinned(source, path, name_or_path)
    return found, source


def cached_path(
    url_or_filename: str | os.PathLike[str],
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
    proxies: Mapping[str, str] | None = None,
) -> str:
    """The local path of an http(s) address, downloaded if need be, or of a file or folder, which has to exist.

    Raises FileNotFoundError for a path that does not exist, ValueError for another kind of address, and what `locate`
    raises.
    """
    name = os.fspath(url_or_filename)
    if is_url(name):
        from .cache import from_url

        folder = None if cache_dir is None else os.fspath(cache_dir)
        return str(from_url(name, Source(cache_dir=folder, force_download=force_download, proxies=proxies)))
    if os.path.exists(name):
        return name
    if "://" in name:
        raise ValueError(
            f"{name!r} is neither an http(s) address nor a local path; download it yourself and pass the path"
        )
    raise FileNotFoundError(f"the file {name!r} does not exist (the current folder is {os.getcwd()!r})")


TYPE_CHECKING = False
if TYPE_CHECKING:
    PYTORCH_PRETRAINED_BERT_CACHE: str
    PYTORCH_TRANSFORMERS_CACHE: str
    TRANSFORMERS_CACHE: str
else:

    def __getattr__(name):
        """Where downloads are kept if no `cache_dir` is given, by the names that programs of 2019 have for it.

        It is a constant, as it was then: what the environment says at first use.
        """
        if name in ("PYTORCH_PRETRAINED_BERT_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "TRANSFORMERS_CACHE"):
            value = globals()[name] = str(cache_folder())
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
