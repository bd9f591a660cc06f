"""Where files come from: the download options, the environment variables behind them, and which names are allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tx_core.messages import quoted

from .errors import FilesError, InvalidNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEFAULT_ENDPOINT = "https://huggingface.co"
_TRUE = {"1", "ON", "YES", "TRUE"}
# The order in which transformers takes its cache folder from the environment; the first three are its older names.
_CACHE_VARIABLES = (
    "TRANSFORMERS_CACHE",
    "PYTORCH_TRANSFORMERS_CACHE",
    "PYTORCH_PRETRAINED_BERT_CACHE",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
)
_OFFLINE_VARIABLES = ("TX_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

# The hub's rule: one or two parts of letters, digits, "-", "_" and ".", neither starting or ending with "-" or ".".
_NAME = re.compile(r"(?:\w(?:[\w.-]*\w)?/)?\w(?:[\w.-]{0,94}\w)?", re.ASCII)
# Characters of a revision, or of a part of a file's name. No system takes longer names of files.
LONGEST_NAME = 255
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What no branch or tag of git may hold (git check-ref-format), and control characters.
_NOT_IN_A_REVISION = re.compile(r"[\x00-\x20\x7f\\~^:?*\[]")
_NOT_IN_A_FILE_NAME = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True)
class Source:
    """The download options that every `from_pretrained` takes.

    cache_dir: folder of the cache, in the layout of the hub's own library. None: the environment's (`cache_folder`).
    force_download: fetch again what is cached.
    local_files_only: use the cache and send no request. The environment (`TX_OFFLINE=1`) asks for the same.
    revision: branch, tag or full commit hash of a repository. A commit hash that is cached needs no request. With a
        lock it has to be one that is locked; "" stands for the only one, or "main".
    proxies: as `requests` takes them, {"https": "http://proxy:3128"}; None: the environment's `https_proxy` and so on.
    token: for private and gated repositories. None: `HF_TOKEN` or the file `hf auth login` wrote, if there is one;
        True: the same, and an error if there is none; False: none is sent. A token goes to the endpoint alone.
    endpoint: address of the hub or a mirror. None: `HF_ENDPOINT`, else https://huggingface.co.
    subfolder: folder within the repository or local folder.
    resume_download: continue a download that broke off; False starts it over.
    lock: path of a lock file, which `tx download NAME --lock tx.lock` writes. Its commit is used, and no file that is
        not in it with the same size and sha256; see `tx_core.files.lock`.
    seen: of a local folder, path, inode and date of the file that was read first, see `check_unchanged`. No option.
    """

    cache_dir: str | None = None
    force_download: bool = False
    local_files_only: bool | None = None
    revision: str = "main"
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    token: str | bool | None = field(default=None, repr=False)
    endpoint: str | None = None
    subfolder: str = ""
    resume_download: bool = True
    lock: str | None = None
    seen: tuple[str, int, int] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def names(cls) -> list[str]:
        """The keywords that `take` takes, but for the older spelling of `token`."""
        return [each.name for each in fields(cls) if each.name != "seen"]

    @classmethod
    def take(cls, kwargs: MutableMapping[str, Any]) -> Source:
        """The Source that `kwargs` describes; its keys are removed from `kwargs`, all others stay.

        A value of None means the default; that of `revision` is "" beside a lock. `use_auth_token` is the older
        spelling of `token`; both with different values raise ValueError.
        """
        taken = {name: kwargs.pop(name) for name in cls.names() if name in kwargs}
        older = kwargs.pop("use_auth_token", None)
        if older is not None:
            if taken.get("token") not in (None, older):
                raise ValueError(
                    "token= and use_auth_token= (its older spelling) have different values; pass token= alone"
                )
            taken["token"] = older
        for path in ("cache_dir", "lock"):
            if taken.get(path) is not None:
                taken[path] = os.fspath(taken[path])
        if taken.get("lock") is not None and taken.get("revision") is None:
            taken["revision"] = ""
        return cls(**{name: value for name, value in taken.items() if value is not None})

    @property
    def offline(self) -> bool:
        """Whether no request may be sent. Raises ValueError if `force_download` asks for one all the same."""
        reason = self.offline_reason
        if reason and self.force_download:
            raise ValueError(f"force_download=True needs requests, but {reason} forbids them; drop one of the two")
        return bool(reason)

    @property
    def offline_reason(self) -> str:
        """What forbids requests, as the user wrote it; "" if nothing does."""
        if self.local_files_only:
            return "local_files_only=True"
        return next((f"{name}={os.environ[name]}" for name in _OFFLINE_VARIABLES if is_set(name)), "")

    def cache_root(self) -> Path:
        """`cache_dir`, else the environment's cache folder."""
        return cache_folder() if self.cache_dir is None else Path(self.cache_dir).expanduser()

    def endpoint_url(self) -> str:
        """The hub's address without a slash at the end. Raises ValueError unless it is an http(s) URL."""
        url = (self.endpoint or os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
        if not is_url(url):
            raise ValueError(
                f"the endpoint {quoted(url)} (endpoint= or HF_ENDPOINT) is no http(s) address like {DEFAULT_ENDPOINT}"
            )
        return url

    def implicit_token(self) -> str | None:
        """The environment's token, if `token` lets it be used. Raises ValueError if `token=True` and there is none."""
        if self.token is False or (self.token is None and is_set("HF_HUB_DISABLE_IMPLICIT_TOKEN")):
            return None
        token = os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")
        if not (token and token.strip()):
            path = Path(os.path.expandvars(os.environ.get("HF_TOKEN_PATH") or home_folder() / "token")).expanduser()
            try:
                token = path.read_text(encoding="utf-8", errors="replace")
            except (FileNotFoundError, NotADirectoryError):
                token = None
        if not (token and token.strip()):
            if self.token is True:
                raise ValueError(
                    "token=True, but there is no token: set HF_TOKEN, run `hf auth login`, or pass token='hf_…'"
                )
            return None
        return _checked_token(token)

    def explicit_token(self) -> str | None:
        """The token that was passed as a string."""
        return _checked_token(self.token) if isinstance(self.token, str) else None


def is_set(name: str) -> bool:
    """Whether the environment variable `name` is switched on (1, on, yes, true)."""
    return os.environ.get(name, "").strip().upper() in _TRUE


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        # The value itself is a secret: it is not quoted.
        raise ValueError(
            "the token is empty or holds spaces, control or non-ASCII characters; a token looks like 'hf_…'"
        )
    return token


def home_folder() -> Path:
    """`HF_HOME`, else `$XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface`."""
    home = os.environ.get("HF_HOME")
    if not home:
        home = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(os.path.expandvars(home)).expanduser()


def cache_folder() -> Path:
    """The cache folder that `transformers` would use too: `TRANSFORMERS_CACHE`, `HF_HUB_CACHE`, else `$HF_HOME/hub`."""
    for name in _CACHE_VARIABLES:
        if value := os.environ.get(name):
            return Path(os.path.expandvars(value)).expanduser()
    return home_folder() / "hub"


def timeout(variable: str) -> float:
    """Seconds to wait for the server: `HF_HUB_ETAG_TIMEOUT` (is a cached file current?), `HF_HUB_DOWNLOAD_TIMEOUT`."""
    return _positive(variable, 10, 1e6, "seconds")


def largest_download() -> float:
    """Bytes of a file, `TX_MAX_DOWNLOAD_BYTES`. A server that says no size could fill the disk."""
    return _positive("TX_MAX_DOWNLOAD_BYTES", 16 << 30, 1e18, "bytes")


def slowest_download() -> float:
    """Bytes a second, `TX_MIN_DOWNLOAD_RATE`. A server that sends some in each timeout could go on for ever."""
    return _positive("TX_MIN_DOWNLOAD_RATE", 1000, 1e12, "bytes a second")


def _positive(variable: str, default: float, limit: float, unit: str) -> float:
    value = os.environ.get(variable) or str(default)
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < limit:
        raise ValueError(f"{variable}={quoted(value)} is no number of {unit} above 0")
    return number


def is_url(name: str) -> bool:
    """Whether `name` is an http or https address."""
    return name[:8].lower().startswith(("http://", "https://"))


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what has to agree for a token to be sent. Raises FilesError for a malformed URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme.lower() == "https" else 80)
    except ValueError as error:
        address = url.partition("?")[0].rpartition("@")[2]
        raise FilesError(f"{quoted(address)} is no valid address: {error}") from error
    return parts.scheme.lower(), (parts.hostname or "").lower(), port


def shown(url: str) -> str:
    """`url` for messages: without user name, password and query, which hold secrets."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def is_commit(revision: str) -> bool:
    """Whether `revision` is a full commit hash, so that what it names never changes."""
    return _COMMIT.fullmatch(revision) is not None


def check_name(name: str) -> str:
    """`name`, if it can be a hub repository's ("gpt2", "org/name"). Raises InvalidNameError."""
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise InvalidNameError(
            f"{quoted(name, LONGEST_NAME)} is neither a folder or file nor a valid repository name ('name' or "
            f"'organisation/name', of letters, digits, '-', '_', '.'); check the spelling, and the path (the "
            f"current folder is {os.getcwd()!r})"
        )
    return name


def check_revision(revision: str) -> str:
    """`revision`, if git could have a branch, tag or commit of that name. Raises InvalidNameError."""
    parts = revision.split("/")
    if (
        len(revision) > LONGEST_NAME
        or _NOT_IN_A_REVISION.search(revision)
        or any(p == "" or p.startswith(".") or ".." in p for p in parts)
    ):
        raise InvalidNameError(
            f"revision={quoted(revision)} is no branch, tag or commit hash; 'main' or 'v1.0' would be one"
        )
    return revision


def check_file_name(name: str) -> str:
    """`name`, if it stays within the folder that it is relative to. Raises InvalidNameError.

    File names also come out of downloaded files (the index of a sharded checkpoint), so they are not trusted.
    """
    parts = name.split("/")
    drive = len(parts[0]) == 2 and parts[0][1] == ":"
    if (
        drive
        or _NOT_IN_A_FILE_NAME.search(name)
        or any(part in ("", ".", "..") or len(part) > LONGEST_NAME for part in parts)
    ):
        raise InvalidNameError(
            f"the file name {quoted(name)} is refused: it has to be relative, with '/', and without '..', each "
            f"part of at most {LONGEST_NAME} characters"
        )
    return name


def within(subfolder: str, name: str) -> str:
    """The file name `name` in `subfolder`, both checked."""
    check_file_name(name)
    if not subfolder:
        return name
    return str(PurePosixPath(check_file_name(subfolder.rstrip("/")), name))
