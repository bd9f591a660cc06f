"""tx_core.files: names, options, cache layout, offline, errors, atomic writing; against a hub on loopback."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tx_core import files
from tx_core.files import (
    AccessError,
    EntryNotFoundError,
    FilesError,
    InvalidNameError,
    OfflineError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    Source,
    UnavailableError,
    atomic_write,
    cached_path,
    locate,
    locate_each,
    pinned,
    transfer,
)
from tx_testing.server import Fault, HubServer, Request, download_environment, git_blob_hash

CONFIG = b'{"model_type": "bert"}'
WEIGHTS = bytes(range(256)) * 1024


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = download_environment(tmp_path)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name in ("HOME", "HF_HOME"):
        monkeypatch.setenv(name, wanted[name])
    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.01)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The cache folder that the environment implies."""
    return tmp_path / "hf" / "hub"


# Local folders and files


def test_folder_gives_the_first_candidate_that_exists(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "b.bin").write_bytes(b"b")
    (tmp_path / "model" / "c.bin").write_bytes(b"c")
    assert locate(tmp_path / "model", ["a.bin", "b.bin", "c.bin"]) == tmp_path / "model" / "b.bin"
    assert locate(str(tmp_path / "model") + "/", ["c.bin"]) == tmp_path / "model" / "c.bin"
    assert locate(tmp_path / "model", ["a.bin"]) is None
    assert locate(tmp_path / "model", []) is None


def test_folder_is_not_taken_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "model" / "config.json").mkdir(parents=True)
    assert locate(tmp_path / "model", ["config.json"]) is None


def test_subfolder_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model" / "onnx").mkdir(parents=True)
    (tmp_path / "model" / "onnx" / "config.json").write_bytes(b"{}")
    assert locate(tmp_path / "model", ["config.json"], Source(subfolder="onnx/")) == tmp_path / "model/onnx/config.json"
    assert locate(tmp_path / "model", ["config.json"], Source(subfolder="none")) is None


def test_single_file_is_returned_itself(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w")
    assert locate(tmp_path / "weights.bin", ["config.json"]) == tmp_path / "weights.bin"


def test_local_folder_wins_over_a_repository(tmp_path: Path, hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    (tmp_path / "org" / "name").mkdir(parents=True)
    assert locate("org/name", ["config.json"]) is None
    (tmp_path / "org" / "name" / "config.json").write_bytes(b"local")
    assert locate("org/name", ["config.json"]) == Path("org/name/config.json")
    assert hub.requests == []


# Names


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../secret", "org/../name", "/no/such/folder", "./model", "a/b/c", "org/", "/name", "org//name",
        "a--b", "a..b",
        "-a", "a-", ".a", "a.", "org\\name", "C:\\models", "na me", "name\n", "na\x00me", "naïve", "a.git",
        "x" * 97,
        "models/../../etc", "ftp://host/file", "hf://org/name", "~/model",
    ],
)  # fmt: skip
def test_impossible_names_are_refused_without_a_request(name: str, hub: HubServer) -> None:
    if name in (".", ".."):
        assert locate(name, ["config.json"]) is None  # folders
        return
    with pytest.raises(InvalidNameError, match="neither a folder or file nor a valid repository name") as caught:
        locate(name, ["config.json"])
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, ValueError)
    assert hub.requests == []


@pytest.mark.parametrize("name", ["gpt2", "bert-base-uncased", "org/name", "a", "A.b_c-1/x", "x" * 96, "1/2", "_a/_b"])
def test_possible_names_are_asked_for(name: str, hub: HubServer, cache: Path) -> None:
    hub.add(name, {"config.json": CONFIG})
    path = locate(name, ["config.json"])
    assert path is not None
    assert path.read_bytes() == CONFIG
    assert (cache / ("models--" + name.replace("/", "--")) / "refs" / "main").is_file()


@pytest.mark.parametrize(
    "file",
    ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "a\\b", "..\\x", "a\x00b", "C:/x", "a\nb", "./a"],
)
@pytest.mark.parametrize("where", ["folder", "hub", "subfolder"])
def test_file_names_stay_inside(file: str, where: str, tmp_path: Path, hub: HubServer) -> None:
    (tmp_path / "folder").mkdir()
    if where == "subfolder":
        if file in ("", "a/"):
            return  # both are fine as folders
        arguments = ("org/name", ["x"], Source(subfolder=file))
    else:
        arguments = ("folder" if where == "folder" else "org/name", [file], Source())
    with pytest.raises(InvalidNameError, match="refused"):
        locate(*arguments)
    assert hub.requests == []


@pytest.mark.parametrize(
    "revision",
    ["", "..", "../x", "a/../b", "/a", "a/", "a//b", "a\\b", "a b", "a\x00", "a:b", "-/.x", "~1", "a^", "a..b"],
)
def test_impossible_revisions_are_refused(revision: str, hub: HubServer) -> None:
    with pytest.raises(InvalidNameError, match="revision="):
        locate("org/name", ["x"], Source(revision=revision))
    assert hub.requests == []


def test_revisions_with_slashes_and_files_in_folders(hub: HubServer, cache: Path) -> None:
    commit = hub.add("org/name", {"sub dir/ünï.json": CONFIG}, revision="refs/pr/1")
    path = locate("org/name", ["ünï.json"], Source(revision="refs/pr/1", subfolder="sub dir"))
    assert path == cache / f"models--org--name/snapshots/{commit}/sub dir/ünï.json"
    assert path.read_bytes() == CONFIG
    assert (cache / "models--org--name/refs/refs/pr/1").read_text() == commit


# Options


def test_take_removes_its_keys_alone() -> None:
    kwargs = {
        "cache_dir": Path("c"),
        "revision": None,
        "use_auth_token": "secret",
        "output_attentions": True,
        "proxies": None,
    }
    source = Source.take(kwargs)
    assert source == Source(cache_dir="c", token="secret")
    assert kwargs == {"output_attentions": True}
    assert "secret" not in repr(source)


def test_take_refuses_two_tokens() -> None:
    with pytest.raises(ValueError, match="use_auth_token"):
        Source.take({"token": "a", "use_auth_token": "b"})
    assert Source.take({"token": "a", "use_auth_token": "a"}) == Source(token="a")


def test_cache_folder_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HOME")
    assert files.cache_folder() == tmp_path / ".cache" / "huggingface" / "hub"
    for name, value, folder in [
        ("XDG_CACHE_HOME", "/xdg", "/xdg/huggingface/hub"),
        ("HF_HOME", "~/hf", f"{tmp_path}/hf/hub"),
        ("HUGGINGFACE_HUB_CACHE", "/old", "/old"),
        ("HF_HUB_CACHE", "$HOME/new", f"{tmp_path}/new"),
        ("PYTORCH_TRANSFORMERS_CACHE", "/of-2019", "/of-2019"),
        ("TRANSFORMERS_CACHE", "/of-transformers", "/of-transformers"),
    ]:
        monkeypatch.setenv(name, value)
        assert files.cache_folder() == Path(folder), name
    assert Source(cache_dir="~/mine").cache_root() == tmp_path / "mine"


@pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://x", "file:///etc"])
def test_endpoint_has_to_be_an_address(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        locate("gpt2", ["x"], Source(endpoint=endpoint))


def test_endpoint_argument_wins_over_the_environment(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert locate("org/name", ["config.json"], Source(endpoint=hub.url)) is not None


def test_timeout_variable_has_to_be_a_number(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="HF_HUB_ETAG_TIMEOUT='soon'"):
        locate("org/name", ["x"])


# The layout of the cache


def test_layout_of_the_hub_library(hub: HubServer, cache: Path) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG, "pytorch_model.bin": WEIGHTS}, lfs=["pytorch_model.bin"])
    folder = cache / "models--org--name"
    path = locate("org/name", ["model.safetensors", "pytorch_model.bin"])
    assert path == folder / "snapshots" / commit / "pytorch_model.bin"
    locate("org/name", ["config.json"])
    import hashlib

    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    assert {p.name for p in (folder / "blobs").iterdir()} == {git_blob_hash(CONFIG), sha256}
    assert os.readlink(path) == f"../../blobs/{sha256}"
    assert (folder / "refs" / "main").read_text() == commit
    assert (folder / ".no_exist" / commit / "model.safetensors").read_bytes() == b""
    assert (cache / ".locks" / "models--org--name").is_dir()
    assert path.read_bytes() == WEIGHTS
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    left = [
        p for p in cache.rglob("*") if p.is_file() and (".incomplete" in p.name or p.name.endswith((".tmp", ".link")))
    ]
    assert left == []


def test_branch_costs_one_head_when_cached(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    locate("org/name", ["config.json"])
    hub.forget()
    locate("org/name", ["config.json"])
    assert [r.method for r in hub.requests] == ["HEAD"]


def test_branch_is_asked_about_once_for_all_candidates(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["a", "b", "config.json"])
    hub.forget()
    assert locate("org/name", ["a", "b", "config.json"]) == path
    assert [(r.method, r.path) for r in hub.requests] == [("HEAD", "/org/name/resolve/main/a")]


def test_pinned_and_cached_sends_no_request(hub: HubServer) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG})
    source = Source(revision=commit)
    path = locate("org/name", ["model.safetensors", "config.json"], source)
    hub.forget()
    assert locate("org/name", ["model.safetensors", "config.json"], source) == path
    assert locate("org/name", ["model.safetensors"], source) is None
    assert hub.requests == []


def test_pinned_source_of_a_path(hub: HubServer, tmp_path: Path) -> None:
    first = hub.add("org/name", {"config.json": CONFIG, "vocab.txt": b"first"})
    path = locate("org/name", ["config.json"])
    assert path is not None
    hub.add("org/name", {"config.json": CONFIG, "vocab.txt": b"second"})
    source = pinned(Source(cache_dir=None), path, "org/name")
    assert source.revision == first
    vocabulary = locate("org/name", ["vocab.txt"], source)
    assert vocabulary is not None
    assert vocabulary.read_bytes() == b"first"
    assert pinned(Source(), tmp_path / "config.json", "org/name") == Source()
    assert pinned(Source(), path, "org/other") == pinned(Source(), path, path.parent) == Source()


def test_files_that_belong_together_are_of_one_commit(hub: HubServer) -> None:
    class Updated(HubServer):
        def arrived(self, request: Request) -> Fault:
            if "merges.txt" in request.path:
                self.add("org/name", {"vocab.json": b"second", "merges.txt": b"second"})
            return super().arrived(request)

    wanted = ["absent.json", "vocab.json", "merges.txt"]
    with Updated() as updated:
        first = updated.add("org/name", {"vocab.json": b"first", "merges.txt": b"first"})
        found, source = locate_each("org/name", wanted, Source(endpoint=updated.url))
        assert source.revision == first
        assert {file: path.read_bytes() for file, path in found.items()} == {
            "vocab.json": b"first",
            "merges.txt": b"first",
        }
        updated.forget()
        assert locate_each("org/name", wanted, Source(endpoint=updated.url))[0]["merges.txt"].read_bytes() == b"second"


def test_files_that_belong_together_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"")
    assert locate_each(tmp_path, ["a", "b"]) == ({"b": tmp_path / "b"}, Source())


def test_new_commit_with_the_same_content_is_not_downloaded_again(hub: HubServer, cache: Path) -> None:
    hub.add("org/name", {"config.json": CONFIG, "model.bin": WEIGHTS}, lfs=["model.bin"])
    old = locate("org/name", ["model.bin"])
    commit = hub.add("org/name", {"config.json": b"{}", "model.bin": WEIGHTS}, lfs=["model.bin"])
    hub.forget()
    new = locate("org/name", ["model.bin"])
    assert hub.count("GET") == 0
    assert new == cache / f"models--org--name/snapshots/{commit}/model.bin"
    assert new != old
    assert new.read_bytes() == WEIGHTS
    assert (cache / "models--org--name/refs/main").read_text() == commit


def test_new_content_is_downloaded_and_the_old_kept(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": b"old"})
    old = locate("org/name", ["config.json"])
    hub.add("org/name", {"config.json": b"new"})
    new = locate("org/name", ["config.json"])
    assert old is not None
    assert new is not None
    assert (old.read_bytes(), new.read_bytes()) == (b"old", b"new")


def test_candidates_come_from_one_commit(hub: HubServer) -> None:
    """The branch moves after the first answer: the second candidate is asked for at the commit of the first."""
    commit = hub.add("org/name", {"b.json": b"old"})
    hub.inject(Fault(method="HEAD", path="b.json", delay=0.3))
    move = threading.Timer(0.1, lambda: hub.add("org/name", {"b.json": b"new"}))
    move.start()
    path = locate("org/name", ["a.json", "b.json"])
    move.join()
    assert path is not None
    assert path.read_bytes() == b"old"
    assert hub.count("HEAD", f"/resolve/{commit}/b.json") == 1


def test_force_download_fetches_again(hub: HubServer) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"])
    assert path is not None
    path.resolve().write_bytes(b"damaged")
    assert locate("org/name", ["config.json"], Source(revision=commit)) == path
    assert path.read_bytes() == b"damaged"
    assert locate("org/name", ["config.json"], Source(revision=commit, force_download=True)) == path
    assert path.read_bytes() == CONFIG
    assert hub.count("GET") == 2


def test_empty_file(hub: HubServer) -> None:
    hub.add("org/name", {"merges.txt": b"", "large": b""}, lfs=["large"])
    for name in ("merges.txt", "large"):
        path = locate("org/name", [name])
        assert path is not None
        assert path.read_bytes() == b""


def test_cache_dir_argument(hub: HubServer, tmp_path: Path) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"], Source(cache_dir=str(tmp_path / "elsewhere")))
    assert path == tmp_path / f"elsewhere/models--org--name/snapshots/{commit}/config.json"


@pytest.mark.parametrize("error", [OSError(1, "Operation not permitted"), NotImplementedError()])
def test_file_system_without_links(
    error: Exception, hub: HubServer, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    def refuse(*arguments: object, **keywords: object) -> None:
        raise error

    commit = hub.add("org/name", {"config.json": CONFIG})
    monkeypatch.setattr(os, "symlink", refuse)
    path = locate("org/name", ["config.json"])
    assert path == cache / f"models--org--name/snapshots/{commit}/config.json"
    assert not path.is_symlink()
    assert path.read_bytes() == CONFIG
    assert not (cache / "models--org--name/blobs" / git_blob_hash(CONFIG)).exists()  # moved, so not stored twice
    assert locate("org/name", ["config.json"], Source(local_files_only=True)) == path
    # A blob that an earlier library left there is copied, since other links may point to it.
    (cache / "models--org--name/blobs" / git_blob_hash(b"two")).write_bytes(b"two")
    hub.add("org/name", {"config.json": b"two"})
    hub.forget()
    second = locate("org/name", ["config.json"])
    assert second is not None
    assert second.read_bytes() == b"two"
    assert (cache / "models--org--name/blobs" / git_blob_hash(b"two")).is_file()
    assert hub.count("GET") == 0


@pytest.mark.parametrize("content", [b"", b"../../../evil", b"main\n", b"\xff" * 40])
def test_damaged_ref_is_repaired(content: bytes, hub: HubServer, cache: Path) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"])
    ref = cache / "models--org--name/refs/main"
    ref.write_bytes(content)
    with pytest.raises(OfflineError):
        locate("org/name", ["config.json"], Source(local_files_only=True))
    assert locate("org/name", ["config.json"]) == path
    assert ref.read_text() == commit


def test_dangling_link_is_repaired(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"])
    assert path is not None
    path.resolve().unlink()
    assert locate("org/name", ["config.json"]) == path
    assert path.read_bytes() == CONFIG


def test_read_only_cache_serves_what_it_has(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *arguments: object, **keywords: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    commit = hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"])
    monkeypatch.setattr(Path, "mkdir", refuse)  # permissions do not bind the superuser, as whom tests may run
    monkeypatch.setattr(Path, "touch", refuse)
    hub._repositories["org/name"].refs["v1"] = commit
    for revision in ("main", commit, "v1"):
        assert locate("org/name", ["config.json"], Source(revision=revision)) == path
        assert locate("org/name", ["absent.json"], Source(revision=revision)) is None
    hub.add("org/name", {"config.json": b"new"})
    with pytest.raises(FilesError, match=r"cannot be written.*cache_dir="):
        locate("org/name", ["config.json"])


def test_cache_folder_that_is_a_file(hub: HubServer, tmp_path: Path) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FilesError, match=r"cannot be written.*cache_dir="):
        locate("org/name", ["config.json"], Source(cache_dir=str(tmp_path / "file")))


@pytest.mark.parametrize("commit", ["../../../evil", "main", "a" * 65, ""])
def test_impossible_commits_of_a_server_are_refused(commit: str, hub: HubServer, cache: Path) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    hub.inject(Fault(method="HEAD", headers={"X-Repo-Commit": commit}))
    with pytest.raises(FilesError, match="no hash"):
        locate("org/name", ["config.json"])
    assert not cache.exists()


@pytest.mark.parametrize("etag", ["../../../../evil", "a/b", ".hidden", "x" * 300, "name.lock"])
def test_impossible_etags_of_a_server_become_no_paths(etag: str, hub: HubServer, cache: Path) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    hub.inject(Fault(etag=etag, times=2))
    path = locate("org/name", ["config.json"])
    assert path is not None
    assert path.read_bytes() == CONFIG
    assert path.resolve().parent == cache / "models--org--name" / "blobs"


# Offline


@pytest.mark.parametrize("how", ["TX_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "local_files_only"])
def test_offline_sends_no_request(how: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = hub.add("org/name", {"config.json": CONFIG, "vocab.txt": b"v"})
    path = locate("org/name", ["config.json"])
    locate("org/name", ["absent.json"])
    hub.forget()
    if how == "local_files_only":
        source, reason = Source(local_files_only=True), "local_files_only=True"
    else:
        monkeypatch.setenv(how, "yes")
        source, reason = Source(), f"{how}=yes"
    assert locate("org/name", ["absent.json", "config.json"], source) == path
    assert locate("org/name", ["absent.json"], source) is None
    assert locate("org/name", ["vocab.txt"], source) is None  # never asked for: taken as absent
    take = Source.take({"revision": commit[:7], "local_files_only": source.local_files_only})
    with pytest.raises(OfflineError, match=r"(?s)config.json of 'org/name' \(revision .*" + reason):
        locate("org/name", ["config.json"], take)
    with pytest.raises(OfflineError, match="there is no local folder 'org/other'"):
        locate("org/other", ["config.json"], source)
    with pytest.raises(OfflineError, match=reason):
        locate(hub.url + "/file.bin", [], source)
    with pytest.raises(ValueError, match="force_download=True"):
        locate("org/name", ["config.json"], Source(force_download=True, local_files_only=source.local_files_only))
    assert hub.requests == []


def test_switched_off_offline_variables_mean_nothing(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    monkeypatch.setenv("TX_OFFLINE", "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    assert locate("org/name", ["config.json"]) is not None


def test_no_connection_falls_back_to_the_cache_with_a_warning(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["absent.json", "config.json"])
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with caplog.at_level(logging.WARNING, "tx_core.files"):
        assert locate("org/name", ["absent.json", "config.json"]) == path
    assert "The cached config.json of 'org/name' is used" in caplog.text
    assert locate("org/name", ["absent.json"]) is None  # known from before
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1.*TX_OFFLINE=1"):
        locate("org/name", ["unknown.json"])
    with pytest.raises(UnavailableError):
        locate("org/name", ["config.json"], Source(force_download=True))
    with pytest.raises(UnavailableError):
        locate("org/other", ["config.json"])


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_server_out_of_order_falls_back_to_the_cache(
    status: int, hub: HubServer, caplog: pytest.LogCaptureFixture
) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    path = locate("org/name", ["config.json"])
    hub.inject(Fault(status=status, times=99))
    assert locate("org/name", ["config.json"]) == path
    assert f"answers {status}" in caplog.text
    assert hub.count("HEAD") == 1 + 2


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_does_not_fall_back_to_the_cache(status: int, hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    locate("org/name", ["config.json"])
    hub.inject(Fault(status=status, times=99))
    with pytest.raises(AccessError, match=rf"config.json of 'org/name'.*{status}.*token=.*HF_TOKEN") as caught:
        locate("org/name", ["config.json"])
    assert caught.value.status == status
    assert caught.value.url == f"{hub.url}/org/name/resolve/main/config.json"


def test_deleted_file_does_not_fall_back_to_the_cache(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    locate("org/name", ["config.json"])
    hub.add("org/name", {"other.json": CONFIG})
    assert locate("org/name", ["config.json"]) is None


# Errors


def test_missing_repository(hub: HubServer) -> None:
    with pytest.raises(
        RepositoryNotFoundError, match=r"(?s)no local folder 'org/nmae'.*401.*private.*HF_TOKEN"
    ) as caught:
        locate("org/nmae", ["config.json"])
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.status == 401
    with pytest.raises(RepositoryNotFoundError, match=r"404.*your token does not open it"):
        locate("org/nmae", ["config.json"], Source(token="hf_x"))


def test_missing_revision(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    with pytest.raises(RevisionNotFoundError, match=r"'v9'.*no such branch.*revision="):
        locate("org/name", ["config.json"], Source(revision="v9"))


def test_missing_file(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG})
    assert locate("org/name", ["a", "b"]) is None
    assert locate("org/name", ["a", "config.json"]) is not None


def test_plain_mirror_without_error_codes(hub: HubServer, cache: Path) -> None:
    hub.inject(Fault(status=404, times=9))
    assert locate("org/name", ["a"]) is None
    assert locate("org/name", ["a"], Source(revision="0" * 40)) is None
    assert not list(cache.rglob(".no_exist"))  # nothing says that the repository exists


def test_gated_repository(hub: HubServer) -> None:
    hub.add("org/name", {"config.json": CONFIG}, token="hf_good", gated=True)
    with pytest.raises(AccessError, match=rf"gated.*401.*{hub.url}/org/name.*token="):
        locate("org/name", ["config.json"])
    with pytest.raises(PermissionError, match=r"gated.*403"):
        locate("org/name", ["config.json"], Source(token="hf_bad"))
    assert locate("org/name", ["config.json"], Source(token="hf_good")) is not None


def test_address_that_is_no_hub(hub: HubServer) -> None:
    hub.put("/org/name/resolve/main/config.json", b"<html>welcome</html>", {})
    with pytest.raises(FilesError, match=r"does not answer as a model hub.*HF_ENDPOINT"):
        locate("org/name", ["config.json"])


@pytest.mark.parametrize("status", [400, 410, 418, 451])
def test_other_status(status: int, hub: HubServer) -> None:
    hub.inject(Fault(status=status, times=9))
    with pytest.raises(FilesError, match=rf"config.json of 'org/name'.*{status}"):
        locate("org/name", ["config.json"])


# Plain addresses


def test_url_is_cached_by_its_etag(hub: HubServer, cache: Path) -> None:
    url = hub.put("/files/a%20b/pytorch_model.bin", WEIGHTS)
    path = locate(url, ["config.json"])
    assert path is not None
    assert path.name == "pytorch_model.bin"
    assert path.read_bytes() == WEIGHTS
    assert cache / "tx-urls" in path.parents
    assert locate(url, []) == path
    assert cached_path(url) == str(path)
    assert hub.count("GET") == 1
    hub.put("/files/a%20b/pytorch_model.bin", b"new")
    new = locate(url, [])
    assert new is not None
    assert new.read_bytes() == b"new"
    assert path.read_bytes() == WEIGHTS
    assert locate(url, [], Source(local_files_only=True)) == new
    assert locate(url, [], Source(force_download=True)) == new
    assert hub.count("GET") == 3


def test_url_without_etag(hub: HubServer) -> None:
    url = hub.put("/file.txt", b"one", {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
    path = locate(url, [])
    assert locate(url, []) == path
    assert hub.count("GET") == 1
    hub.put("/file.txt", b"two", {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"})
    new = locate(url, [])
    assert new is not None
    assert new.read_bytes() == b"two"


def test_url_of_a_folder(hub: HubServer) -> None:
    hub.put("/models/bert/config.json", CONFIG)
    path = locate(hub.url + "/models/bert/", ["absent.json", "config.json"])
    assert path is not None
    assert path.read_bytes() == CONFIG
    assert locate(hub.url + "/models/bert/", ["absent.json"]) is None
    hub.forget()
    offline = Source(local_files_only=True)
    assert locate(hub.url + "/models/bert/", ["absent.json", "config.json"], offline) == path
    assert locate(hub.url + "/models/bert/", ["absent.json"], offline) is None
    with pytest.raises(OfflineError, match=r"unknown\.json"):
        locate(hub.url + "/models/bert/", ["unknown.json"], offline)
    assert hub.requests == []
    hub.put("/models/bert/absent.json", b"now there")
    new = locate(hub.url + "/models/bert/", ["absent.json", "config.json"])
    assert new is not None
    assert locate(hub.url + "/models/bert/", ["absent.json"], offline) == new


def test_url_whose_ref_is_damaged(hub: HubServer, cache: Path) -> None:
    path = locate(hub.put("/file.txt", b"one"), [])
    (ref,) = cache.glob("tx-urls/*/ref")
    ref.write_bytes(b"\xff" * 40)
    assert locate(hub.url + "/file.txt", []) == path


def test_url_of_a_folder_with_a_cache_that_cannot_be_written(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    source = Source(cache_dir=str(tmp_path / "file"))
    hub.put("/models/bert/config.json", CONFIG)
    assert locate(hub.url + "/models/bert/", ["absent.json"], source) is None
    with pytest.raises(FilesError, match=r"cannot be written.*cache_dir="):
        locate(hub.url + "/models/bert/", ["config.json"], source)


def test_url_errors(hub: HubServer) -> None:
    with pytest.raises(EntryNotFoundError, match=r"no file at http://.*/none.bin.*404"):
        locate(hub.url + "/none.bin?key=secret", [])
    url = hub.put("/private.bin", b"x", token="hf_t")
    with pytest.raises(AccessError, match="401"):
        locate(url, [])
    assert locate(url, [], Source(token="hf_t")) is not None


def test_url_that_is_signed_for_get_alone(hub: HubServer) -> None:
    url = hub.put("/signed.bin", b"content")
    hub.inject(Fault(method="HEAD", status=403))
    path = locate(url + "?signature=s", [])
    assert path is not None
    assert path.read_bytes() == b"content"


@pytest.mark.parametrize("length", ["0", "7"])
def test_url_whose_head_says_nothing_of_the_size(length: str, hub: HubServer) -> None:
    url = hub.put("/file.bin", b"content")
    hub.inject(Fault(method="HEAD", content_length=int(length)))
    path = locate(url, [])
    assert path is not None
    assert path.read_bytes() == b"content"


def test_url_secrets_are_not_shown(hub: HubServer) -> None:
    address = hub.url.removeprefix("http://")
    with pytest.raises(EntryNotFoundError) as caught:
        locate(f"http://user:password@{address}/x.bin?signature=secret", [])
    assert "password" not in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(UnavailableError) as unavailable:
        locate("http://user:password@127.0.0.1:1/x.bin?signature=secret", [])
    assert "password" not in str(unavailable.value)
    assert "secret" not in str(unavailable.value)


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "https://127.0.0.1:99999/x", "http://bad host/x", "http://.../x"]
)
def test_malformed_urls(url: str) -> None:
    with pytest.raises(FilesError):
        locate(url, ["x"])


def test_cached_path_of_local_things(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    assert cached_path(tmp_path / "f") == str(tmp_path / "f")
    assert cached_path(str(tmp_path)) == str(tmp_path)
    with pytest.raises(FileNotFoundError, match="'no/such/file' does not exist"):
        cached_path("no/such/file")
    with pytest.raises(ValueError, match=r"s3://bucket/key.*http"):
        cached_path("s3://bucket/key")


# Atomic writing


def test_atomic_write_replaces_at_the_end_alone(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    target.write_bytes(b"old")
    with atomic_write(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".safetensors"
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_atomic_write_leaves_nothing_behind_after_an_error(error: BaseException, tmp_path: Path) -> None:
    target = tmp_path / "model.bin"
    target.write_bytes(b"old")

    def write() -> None:
        with atomic_write(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.bin"]


def test_atomic_write_names_the_file_that_has_no_room(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")  # POSIX alone
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match=r"model\.bin"), atomic_write(tmp_path / "model.bin") as temporary:
            temporary.write_bytes(bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(tmp_path) == []


def test_atomic_write_whose_file_the_writer_removed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "x") as temporary:
        temporary.unlink()
    assert os.listdir(tmp_path) == []


def test_atomic_write_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "x") as temporary:
            temporary.write_bytes(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_atomic_write_replaces_a_link_not_its_target(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"blob")
    (tmp_path / "link").symlink_to("blob")
    with atomic_write(tmp_path / "link") as temporary:
        temporary.write_bytes(b"own")
    assert (tmp_path / "blob").read_bytes() == b"blob"
    assert (tmp_path / "link").read_bytes() == b"own"
    assert not (tmp_path / "link").is_symlink()


def test_atomic_write_refusals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="its folder does not exist"), atomic_write(tmp_path / "no" / "x"):
        pass
    with pytest.raises(IsADirectoryError, match="a folder has that name"), atomic_write(tmp_path):
        pass


def test_atomic_write_with_long_names_and_numpy(tmp_path: Path) -> None:
    import numpy as np

    long = tmp_path / ("ü" * 120 + ".npy")
    with atomic_write(long) as temporary:
        np.save(temporary, np.arange(3))
    assert np.load(long).tolist() == [0, 1, 2]
    with atomic_write(str(tmp_path / "no-suffix")) as temporary:
        temporary.write_bytes(b"x")
    assert (tmp_path / "no-suffix").read_bytes() == b"x"


# Cost of the import


def test_import_loads_no_network_library() -> None:
    code = (
        "import sys, tx_core.files; "
        "heavy = {'requests', 'urllib3', 'http.client', 'ssl', 'filelock', 'tqdm', 'numpy', 'hashlib'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_local_files_load_no_network_library(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    code = (
        "import sys; from tx_core.files import locate; locate('m', ['config.json']); "
        "sys.exit(', '.join(sorted({'requests', 'filelock', 'tqdm'} & set(sys.modules))) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
