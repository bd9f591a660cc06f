"""Downloads of tx_core.files: broken connections, lying servers, retries, tokens, proxies, several processes."""

from __future__ import annotations

import email.utils
import hashlib
import io
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tx_core.files import FilesError, IntegrityError, Source, UnavailableError, locate, progress, transfer
from tx_testing.server import Fault, HubServer, Request, download_environment, git_blob_hash

WEIGHTS = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(20000))  # 640 kB that do not repeat
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()
NAME = "model.safetensors"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = download_environment(tmp_path)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name in ("HOME", "HF_HOME"):
        monkeypatch.setenv(name, wanted[name])
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.01)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        server.add("org/name", {NAME: WEIGHTS, "small.bin": WEIGHTS}, lfs=[NAME])
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    return tmp_path / "hf/hub/models--org--name/blobs"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are recorded and not made."""
    made: list[float] = []
    monkeypatch.setattr(transfer, "pause", made.append)
    return made


def fetch(file: str = NAME, source: Source = Source()) -> bytes:  # noqa: B008
    path = locate("org/name", [file], source)
    assert path is not None
    return path.read_bytes()


def ranges(hub: HubServer, host: str) -> list[str | None]:
    return [r.headers.get("range") for r in hub.requests if r.method == "GET" and r.host == host]


# Broken connections


def test_large_file_comes_from_the_second_host(hub: HubServer) -> None:
    assert fetch() == WEIGHTS
    assert [(r.host, r.method) for r in hub.requests] == [("hub", "HEAD"), ("hub", "GET"), ("cdn", "GET")]


@pytest.mark.parametrize("file, host", [(NAME, "cdn"), ("small.bin", "hub")])
def test_broken_download_is_continued_within_a_call(file: str, host: str, hub: HubServer) -> None:
    hub.inject(Fault(method="GET", host=host, break_after=300_000))
    assert fetch(file) == WEIGHTS
    first, second = ranges(hub, host)
    assert first is None
    assert second is not None
    assert 200_000 < int(second.removeprefix("bytes=").removesuffix("-")) <= 300_000
    assert [r for r in hub.requests if r.host == host][-1].headers["if-range"].startswith('"')


@pytest.mark.parametrize("file, host", [(NAME, "cdn"), ("small.bin", "hub")])
def test_broken_download_is_continued_by_a_later_call(file: str, host: str, hub: HubServer, blobs: Path) -> None:
    hub.inject(
        Fault(method="GET", host=host, break_after=300_000), Fault(method="GET", host=host, times=99, break_after=0)
    )
    with pytest.raises(UnavailableError, match=rf"{file} of 'org/name'.*broke off after \d+ of 640000 bytes.*is kept"):
        fetch(file)
    (partial,) = blobs.iterdir()
    assert partial.name == (SHA256 if host == "cdn" else git_blob_hash(WEIGHTS)) + ".incomplete"
    kept = partial.stat().st_size
    assert 200_000 < kept <= 300_000
    hub.forget()
    assert fetch(file) == WEIGHTS
    assert ranges(hub, host) == [f"bytes={kept}-"]
    assert [p.name for p in blobs.iterdir()] == [partial.name.removesuffix(".incomplete")]


def test_progress_resets_the_count_of_failures(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(transfer, "_PROGRESS", 65536)
    hub.inject(Fault(method="GET", host="cdn", break_after=70_000, times=9))
    assert fetch() == WEIGHTS
    assert len(ranges(hub, "cdn")) == 10
    assert waits == []


def test_connection_that_always_breaks_is_given_up(hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(method="GET", host="cdn", times=99, break_after=0))
    with pytest.raises(UnavailableError):
        fetch()
    assert len(ranges(hub, "cdn")) == transfer.ATTEMPTS
    assert waits == sorted(waits)


def test_resume_can_be_declined(hub: HubServer, blobs: Path) -> None:
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.incomplete").write_bytes(WEIGHTS[:1000])
    assert fetch(source=Source(resume_download=False)) == WEIGHTS
    assert ranges(hub, "cdn") == [None]


def test_server_that_ignores_ranges_sends_all_again(hub: HubServer, blobs: Path) -> None:
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.incomplete").write_bytes(WEIGHTS[:1000])
    hub.inject(Fault(method="GET", host="cdn", ranges=False))
    assert fetch() == WEIGHTS
    assert ranges(hub, "cdn") == ["bytes=1000-"]


@pytest.mark.parametrize(
    "kept", [b"\0" * 1000, b"\0" * len(WEIGHTS), b"\0" * (len(WEIGHTS) + 1)], ids=["part", "whole", "more"]
)
def test_damaged_part_is_noticed_and_replaced(kept: bytes, hub: HubServer, blobs: Path) -> None:
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.incomplete").write_bytes(kept)
    assert fetch() == WEIGHTS
    assert ranges(hub, "cdn")[-1] is None


def test_complete_part_needs_no_get(hub: HubServer, blobs: Path) -> None:
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.incomplete").write_bytes(WEIGHTS)
    assert fetch() == WEIGHTS
    assert hub.count("GET") == 0


def test_wrong_content_range_is_not_appended(hub: HubServer, blobs: Path) -> None:
    blobs.mkdir(parents=True)
    (blobs / f"{SHA256}.incomplete").write_bytes(WEIGHTS[:1000])
    hub.inject(Fault(method="GET", host="cdn", headers={"Content-Range": "bytes 0-638999/640000"}))
    assert fetch() == WEIGHTS
    assert ranges(hub, "cdn") == ["bytes=1000-", None]


def test_url_is_continued_if_its_etag_is_the_same(hub: HubServer) -> None:
    url = hub.put("/file.bin", WEIGHTS)
    hub.inject(Fault(method="GET", break_after=300_000), Fault(method="GET", times=4, break_after=0))
    with pytest.raises(UnavailableError):
        locate(url, [])
    hub.put("/other.bin", b"")
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    last = hub.requests[-1]
    assert last.headers["range"] == "bytes=300000-"
    assert last.headers["if-range"] == f'"{hashlib.md5(WEIGHTS).hexdigest()}"'


def test_url_that_changed_meanwhile_is_not_mixed(hub: HubServer) -> None:
    url = hub.put("/file.bin", WEIGHTS)
    hub.inject(Fault(method="GET", break_after=300_000))
    new = WEIGHTS[::-1]
    request_again = hub.arrived

    def arrived(request: Request) -> Fault:
        if hub.count("GET") == 1:
            hub.put("/file.bin", new)
        return request_again(request)

    hub.arrived = arrived  # type: ignore[method-assign]
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == new


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}], ids=["no etag", "weak etag"])
def test_url_that_cannot_be_compared_is_started_over(headers: dict[str, str], hub: HubServer) -> None:
    url = hub.put("/file.bin", WEIGHTS, headers)
    hub.inject(Fault(method="GET", break_after=300_000), Fault(method="GET", times=4, break_after=0))
    with pytest.raises(UnavailableError):
        locate(url, [])
    hub.forget()
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    assert ranges(hub, "hub") == [None]


def test_url_without_a_strong_etag_is_not_continued_within_a_call(hub: HubServer) -> None:
    url = hub.put("/file.bin", WEIGHTS, {})
    hub.inject(Fault(method="GET", break_after=300_000))
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    assert ranges(hub, "hub") == [None, None]


def test_chunked_url_of_unknown_length(hub: HubServer) -> None:
    url = hub.put("/file.bin", WEIGHTS, {"Transfer-Encoding": "chunked", "ETag": '"one"'})
    hub.inject(Fault(method="GET", break_after=300_000))
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS


# Servers that lie


@pytest.mark.parametrize("off", [-1000, 1000])
@pytest.mark.parametrize("file, host", [(NAME, "cdn"), ("small.bin", "hub")])
def test_wrong_content_length_once(off: int, file: str, host: str, hub: HubServer) -> None:
    hub.inject(Fault(method="GET", host=host, content_length=len(WEIGHTS) + off))
    assert fetch(file) == WEIGHTS


@pytest.mark.parametrize("method, host", [("GET", "cdn"), ("HEAD", "hub")])
def test_wrong_content_length_always(method: str, host: str, hub: HubServer, blobs: Path) -> None:
    file = NAME if host == "cdn" else "small.bin"
    hub.inject(Fault(method=method, host=host, content_length=len(WEIGHTS) + 5, times=99))
    with pytest.raises(IntegrityError, match=r"announced (640000|640005) bytes, then (640000|640005)"):
        fetch(file)
    assert list(blobs.iterdir()) == []


def test_linked_size_that_is_wrong(hub: HubServer) -> None:
    hub.inject(Fault(method="HEAD", headers={"X-Linked-Size": "12"}))
    with pytest.raises(IntegrityError, match="announced 12 bytes, then 640000"):
        fetch()


def test_linked_size_that_no_file_has(hub: HubServer) -> None:
    hub.inject(Fault(method="HEAD", host="hub", headers={"X-Linked-Size": "9" * 5000}))
    assert fetch() == WEIGHTS


def test_full_disk_is_said_and_what_arrived_is_kept(hub: HubServer, blobs: Path) -> None:
    resource = pytest.importorskip("resource")  # POSIX alone
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(FilesError, match=rf"{SHA256}\.incomplete' cannot be written.*free some space.*cache_dir="):
            fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (blobs / f"{SHA256}.incomplete").stat().st_size > 0
    hub.forget()
    assert fetch() == WEIGHTS
    assert ranges(hub, "cdn") != [None]


def test_more_bytes_than_announced(hub: HubServer) -> None:
    hub.inject(
        Fault(
            method="GET", path="small.bin", headers={"Transfer-Encoding": "chunked"}, body=WEIGHTS + b"more", times=99
        )
    )
    with pytest.raises(IntegrityError, match="more than the 640000 bytes"):
        fetch("small.bin")


@pytest.mark.parametrize("file", [NAME, "small.bin"])
def test_other_content_once(file: str, hub: HubServer, caplog: pytest.LogCaptureFixture) -> None:
    hub.inject(Fault(method="GET", host="cdn" if file == NAME else "hub", body=WEIGHTS[::-1]))
    assert fetch(file) == WEIGHTS
    assert "another hash than announced" in caplog.text


@pytest.mark.parametrize("file", [NAME, "small.bin"])
def test_other_content_always(file: str, hub: HubServer, blobs: Path) -> None:
    host = "cdn" if file == NAME else "hub"
    hub.inject(Fault(method="GET", host=host, body=WEIGHTS[::-1], times=99))
    announced = SHA256 if file == NAME else git_blob_hash(WEIGHTS)
    with pytest.raises(IntegrityError, match=rf"{file} of 'org/name'.*has the hash .*announced was {announced}"):
        fetch(file)
    assert list(blobs.iterdir()) == []


def test_mirror_whose_etag_is_a_plain_sha1(hub: HubServer) -> None:
    hub.inject(Fault(path="small.bin", etag=hashlib.sha1(WEIGHTS).hexdigest(), times=9))
    assert fetch("small.bin") == WEIGHTS


def test_etag_that_changes_between_head_and_get(hub: HubServer, blobs: Path) -> None:
    """The HEAD is answered from an outdated copy."""
    hub.inject(Fault(method="HEAD", etag="0" * 40))
    assert fetch("small.bin") == WEIGHTS
    assert [p.name for p in blobs.glob("*") if p.suffix != ".incomplete"] == [git_blob_hash(WEIGHTS)]


@pytest.mark.parametrize("file", [NAME, "small.bin"])
def test_etag_that_changes_between_attempts(file: str, hub: HubServer) -> None:
    host = "cdn" if file == NAME else "hub"
    digest = "1" * 64 if file == NAME else "1" * 40
    hub.inject(
        Fault(method="GET", host=host, break_after=300_000), Fault(method="GET", host="hub", path=file, etag=digest)
    )
    if file == NAME:
        hub.forget()
        hub.inject(Fault(method="GET", host="hub", path=file, etag=digest))
    assert fetch(file) == WEIGHTS
    assert hub.count("HEAD") == 2


def test_branch_that_moves_between_head_and_get(hub: HubServer) -> None:
    """What is downloaded is the file that was asked about, not the newer one."""
    answer_request = hub.arrived

    def arrived(request: Request) -> Fault:
        if request.method == "GET" and hub.count("GET") == 0:
            hub.add("org/name", {"small.bin": b"new"})
        return answer_request(request)

    hub.arrived = arrived  # type: ignore[method-assign]
    assert fetch("small.bin") == WEIGHTS
    assert fetch("small.bin") == b"new"
    assert hub.count("HEAD") == 2


def test_etag_that_always_changes(hub: HubServer) -> None:
    hub.inject(*[Fault(method="HEAD", etag=f"{i}" * 40) for i in range(9)])
    with pytest.raises(IntegrityError, match="changes each time"):
        fetch("small.bin")


def test_compressed_body(hub: HubServer) -> None:
    """Sent although none was asked for: what counts is the content, and its length is not the body's."""
    import gzip

    packed = gzip.compress(WEIGHTS)
    hub.inject(Fault(path="small.bin", headers={"Content-Encoding": "gzip"}, body=packed, times=2))
    assert fetch("small.bin") == WEIGHTS


# Retries


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("method, host", [("HEAD", "hub"), ("GET", "hub"), ("GET", "cdn")])
def test_passing_trouble_is_waited_for(
    status: int, method: str, host: str, hub: HubServer, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "FIRST_WAIT", 1.0)
    hub.inject(Fault(method=method, host=host, status=status, times=3))
    assert fetch() == WEIGHTS
    assert waits == [1.0, 2.0, 4.0]


def test_lasting_trouble_is_an_error(hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(status=503, times=99))
    with pytest.raises(UnavailableError, match=r"503.*overloaded.*TX_OFFLINE=1") as caught:
        fetch()
    assert caught.value.status == 503
    assert hub.count() == transfer.ATTEMPTS
    assert len(waits) == transfer.ATTEMPTS - 1


def test_retry_after_in_seconds(hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(status=429, headers={"Retry-After": "17"}))
    assert fetch() == WEIGHTS
    assert waits == [17.0]


def test_retry_after_as_a_date(hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(status=429, headers={"Retry-After": email.utils.formatdate(time.time() + 30, usegmt=True)}))
    assert fetch() == WEIGHTS
    assert 25 < waits[0] <= 30


@pytest.mark.parametrize("value", ["soon", "-5", "1e9", "Mon, 99 Foo 2020 00:00:00 GMT", "", "٣"])
def test_retry_after_that_makes_no_sense(value: str, hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(status=503, headers={"Retry-After": value.encode().decode("latin-1")}))
    assert fetch() == WEIGHTS
    assert waits == [0.01]


def test_retry_after_that_is_too_long_is_not_waited_for(hub: HubServer, waits: list[float]) -> None:
    hub.inject(Fault(status=429, headers={"Retry-After": "3600"}, times=99))
    with pytest.raises(UnavailableError, match=r"429 .too many requests. and asks for a pause of 3600 s.*token="):
        fetch()
    assert waits == []
    assert hub.count() == 1


def test_dropped_connection_is_tried_again(hub: HubServer) -> None:
    hub.inject(Fault(method="HEAD", drop=True), Fault(method="GET", drop=True, times=2))
    assert fetch() == WEIGHTS


def test_slow_server_times_out(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "0.1")
    hub.inject(Fault(method="HEAD", delay=0.5))
    assert fetch() == WEIGHTS
    assert hub.count("HEAD") == 2
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    hub.inject(Fault(method="HEAD", delay=0.5, times=9))
    with pytest.raises(UnavailableError, match=r"(?i)timed out"):
        locate("org/name", ["other"])


def test_stalled_body_times_out_and_is_continued(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "0.2")
    hub.inject(Fault(method="GET", host="cdn", pause=0.5))
    assert fetch() == WEIGHTS
    assert len(ranges(hub, "cdn")) == 2


# Redirects and tokens


def authorizations(hub: HubServer) -> dict[str, set[str | None]]:
    return {host: {r.headers.get("authorization") for r in hub.requests if r.host == host} for host in ("hub", "cdn")}


def test_token_opens_a_private_repository_and_stays_with_the_hub(hub: HubServer) -> None:
    hub.add("org/private", {NAME: WEIGHTS}, lfs=[NAME], token="hf_secret")
    assert locate("org/private", [NAME], Source(token="hf_secret\n")) is not None
    assert authorizations(hub) == {"hub": {"Bearer hf_secret"}, "cdn": {None}}


def test_token_stays_with_the_host_of_a_plain_address(hub: HubServer) -> None:
    hub.put("/start", b"", token="hf_secret")
    hub.add("org/x", {NAME: WEIGHTS}, lfs=[NAME])
    hub.inject(Fault(path="/start", redirect=f"{hub.cdn_url}/blobs/{SHA256}", times=9))
    path = locate(hub.url + "/start", [], Source(token="hf_secret"))
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    assert authorizations(hub) == {"hub": {"Bearer hf_secret"}, "cdn": {None}}


def test_token_does_not_follow_back_and_forth(hub: HubServer) -> None:
    """Hub → other host → hub: the last is the token's host again and gets it; the other one never does."""
    hub.inject(Fault(path="small.bin", host="hub", redirect=f"{hub.cdn_url}/blobs/x", times=1))
    hub.inject(Fault(path="/blobs/x", host="cdn", redirect=f"{hub.url}/org/name/resolve/main/small.bin", times=1))
    assert fetch("small.bin", Source(token="hf_secret")) == WEIGHTS
    assert authorizations(hub) == {"hub": {"Bearer hf_secret"}, "cdn": {None}}


@pytest.mark.parametrize(
    "home, target, same",
    [
        ("https://hub.example/", "https://hub.example/x?y", True),
        ("https://hub.example/", "https://HUB.example:443/x", True),
        ("https://hub.example/", "http://hub.example/x", False),  # downgrade
        ("https://hub.example/", "http://hub.example:443/x", False),
        ("https://hub.example/", "https://hub.example:8443/x", False),
        ("https://hub.example/", "https://cdn.hub.example/x", False),
        ("https://hub.example/", "https://hub.example.evil.org/x", False),
        ("https://hub.example/", "https://hub.example@evil.org/x", False),
        ("http://hub.example/", "https://hub.example/x", False),
    ],
)
def test_hosts_that_get_the_token(home: str, target: str, same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    sent: list[object] = []

    def answer(session: requests.Session, method: str, url: str, **options: object) -> requests.Response:
        sent.append(options["auth"])
        response = requests.Response()
        response.status_code = 200 if len(sent) == 2 else 302
        response.raw = io.BytesIO()
        response.headers["Location"] = target
        return response

    # No server can stand for other schemes and host names here, so that the session is replaced this once.
    monkeypatch.setattr(requests.Session, "request", answer)
    with transfer.Client(home, "hf_secret", None) as client:
        client.head(home)
    assert [authorize is not None for authorize in sent] == [True, same]


def test_implicit_token(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sent(source: Source = Source()) -> set[str | None]:  # noqa: B008
        hub.forget()
        locate("org/name", [NAME], source)
        return authorizations(hub)["hub"]

    assert sent() == {None}
    with pytest.raises(ValueError, match=r"token=True.*HF_TOKEN"):
        sent(Source(token=True))
    (tmp_path / "hf" / "token").write_text("hf_file\n")
    assert sent() == {"Bearer hf_file"}
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_old")
    assert sent() == {"Bearer hf_old"}
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    assert sent() == {"Bearer hf_environment"}
    assert sent(Source(token="hf_argument")) == {"Bearer hf_argument"}
    assert sent(Source(token=False)) == {None}
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    assert sent() == {None}
    assert sent(Source(token=True)) == {"Bearer hf_environment"}


def test_implicit_token_is_not_sent_to_other_addresses(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_environment")
    hub.put("/file", b"content")
    locate(hub.url + "/file", [])
    assert authorizations(hub)["hub"] == {"Bearer hf_environment"}
    hub.forget()
    monkeypatch.setenv("HF_ENDPOINT", "https://huggingface.co")
    locate(hub.url + "/file", [])
    assert authorizations(hub)["hub"] == {None}


@pytest.mark.parametrize("token", ["hf_a b", "hf_ä", "hf_a\nX-Other: 1", "hf_\x00", "  "])
def test_impossible_token_is_refused_and_not_shown(token: str, hub: HubServer) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        fetch(source=Source(token=token))
    assert token.strip() == "" or token not in str(caught.value)
    assert hub.requests == []


def test_token_file_that_is_no_text(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf/token").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="a token looks like 'hf_…'"):
        fetch()
    assert fetch(source=Source(token=False)) == WEIGHTS


def test_token_of_the_user_wins_over_netrc(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    fetch("small.bin", Source(token="hf_secret"))
    assert authorizations(hub)["hub"] == {"Bearer hf_secret"}


def test_renamed_repository(hub: HubServer, tmp_path: Path) -> None:
    hub.add("old", {NAME: WEIGHTS}, lfs=[NAME], token="hf_secret")
    hub.rename("old", "org/new")
    path = locate("old", [NAME], Source(token="hf_secret"))
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    assert "models--old" in str(path)
    assert authorizations(hub) == {"hub": {"Bearer hf_secret"}, "cdn": {None}}


def test_mirror_that_redirects_to_another_hub(hub: HubServer) -> None:
    with HubServer() as mirror:
        mirror.inject(Fault(path="/", redirect=f"{hub.url}/org/name/resolve/main/small.bin", times=9))
        assert fetch("small.bin", Source(endpoint=mirror.url, token="hf_mirror")) == WEIGHTS
        assert {r.headers.get("authorization") for r in mirror.requests} == {"Bearer hf_mirror"}
    assert authorizations(hub)["hub"] == {None}


def test_endless_redirects(hub: HubServer) -> None:
    hub.inject(Fault(redirect=f"{hub.url}/org/name/resolve/main/{NAME}", times=99))
    with pytest.raises(FilesError, match="redirects more than 10 times"):
        fetch("other")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_redirect_to_another_scheme(target: str, hub: HubServer) -> None:
    hub.inject(Fault(redirect=target, times=99))
    with pytest.raises(FilesError, match="no http"):
        fetch()


@pytest.mark.parametrize("target", ["http://[", "http://[::1", f"http://{'a' * 300}.invalid/", "http://\xff/"])
def test_redirect_to_what_is_no_address(target: str, hub: HubServer) -> None:
    hub.inject(Fault(redirect=target, times=99))
    with pytest.raises(FilesError, match=r"/model.safetensors cannot be requested"):
        fetch()


def test_redirect_without_a_target(hub: HubServer) -> None:
    hub.inject(Fault(status=302, times=99))
    with pytest.raises(FilesError, match="302"):
        fetch()


def test_proxy(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(endpoint="http://hub.invalid", proxies={"http": hub.url})
    assert fetch("small.bin", source) == WEIGHTS
    assert {r.through_proxy for r in hub.requests} == {True}
    hub.forget()
    monkeypatch.setenv("http_proxy", hub.url)
    assert fetch("small.bin", Source(endpoint="http://hub.invalid", force_download=True)) == WEIGHTS
    assert {r.through_proxy for r in hub.requests} == {True}


def test_proxy_that_is_dead(hub: HubServer) -> None:
    with pytest.raises(UnavailableError, match=r"proxy.*proxies="):
        fetch(source=Source(proxies={"http": "http://127.0.0.1:1"}))


def test_plain_http_where_https_is_expected(hub: HubServer) -> None:
    with pytest.raises(FilesError, match=r"certificate.*REQUESTS_CA_BUNDLE"):
        fetch(source=Source(endpoint=hub.url.replace("http:", "https:")))


# Progress


def test_progress_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(2048, "x" * 50) as bar:
        bar.update(2048)
    assert "2.00k/2.00k" in terminal.getvalue()
    assert "…" + "x" * 39 + ":" in terminal.getvalue()
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with progress(2048, "hidden") as bar:
        bar.update(2048)
    assert "hidden" not in terminal.getvalue()


def test_no_progress_bar_elsewhere(hub: HubServer, capfd: pytest.CaptureFixture[str]) -> None:
    fetch()
    assert capfd.readouterr() == ("", "")


# Several processes

_SCRIPT = """
import sys
from pathlib import Path
from tx_core.files import locate
Path(sys.argv[1]).touch()
while not Path(sys.argv[2]).exists():
    pass
print(locate("org/name", [sys.argv[3]]))
"""


def test_two_processes_download_once(hub: HubServer, tmp_path: Path) -> None:
    hub.inject(Fault(method="GET", host="cdn", pause=0.1))  # a second
    environment = download_environment(tmp_path, HF_ENDPOINT=hub.url)
    command = [sys.executable, "-c", _SCRIPT]
    processes = [
        subprocess.Popen(
            [*command, str(tmp_path / f"ready{i}"), str(tmp_path / "go"), NAME],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    deadline = time.monotonic() + 60
    while not all((tmp_path / f"ready{i}").exists() for i in range(2)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (tmp_path / "go").touch()
    paths = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert paths[0] == paths[1]
    assert Path(paths[0]).read_bytes() == WEIGHTS
    assert hub.count("HEAD") == 2
    assert hub.count("GET", host="cdn") == 1


def test_two_threads_download_once(hub: HubServer) -> None:
    hub.inject(Fault(method="GET", host="cdn", pause=0.03))
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(fetch())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [WEIGHTS, WEIGHTS]
    assert hub.count("GET", host="cdn") == 1


def test_two_threads_download_once_without_links(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    test_two_threads_download_once(hub)


def test_killed_process_leaves_a_part_and_no_lock(hub: HubServer, tmp_path: Path, blobs: Path) -> None:
    hub.inject(Fault(method="GET", host="cdn", pause=0.2))
    environment = download_environment(tmp_path, HF_ENDPOINT=hub.url)
    (tmp_path / "go").touch()
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, str(tmp_path / "ready"), str(tmp_path / "go"), NAME], env=environment
    )
    partial = blobs / f"{SHA256}.incomplete"
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 0):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait(timeout=60)
    kept = partial.stat().st_size
    hub.forget()
    assert fetch() == WEIGHTS
    assert ranges(hub, "cdn") == [f"bytes={kept}-"]


def test_waiting_for_a_lock_is_said(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import filelock

    from tx_core.files import cache

    monkeypatch.setattr(cache, "_LOG_LOCK_EVERY", 0.1)
    lock = tmp_path / f"hf/hub/.locks/models--org--name/{SHA256}.lock"
    lock.parent.mkdir(parents=True)
    held = filelock.FileLock(str(lock), thread_local=False)
    held.acquire()
    threading.Timer(0.35, held.release).start()
    with caplog.at_level(logging.WARNING):
        assert fetch() == WEIGHTS
    assert f"waiting for another process that downloads the same file; it holds {lock}" in caplog.text


def test_file_system_without_locks(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def refuse(self: object, *arguments: object, **keywords: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock; use SoftFileLock instead")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    assert fetch() == WEIGHTS


def test_an_encoding_that_nothing_decodes_is_refused(hub: HubServer) -> None:
    """Its bytes would be taken for those of the file."""
    url = hub.put("/file.bin", WEIGHTS)
    hub.inject(Fault(method="GET", headers={"Content-Encoding": "zpaq"}, times=99))
    with pytest.raises(FilesError, match=r"file\.bin sends its content in the encoding 'zpaq', .* try another network"):
        locate(url, [])


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_may_not_fill_the_disk(hub: HubServer, announced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_MAX_DOWNLOAD_BYTES", str(len(WEIGHTS) - 1))
    url = hub.put("/file.bin", WEIGHTS)
    if not announced:
        hub.inject(Fault(headers={"Content-Length": "", "Connection": "close"}, times=99))
    with pytest.raises(FilesError, match=rf"more than {len(WEIGHTS) - 1} bytes; .* TX_MAX_DOWNLOAD_BYTES"):
        locate(url, [])
    monkeypatch.setenv("TX_MAX_DOWNLOAD_BYTES", str(len(WEIGHTS)))
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS


def test_a_trickle_is_given_up(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part comes before the timeout; all of them would take for ever. What came is kept."""
    monkeypatch.setattr(transfer, "_SLOW_AFTER", 0.2)
    monkeypatch.setenv("TX_MIN_DOWNLOAD_RATE", "1e9")
    url = hub.put("/file.bin", WEIGHTS)
    hub.inject(Fault(method="GET", pause=0.1))
    with pytest.raises(UnavailableError, match=r"less than 1000000000 a second; .* TX_MIN_DOWNLOAD_RATE"):
        locate(url, [])
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == WEIGHTS
    assert "range" in hub.requests[-1].headers


@pytest.mark.parametrize("variable", ["TX_MAX_DOWNLOAD_BYTES", "TX_MIN_DOWNLOAD_RATE"])
def test_limits_that_are_no_numbers(hub: HubServer, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "many")
    with pytest.raises(ValueError, match=f"{variable}='many' is no number of bytes"):
        locate(hub.put("/file.bin", WEIGHTS), [])


def test_a_broken_encoding_is_called_one(hub: HubServer, waits: list[float]) -> None:
    url = hub.put("/file.bin", WEIGHTS)
    hub.inject(Fault(method="GET", headers={"Content-Encoding": "gzip"}, times=99))
    with pytest.raises(IntegrityError, match="sends a broken encoding"):
        locate(url, [])


def test_a_fast_start_does_not_excuse_a_trickle(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def chunks(reply: object) -> Iterator[bytes]:
        yield WEIGHTS[:200_000]
        for _ in range(3):
            now[0] += 61
            yield b"x" * 10

    monkeypatch.setattr(transfer, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep, time=time.time))
    monkeypatch.setattr(transfer, "_chunks", chunks)
    with pytest.raises(UnavailableError, match="sent 10 bytes in 61 s, less than 1000 a second"):
        locate(hub.put("/file.bin", WEIGHTS), [])
