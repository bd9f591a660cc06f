"""HTTP: requests that retry and keep the token to themselves, downloads that resume and are verified."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from tx_core.messages import quoted

from .bars import progress
from .errors import AccessError, EntryNotFoundError, FilesError, IntegrityError, UnavailableError
from .source import is_url, largest_download, origin, shown, slowest_download, timeout
from .temporary import flush

if TYPE_CHECKING:
    import requests
    from tqdm import tqdm

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_WAIT = 1.0  # seconds before the second attempt; doubled for each one after
LONGEST_WAIT = 60.0  # seconds; a server that asks for more (Retry-After) is not waited for
_MAX_REDIRECTS = 10
_CHUNK = 1 << 16
_SLOW_AFTER = 60.0  # seconds of a response, before which its rate does not count
_PROGRESS = 1 << 20  # this much more of a file, and earlier failures no longer count
_TRANSIENT = frozenset((408, 429, 500, 502, 503, 504))
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
# What the hub says about a file in the first answer, before it redirects to the host that stores it.
_HUB_HEADERS = ("X-Repo-Commit", "X-Linked-Etag", "X-Linked-Size")


@dataclass(frozen=True)
class Reply:
    """The last response of a chain of redirects, and what the hub said on the way."""

    response: requests.Response
    hub_headers: Mapping[str, str]

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def etag(self) -> str | None:
        """The ETag of the file itself, without quotes and without the mark of a weak one."""
        etag = self.hub_headers.get("X-Linked-Etag") or self.response.headers.get("ETag")
        return None if etag is None else etag.strip().removeprefix("W/").strip('"')

    @property
    def strong_etag(self) -> str | None:
        """The last host's ETag as If-Range wants it; None if it is weak."""
        etag = self.response.headers.get("ETag", "")
        return etag if etag.startswith('"') else None

    @property
    def size(self) -> int | None:
        """Size of the file in bytes, if it was said and this is not a part or a compressed form of it.

        0 counts as not said, since some servers answer it to every HEAD.
        """
        linked = _number(self.hub_headers.get("X-Linked-Size", ""))
        if linked is not None:
            return linked or None
        return (self.body_size or None) if self.status == 200 else None

    @property
    def body_size(self) -> int | None:
        """Bytes that this response announces, as they will be read."""
        length = _number(self.response.headers.get("Content-Length", ""))
        encoded = self.response.headers.get("Content-Encoding", "identity").lower() != "identity"
        return None if encoded else length


def _number(text: str) -> int | None:
    """The value of a header that gives a number of bytes; None if it is none that a file could have."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


@dataclass(frozen=True)
class Remote:
    """What is to be downloaded: `etag` and `size` are None where the server does not say."""

    url: str
    label: str
    etag: str | None
    size: int | None
    validator: str | None
    checksum: bool

    @property
    def verifiable(self) -> bool:
        """Whether the ETag is a hash of the content."""
        return (
            self.checksum and self.etag is not None and re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", self.etag) is not None
        )


class ChangedError(Exception):
    """The file is another one than it was when its ETag was asked for."""


class Client:
    """A session of requests for one look-up.

    `token` is sent to the host (scheme, name and port) of `home` alone: after a redirect to another one it is left out.
    """

    def __init__(self, home: str, token: str | None, proxies: Mapping[str, str] | None) -> None:
        import requests

        self._home = origin(home)
        self._token = token
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"tx-core requests/{requests.__version__}"
        # The size and the ranges of the file itself are wanted, not those of a compressed copy.
        self._session.headers["Accept-Encoding"] = "identity"
        self._proxies = dict(proxies) if proxies else None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    @property
    def sends_token(self) -> bool:
        return self._token is not None

    def head(self, url: str, attempts: int = ATTEMPTS) -> Reply:
        """What the server says about `url`. Raises UnavailableError; any other status is the caller's to judge."""
        reply = self._request("HEAD", url, {}, timeout("HF_HUB_ETAG_TIMEOUT"), attempts)
        if reply.status in (400, 403, 405, 501) and "X-Error-Code" not in reply.response.headers:
            # Servers without HEAD, and addresses that are signed for GET alone.
            reply = self._request("GET", url, {}, timeout("HF_HUB_ETAG_TIMEOUT"), attempts)
        reply.response.close()
        return reply

    def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        """An open response, whose body the caller reads and closes."""
        return self._request("GET", url, headers, timeout("HF_HUB_DOWNLOAD_TIMEOUT"), ATTEMPTS)

    def _request(self, method: str, url: str, headers: Mapping[str, str], seconds: float, attempts: int) -> Reply:
        from requests import exceptions

        wait = FIRST_WAIT
        for attempt in range(1, attempts + 1):
            cause: Exception | None = None
            try:
                reply = self._follow(method, url, headers, seconds)
            except exceptions.ProxyError as error:
                cause = error
                failure = UnavailableError(
                    f"no answer from {shown(url)}: the proxy does not respond ({_reason(error)}); check proxies= and "
                    "the variables http_proxy and https_proxy",
                    url=shown(url),
                )
            except exceptions.SSLError as error:
                raise FilesError(
                    f"the certificate of {shown(url)} is not accepted ({_reason(error)}); behind a company's proxy, "
                    "set REQUESTS_CA_BUNDLE to its certificate file",
                    url=shown(url),
                ) from error
            except (exceptions.ConnectionError, exceptions.Timeout) as error:
                cause = error
                failure = UnavailableError(
                    f"no answer from {shown(url)} ({_reason(error)}); check the connection, or set TX_OFFLINE=1 "
                    "to use only what is cached",
                    url=shown(url),
                )
            except (exceptions.RequestException, ValueError) as error:  # ValueError: a redirect to what is no address
                raise FilesError(f"{shown(url)} cannot be requested: {_reason(error)}", url=shown(url)) from error
            else:
                if reply.status not in _TRANSIENT:
                    return reply
                asked = _retry_after(reply.response)
                reply.response.close()
                failure = _overloaded(reply.status, url, asked)
                if asked is not None and asked > LONGEST_WAIT:
                    raise failure
                wait = wait if asked is None else asked
            if attempt == attempts:
                raise failure from cause
            logger.warning("%s; attempt %d of %d follows in %.1f s", failure, attempt + 1, attempts, wait)
            pause(wait)
            wait = min(max(2 * wait, FIRST_WAIT), LONGEST_WAIT)
        raise AssertionError("unreachable: attempts is at least 1")

    def _follow(self, method: str, url: str, headers: Mapping[str, str], seconds: float) -> Reply:
        """One request with its redirects. They are followed here, since the token must not follow them elsewhere."""
        said: dict[str, str] = {}
        start = origin(url)
        for _ in range(_MAX_REDIRECTS + 1):
            here = origin(url)
            response = self._session.request(
                method,
                url,
                headers=dict(headers),
                auth=self._authorize if here == self._home and self._token else None,
                allow_redirects=False,
                stream=True,
                timeout=seconds,
                proxies=self._proxies,
            )
            for name in _HUB_HEADERS:
                if name in response.headers:
                    said.setdefault(name, response.headers[name])
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                return Reply(response, said)
            target = urljoin(url, location)
            if not is_url(target):
                response.close()
                raise FilesError(
                    f"{shown(url)} redirects to {location[:80]!r}, which is no http(s) address", url=shown(url)
                )
            if method == "HEAD" and origin(target) != start and "X-Linked-Etag" in said:
                return Reply(response, said)  # all is said; the storing host may not even answer HEAD
            response.close()
            url = target
        raise FilesError(f"{shown(url)} redirects more than {_MAX_REDIRECTS} times", url=shown(url))

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth=` and not as a header, which requests would overwrite from the user's ~/.netrc.
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def download(client: Client, remote: Remote, target: Path, resume: bool = True) -> None:
    """Downloads to `target` through `<target>.incomplete`, which stays if the connection breaks and is then continued.

    The caller holds the lock of `target`. Raises ChangedError if the server now has another file, IntegrityError if
    length or hash are not those announced, UnavailableError if the connection broke `ATTEMPTS` times without progress.
    """
    partial = target.with_name(target.name + ".incomplete")
    if not resume:
        partial.unlink(missing_ok=True)
    with progress(remote.size, remote.label) as bar:
        for first in (True, False):
            _receive(client, remote, partial, bar)
            if not remote.verifiable or (found := hash_like(partial, remote.etag or "")) == remote.etag:
                break
            partial.unlink()
            if not first:
                raise IntegrityError(
                    f"{remote.label}: the content from {shown(remote.url)} has the hash {found}, announced was "
                    f"{remote.etag}; something on the way changes it: try another network or endpoint=",
                    url=shown(remote.url),
                )
            logger.warning(
                "%s: what arrived has another hash than announced; it is downloaded again from the start", remote.label
            )
    flush(partial)
    os.replace(partial, target)


def _receive(client: Client, remote: Remote, partial: Path, bar: tqdm[Any]) -> None:
    """Brings `partial` to its full length, over as many requests as it takes."""
    validator = remote.validator
    failures = 0
    wait = FIRST_WAIT
    while True:
        partial.touch()
        kept = partial.stat().st_size
        too_much = remote.size is not None and kept > remote.size
        # Without a hash or a strong ETag nothing could tell whether what is kept belongs to the same content.
        if too_much or not (remote.verifiable or validator):
            partial.write_bytes(b"")
            kept = 0
        bar.n = bar.last_print_n = kept
        if kept == remote.size:
            return
        try:
            reply = client.get(remote.url, _range_headers(kept, validator))
            with reply.response:
                raise_for_status(reply, remote.label, client.sends_token)
                if remote.etag is not None and reply.etag not in (None, remote.etag):
                    raise ChangedError
                validator = reply.strong_etag
                if _read(reply, remote, partial, kept, bar):
                    return
            failure = UnavailableError(
                f"{remote.label}: {shown(remote.url)} broke off after {partial.stat().st_size} of "
                f"{remote.size or 'unknown'} bytes; what arrived is kept, a new call continues there",
                url=shown(remote.url),
            )
        except IntegrityError as error:
            partial.write_bytes(b"")
            failures += 1
            if failures >= ATTEMPTS:
                partial.unlink()
                raise
            logger.warning("%s; downloading it again", error)
        else:
            failures = 0 if partial.stat().st_size - kept >= _PROGRESS else failures + 1
            if failures >= ATTEMPTS:
                raise failure
            logger.warning("%s", failure)
        if failures == 0:
            wait = FIRST_WAIT
        else:
            pause(wait)
            wait = min(2 * wait, LONGEST_WAIT)


def pause(seconds: float) -> None:
    """Waits before the next attempt."""
    time.sleep(seconds)


def _range_headers(kept: int, validator: str | None) -> dict[str, str]:
    if kept == 0:
        return {}
    # With If-Range a server whose file has changed sends the whole new one instead of the rest of it.
    return {"Range": f"bytes={kept}-"} | ({"If-Range": validator} if validator else {})


def _read(reply: Reply, remote: Remote, partial: Path, kept: int, bar: tqdm[Any]) -> bool:
    """Appends the body of `reply` to `partial`, or writes it anew. Returns whether the file is complete."""
    from requests import exceptions
    from urllib3.exceptions import HTTPError

    if reply.status == 416 or (reply.status == 206 and not _continues(reply, kept, remote.size)):
        raise IntegrityError(
            f"{remote.label}: {shown(remote.url)} cannot continue at byte {kept} of {remote.size or 'unknown'}, "
            f"it answers {reply.status} with Content-Range {quoted(reply.response.headers.get('Content-Range'))}",
            url=shown(remote.url),
            status=reply.status,
        )
    _check_encoding(reply, remote)
    have = kept if reply.status == 206 else 0
    announced = None if reply.body_size is None else have + reply.body_size
    if remote.size is not None and announced not in (None, remote.size):
        raise IntegrityError(
            f"{remote.label}: {shown(remote.url)} first announced {remote.size} bytes, then {announced}",
            url=shown(remote.url),
        )
    expected = remote.size if remote.size is not None else announced
    most, slowest = largest_download(), slowest_download()
    start, begun = have, time.monotonic()
    bar.total = expected
    bar.n = bar.last_print_n = have
    try:
        with open(partial, "r+b") as file:
            file.truncate(have)
            file.seek(have)
            try:
                for chunk in _chunks(reply):
                    have += len(chunk)
                    if max(have, expected or 0) > most:
                        raise FilesError(
                            f"{remote.label}: {shown(remote.url)} sends more than {most:.0f} bytes; if that is right, "
                            "raise the environment variable TX_MAX_DOWNLOAD_BYTES",
                            url=shown(remote.url),
                        )
                    if expected is not None and have > expected:
                        raise IntegrityError(
                            f"{remote.label}: {shown(remote.url)} sends more than the {expected} bytes it announced",
                            url=shown(remote.url),
                        )
                    file.write(chunk)
                    bar.update(len(chunk))
                    if have == expected:
                        return True
                    seconds = time.monotonic() - begun
                    if seconds > _SLOW_AFTER and have - start >= slowest * seconds:
                        start, begun = have, time.monotonic()  # a fast start is no excuse
                    elif seconds > _SLOW_AFTER:
                        raise UnavailableError(
                            f"{remote.label}: {shown(remote.url)} sent {have - start} bytes in {seconds:.0f} s, less "
                            f"than {slowest:.0f} a second; what arrived is kept, a new call continues there. The "
                            "environment variable TX_MIN_DOWNLOAD_RATE sets another limit",
                            url=shown(remote.url),
                        )
            except exceptions.ContentDecodingError as error:
                raise IntegrityError(
                    f"{remote.label}: {shown(remote.url)} sends a broken encoding", url=shown(remote.url)
                ) from error
            except (
                exceptions.ChunkedEncodingError,
                exceptions.ConnectionError,
                exceptions.Timeout,
                HTTPError,
            ) as error:
                logger.info("%s: broken off at byte %d: %s", remote.label, have, _reason(error))
                return False
    except FilesError:
        raise
    except OSError as error:
        raise FilesError(
            f"{remote.label}: {str(partial)!r} cannot be written ({error.strerror or error}); what arrived is kept: "
            "free some space, or pass cache_dir=… or set HF_HOME",
            url=shown(remote.url),
        ) from error
    return expected is None or have == expected


def _check_encoding(reply: Reply, remote: Remote) -> None:
    """The body is the file itself, or decodes to it; what cannot be decoded would be taken for the file."""
    given = reply.response.headers.get("Content-Encoding", "").lower().replace(" ", "")
    known = {"", "identity", *getattr(reply.response.raw, "CONTENT_DECODERS", ("gzip", "deflate"))}
    if unknown := [each for each in given.split(",") if each not in known]:
        raise FilesError(
            f"{remote.label}: {shown(remote.url)} sends its content in the encoding {quoted(unknown[0])}, which was "
            "not asked for and cannot be decoded here; try another network or endpoint=",
            url=shown(remote.url),
        )


def _chunks(reply: Reply) -> Iterator[bytes]:
    """The body as it arrives: to wait for whole chunks would hide how slowly it does."""
    read = getattr(reply.response.raw, "read1", None)  # urllib3 2.1
    if read is None or reply.response.headers.get("Content-Encoding", "identity").lower() != "identity":
        yield from reply.response.iter_content(_CHUNK)
        return
    while chunk := read(_CHUNK):
        yield chunk


def _continues(reply: Reply, kept: int, size: int | None) -> bool:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != kept:
        return False
    return size is None or match[2] in ("*", str(size))


def hash_like(path: Path, etag: str) -> str:
    """The file's hash, of the kind that `etag` is: sha256 (large files), a git blob's, or plain sha1 (some mirrors)."""
    if len(etag) == 64:
        return _digest(path, hashlib.sha256())
    header = b"blob %d\0" % path.stat().st_size
    of_blob = _digest(path, hashlib.sha1(header, usedforsecurity=False))
    return of_blob if of_blob == etag else _digest(path, hashlib.sha1(usedforsecurity=False))


def _digest(path: Path, state: hashlib._Hash) -> str:
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            state.update(chunk)
    return state.hexdigest()


def raise_for_status(reply: Reply, label: str, token_sent: bool) -> None:
    """Raises the error that an unwanted status stands for; 416 (an unusable range) is the download's own business."""
    status, url = reply.status, shown(reply.response.url or "")
    if status < 300 or status == 416 or (status in _REDIRECTS and "X-Linked-Etag" in reply.hub_headers):
        return
    if status in (401, 403):
        cure = "the token that was sent does not open it"
        if not token_sent:
            cure = "it is private or gated, or there is none of this name: pass token=… or set HF_TOKEN"
        raise AccessError(f"{label}: {url} answers {status}; {cure}", url=url, status=status)
    if status in (404, 410):
        text = f"{label}: there is no file at {url} (status {status}); check the name"
        raise EntryNotFoundError(text, url=url, status=status)
    raise FilesError(f"{label}: {url} answers {status} {reply.response.reason or ''}".rstrip(), url=url, status=status)


def _overloaded(status: int, url: str, asked: float | None) -> UnavailableError:
    if status == 429:
        text, cure = "too many requests", "wait, or pass token=…, which raises the limit"
    else:
        text = "the server is overloaded or out of order"
        cure = "try again later, or set TX_OFFLINE=1 to use only what is cached"
    wait = "" if asked is None else f" and asks for a pause of {asked:.0f} s"
    return UnavailableError(f"{shown(url)} answers {status} ({text}){wait}; {cure}", url=shown(url), status=status)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait, given as a number or as a date; None if it does not say."""
    from email.utils import parsedate_to_datetime

    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    """The innermost text of the nested errors that requests raises, which may hold whole addresses: queries are cut."""
    text = str(error) or type(error).__name__
    return re.sub(r"\?[^\s'\"]*", "", re.sub(r"//[^\s/@]+@", "//", text))[:300]
