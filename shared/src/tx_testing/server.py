"""A model hub on 127.0.0.1: a real HTTP server to test downloads against, and one that can be told to misbehave.

    with HubServer() as hub:
        commit = hub.add("org/name", {"config.json": b"{}", "model.safetensors": weights}, lfs=["model.safetensors"])
        hub.inject(Fault(method="GET", path="model.safetensors", host="cdn", break_after=1000))
        locate("org/name", ["config.json"], Source(endpoint=hub.url, cache_dir=...))
        assert hub.count("GET") == 1

It speaks the protocol of the public hub: /{repository}/resolve/{revision}/{file} with ETag (the git hash of a small
file, the sha256 of a large one), X-Repo-Commit, X-Linked-Etag, X-Linked-Size and a redirect of large files to a second
host (the same address, another port), Range and If-Range, X-Error-Code. `put` serves plain files beside it. As an HTTP
proxy it answers for every host.
"""

from __future__ import annotations

import hashlib
import os
import re
import socketserver
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """A request that arrived. `host` is "hub" or "cdn"; header names are in lower case."""

    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    through_proxy: bool


@dataclass
class Fault:
    """What goes wrong with the next `times` requests that match `method`, `host` and a part of the path.

    status, headers: answer with this status (and these headers) instead; without a status the headers are added.
    break_after: send so many bytes of the body, then close the connection.
    content_length: announce this length, whatever the body's is.
    etag: answer with this ETag (X-Linked-Etag for a large file), and in `body` with this content.
    redirect: answer 302 to this address.
    ranges: False ignores Range headers.
    delay: wait so many seconds before the answer; `pause`: before each 64 KiB of the body.
    drop: close the connection without an answer.
    """

    method: str | None = None
    path: str = ""
    host: str | None = None
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    break_after: int | None = None
    content_length: int | None = None
    etag: str | None = None
    body: bytes | None = None
    redirect: str | None = None
    ranges: bool = True
    delay: float = 0.0
    pause: float = 0.0
    drop: bool = False

    def matches(self, host: str, method: str, path: str) -> bool:
        return self.times > 0 and self.method in (None, method) and self.host in (None, host) and self.path in path


@dataclass
class _Repository:
    refs: dict[str, str]
    commits: dict[str, dict[str, bytes]]
    lfs: set[str]
    token: str | None
    gated: bool
    renamed: str | None = None


@dataclass(frozen=True)
class _Plain:
    content: bytes
    headers: Mapping[str, str]
    token: str | None


def download_environment(home: Path, **variables: str) -> dict[str, str]:
    """This process's environment without what changes downloads (caches, tokens, proxies), and with `variables`."""
    prefixes = (
        "HF_",
        "HUGGING",
        "TX_OFFLINE",
        "TRANSFORMERS_",
        "PYTORCH_TRANSFORMERS",
        "PYTORCH_PRETRAINED",
        "XDG_CACHE",
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(prefixes) and not name.lower().endswith("_proxy")
    }
    # A folder without a .netrc, whose passwords requests would send.
    return kept | {"HOME": str(home), "HF_HOME": str(home / "hf")} | variables


def git_blob_hash(content: bytes) -> str:
    """The hash that git gives a file of this content; the hub's ETag of small files."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HubServer:
    """The hub (`url`) and the host that stores its large files (`cdn_url`), each a thread pool of this process."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._faults: list[Fault] = []
        self._repositories: dict[str, _Repository] = {}
        self._plain: dict[str, _Plain] = {}
        self._blobs: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._servers = {host: _Server(self, host) for host in ("hub", "cdn")}
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.005,)) for server in self._servers.values()
        ]
        self.url = self._servers["hub"].url
        self.cdn_url = self._servers["cdn"].url

    def __enter__(self) -> HubServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()

    def add(
        self,
        name: str,
        files: Mapping[str, bytes],
        revision: str = "main",
        lfs: Sequence[str] = (),
        token: str | None = None,
        gated: bool = False,
    ) -> str:
        """Commits `files` (all there are) to the branch `revision` and returns the commit's hash.

        Those named in `lfs` are large files, stored on the second host. With `token` the repository is private, or, if
        `gated`, visible but closed to those without the token.
        """
        repository = self._repositories.setdefault(name, _Repository({}, {}, set(), token, gated))
        listing = "".join(f"{file} {git_blob_hash(content)}\n" for file, content in sorted(files.items()))
        commit = hashlib.sha1(
            f"{name} {len(repository.commits)}\n{listing}".encode(), usedforsecurity=False
        ).hexdigest()
        repository.commits[commit] = dict(files)
        repository.refs[revision] = commit
        repository.lfs.update(lfs)
        for file in lfs:
            self._blobs[hashlib.sha256(files[file]).hexdigest()] = files[file]
        return commit

    def rename(self, name: str, new_name: str) -> None:
        """Renames a repository; the old name redirects to the new one."""
        self._repositories[new_name] = self._repositories[name]
        self._repositories[name] = _Repository({}, {}, set(), None, False, renamed=new_name)

    def put(self, path: str, content: bytes, headers: Mapping[str, str] | None = None, token: str | None = None) -> str:
        """Serves a plain file at `path` and returns its address. Without `headers` it has an ETag."""
        if headers is None:
            headers = {"ETag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'}
        self._plain[path] = _Plain(content, headers, token)
        return self.url + path

    def inject(self, *faults: Fault) -> None:
        """Faults for requests to come; of several that match, the first is used up first."""
        with self._lock:
            self._faults.extend(faults)

    def count(self, method: str | None = None, path: str = "", host: str | None = None) -> int:
        """How many requests of this kind arrived."""
        return sum(method in (None, r.method) and host in (None, r.host) and path in r.path for r in self.requests)

    def forget(self) -> None:
        """Empties the record of requests and the faults not used."""
        with self._lock:
            self.requests.clear()
            self._faults.clear()

    def arrived(self, request: Request) -> Fault:
        """Records a request and takes the fault that it meets (one without effect, if there is none)."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.matches(request.host, request.method, request.path):
                    fault.times -= 1
                    return fault
        return Fault()

    def answer(self, host: str, path: str, token: str | None) -> _Answer:
        """What the server would say if all were well."""
        if host == "cdn":
            content = self._blobs.get(path.removeprefix("/blobs/"))
            if content is None:
                return _Answer(404)
            # As on the public hub, the storing host has an ETag of its own that is not the content's hash.
            etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
            return _Answer(200, {"ETag": f'"{etag}"'}, content)
        if path in self._plain:
            plain = self._plain[path]
            return _Answer(401) if plain.token not in (None, token) else _Answer(200, plain.headers, plain.content)
        match = re.fullmatch(r"/((?:[^/]+/)?[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is None:
            return _Answer(404)
        return self._resolve(match[1], unquote(match[2]), unquote(match[3]), token)

    def _resolve(self, name: str, revision: str, file: str, token: str | None) -> _Answer:
        repository = self._repositories.get(name)
        if repository is not None and repository.renamed is not None:
            return _Answer(307, {"Location": f"/{repository.renamed}/resolve/{revision}/{file}"})
        if repository is None or (repository.token not in (None, token) and not repository.gated):
            # The hub does not tell a missing repository from a private one: 401 without a token, 404 with one.
            return _Answer(404 if token else 401, {"X-Error-Code": "RepoNotFound"})
        if repository.token not in (None, token):
            return _Answer(403 if token else 401, {"X-Error-Code": "GatedRepo"})
        commit = repository.refs.get(revision, revision)
        if commit not in repository.commits:
            return _Answer(404, {"X-Error-Code": "RevisionNotFound"})
        headers = {"X-Repo-Commit": commit}
        content = repository.commits[commit].get(file)
        if content is None:
            return _Answer(404, headers | {"X-Error-Code": "EntryNotFound"})
        if file not in repository.lfs:
            return _Answer(200, headers | {"ETag": f'"{git_blob_hash(content)}"'}, content)
        digest = hashlib.sha256(content).hexdigest()
        headers |= {
            "X-Linked-Etag": f'"{digest}"',
            "X-Linked-Size": str(len(content)),
            "Location": f"{self.cdn_url}/blobs/{digest}?signature=secret",
        }
        return _Answer(302, headers, b"Found. Redirecting")


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: HubServer, host: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub
        self.host = host
        self.url = f"http://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service for the host's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.socket.getsockname()[1]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests, so nothing is printed about them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; without this each answer waits 40 ms
    server: _Server

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""

    def _respond(self) -> None:
        hub, host = self.server.hub, self.server.host
        parts = urlsplit(self.path)  # a proxy is asked for whole addresses
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = hub.arrived(Request(host, self.command, parts.path, headers, through_proxy=bool(parts.netloc)))
        time.sleep(fault.delay)
        if fault.drop:
            self.close_connection = True
            return
        authorization = headers.get("authorization", "")
        token = authorization.removeprefix("Bearer ") if authorization.startswith("Bearer ") else None
        answer = hub.answer(host, parts.path, token)
        status, body = answer.status, answer.body
        said = dict(answer.headers)
        if fault.status is not None:
            status, said, body = fault.status, {}, b"fault"
        if fault.redirect is not None:
            status, body = 302, b""
            said["Location"] = fault.redirect
        if fault.body is not None:
            body = fault.body
        if fault.etag is not None:
            said["X-Linked-Etag" if "X-Linked-Etag" in said else "ETag"] = f'"{fault.etag}"'
        if status == 200:
            said["Accept-Ranges"] = "bytes"
            if fault.ranges:
                status, body = self._part(body, headers, said)
        said |= fault.headers
        self._send(status, said, body, fault)

    def _part(self, body: bytes, headers: Mapping[str, str], said: dict[str, str]) -> tuple[int, bytes]:
        match = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        if match is None or headers.get("if-range", said.get("ETag")) != said.get("ETag"):
            return 200, body
        start = int(match[1])
        if start >= len(body):
            said["Content-Range"] = f"bytes */{len(body)}"
            return 416, b""
        said["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return 206, body[start:]

    def _send(self, status: int, said: Mapping[str, str], body: bytes, fault: Fault) -> None:
        self.send_response(status)
        for name, value in said.items():
            self.send_header(name, value)
        chunked = said.get("Transfer-Encoding") == "chunked"
        if not chunked:
            self.send_header("Content-Length", str(len(body) if fault.content_length is None else fault.content_length))
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = body if fault.break_after is None else body[: fault.break_after]
        for start in range(0, len(sent), 1 << 16):
            time.sleep(fault.pause)
            piece = sent[start : start + (1 << 16)]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if fault.break_after is not None or fault.content_length not in (None, len(body)):
            self.close_connection = True
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")
