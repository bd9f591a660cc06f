"""Lock files: what they say, how they are written, and that nothing else is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tx_core.files import (
    EntryNotFoundError,
    IntegrityError,
    LockError,
    OfflineError,
    Source,
    locate,
    locate_each,
    pinned,
    refuse_file,
)
from tx_core.files.lock import LockedCommit, LockedFile, endpoint_of, read_lock, update_lock, write_lock
from tx_testing.server import HubServer, download_environment

CONFIG, WEIGHTS = b'{"model_type": "toy"}', bytes(range(256)) * 40
NAME = "org/name"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = download_environment(tmp_path)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name in ("HOME", "HF_HOME"):
        monkeypatch.setenv(name, wanted[name])
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


def of(content: bytes) -> LockedFile:
    return LockedFile(len(content), hashlib.sha256(content).hexdigest())


def entry(commit: str, endpoint: str | None = None, **files: bytes) -> LockedCommit:
    held = {"config.json": of(CONFIG), "model.safetensors": of(WEIGHTS)}
    held |= {name.replace("_", "."): of(content) for name, content in files.items()}
    return LockedCommit(commit, held, frozenset({"added_tokens.json"}), endpoint)


@pytest.fixture
def commit(hub: HubServer) -> str:
    """The commit of a repository that is locked in tx.lock; its branch has moved since."""
    files = {"config.json": CONFIG, "model.safetensors": WEIGHTS}
    commit = hub.add(NAME, files, lfs=["model.safetensors"])
    hub.add(NAME, {"config.json": b'{"model_type": "other"}', "model.safetensors": b"moved"})
    write_lock("tx.lock", {NAME: {"main": entry(commit, hub.url)}})
    return commit


def held(**options: Any) -> Source:
    return Source.take({"lock": "tx.lock", **options})


def change(path: Path, content: bytes) -> None:
    """Other content of the same length in the cache, behind its link."""
    path.resolve().write_bytes(content)


# -- the file ----------------------------------------


def test_the_file_is_sorted_and_the_same_each_time(tmp_path: Path) -> None:
    one = {"b": {"main": entry("1" * 40)}, "a": {"v2": entry("2" * 40, "https://mirror.org"), "main": entry("3" * 40)}}
    other = {name: dict(reversed(revisions.items())) for name, revisions in reversed(one.items())}
    write_lock(tmp_path / "one", one)
    write_lock(tmp_path / "other", other)
    text = (tmp_path / "one").read_text()
    assert text == (tmp_path / "other").read_text()
    assert text.endswith("}\n")
    assert read_lock(tmp_path / "one") == one
    values = json.loads(text)
    assert values["version"] == 1
    assert list(values["models"]) == ["a", "b"]
    assert values["models"]["b"]["main"] == {
        "absent": ["added_tokens.json"],
        "commit": "1" * 40,
        "files": {
            "config.json": {"sha256": hashlib.sha256(CONFIG).hexdigest(), "size": len(CONFIG)},
            "model.safetensors": {"sha256": hashlib.sha256(WEIGHTS).hexdigest(), "size": len(WEIGHTS)},
        },
    }


def test_a_lock_that_says_the_same_is_not_written_again(tmp_path: Path) -> None:
    lock = {NAME: {"main": entry("1" * 40)}}
    write_lock("tx.lock", lock)
    before = os.stat("tx.lock")
    write_lock("tx.lock", lock)
    after = os.stat("tx.lock")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_update_keeps_what_is_not_concerned(tmp_path: Path) -> None:
    update_lock("tx.lock", "first", "main", entry("1" * 40), tmp_path)
    update_lock("tx.lock", NAME, "v1", entry("2" * 40), tmp_path)
    update_lock("tx.lock", NAME, "main", entry("3" * 40, vocab_txt=b"a"), tmp_path)
    # The same commit is added to, another one takes its place.
    update_lock("tx.lock", NAME, "v1", LockedCommit("2" * 40, {"merges.txt": of(b"m")}, frozenset({"x"})), tmp_path)
    update_lock("tx.lock", NAME, "main", entry("4" * 40), tmp_path)
    lock = read_lock("tx.lock")
    assert lock["first"] == {"main": entry("1" * 40)}
    assert lock[NAME]["main"] == entry("4" * 40)
    assert sorted(lock[NAME]["v1"].files) == ["config.json", "merges.txt", "model.safetensors"]
    assert lock[NAME]["v1"].absent == {"added_tokens.json", "x"}


def test_a_commit_that_changes_is_refused(tmp_path: Path) -> None:
    update_lock("tx.lock", NAME, "main", entry("1" * 40), tmp_path)
    before = Path("tx.lock").read_bytes()
    other = LockedCommit("1" * 40, {"config.json": of(b"forged")})
    with pytest.raises(IntegrityError, match=f"{of(CONFIG).sha256}.*{of(b'forged').sha256}.*cannot change"):
        update_lock("tx.lock", NAME, "main", other, tmp_path)
    with pytest.raises(IntegrityError, match=r"config.json.*no such file"):
        update_lock("tx.lock", NAME, "main", LockedCommit("1" * 40, {}, frozenset({"config.json"})), tmp_path)
    assert Path("tx.lock").read_bytes() == before


def test_updates_at_once_lose_nothing(tmp_path: Path) -> None:
    def update(i: int) -> None:
        update_lock("tx.lock", f"name{i}", "main", entry(f"{i:040x}"), tmp_path)

    threads = [threading.Thread(target=update, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_lock("tx.lock")) == sorted(f"name{i}" for i in range(12))


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    Path("tx.lock").write_text('{"packages": []}')
    with pytest.raises(LockError, match="no lock file"):
        update_lock("tx.lock", NAME, "main", entry("1" * 40), tmp_path)
    assert Path("tx.lock").read_text() == '{"packages": []}'


GOOD: dict[str, Any] = {"commit": "1" * 40, "files": {"a": {"sha256": "0" * 64, "size": 1}}}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "JSON object"),
        ({"models": {}}, "version None"),
        ({"version": True, "models": {}}, "version True"),
        ({"version": 2, "models": {}}, "update tx-core"),
        ({"version": 1}, "'models' is None"),
        ({"version": 1, "models": {}, "more": 1}, "unknown key 'more'"),
        ({"version": 1, "models": {"../up": {}}}, "'../up'"),
        ({"version": 1, "models": {"a": {"b c": GOOD}}}, "'b c'"),
        ({"version": 1, "models": {"a": []}}, "no object"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"commit": "1" * 39}}}}, "no hash of 40"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"commit": "G" * 40}}}}, "no hash of 40"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"file": {}}}}}, "did you mean 'files'"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"endpoint": "file:///etc"}}}}, "no http"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"absent": "a"}}}}, "no list"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"absent": ["a"]}}}}, "both in the commit"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"absent": ["../a"]}}}}, "refused"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"files": {"../a": {}}}}}}, "refused"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"files": {"a": {"size": 1}}}}}}, "no 64 hexadecimal"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"files": {"a": {"sha256": "A" * 64, "size": 1}}}}}}, "no 64"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"files": {"a": {"sha256": "0" * 64, "size": -1}}}}}}, "size"),
        ({"version": 1, "models": {"a": {"main": GOOD | {"files": {"a": {"sha256": "0" * 64, "size": 1.0}}}}}}, "size"),
        (
            {"version": 1, "models": {"a": {"main": GOOD | {"files": {"a": {"sha256": "0" * 64, "size": True}}}}}},
            "size",
        ),
    ],
)
def test_what_is_no_lock_is_refused(values: Any, said: str) -> None:
    Path("tx.lock").write_text(json.dumps(values))
    with pytest.raises(LockError, match="tx.lock.*" + said):
        read_lock("tx.lock")


def test_a_damaged_or_huge_lock_is_refused() -> None:
    Path("tx.lock").write_text('{"version": 1, "models": {"a": {}, "a": {}}}')
    with pytest.raises(LockError, match="twice"):
        read_lock("tx.lock")
    with open("tx.lock", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LockError, match="larger than"):
        read_lock("tx.lock")
    with pytest.raises(LockError, match="`tx download NAME --lock 'not there'` writes it"):
        read_lock("not there")


def test_an_endpoint_is_noted_without_secrets() -> None:
    assert endpoint_of(Source()) is None
    assert endpoint_of(Source(endpoint="https://me:password@mirror.org/hub/?token=x")) == "https://mirror.org/hub"


# -- loading ----------------------------------------


def test_what_is_locked_is_used_though_the_branch_moved(hub: HubServer, commit: str) -> None:
    found, source = locate_each(NAME, ["config.json", "added_tokens.json", "model.safetensors"], held())
    assert {file: path.read_bytes() for file, path in found.items()} == {
        "config.json": CONFIG,
        "model.safetensors": WEIGHTS,
    }
    assert all(commit in path.parts for path in found.values())
    assert source.revision == commit
    # What the lock says to be absent is not asked for.
    assert hub.count(path="added_tokens.json") == 0


def test_it_works_offline_from_the_cache_and_without_requests(hub: HubServer, commit: str) -> None:
    locate(NAME, ["config.json"], held())
    hub.forget()
    assert locate(NAME, ["config.json"], held()) is not None
    assert hub.count() == 0
    offline = held(local_files_only=True)
    path = locate(NAME, ["config.json"], offline)
    assert path is not None
    assert path.read_bytes() == CONFIG
    with pytest.raises(OfflineError, match=r"model.safetensors.*tx\.lock.*not in the cache"):
        locate(NAME, ["model.safetensors"], offline)


def test_the_first_candidate_that_is_locked_is_used(commit: str) -> None:
    path = locate(NAME, ["added_tokens.json", "never_asked_for", "config.json"], held())
    assert path is not None
    assert path.name == "config.json"
    assert locate(NAME, ["added_tokens.json"], held()) is None
    with pytest.raises(LockError, match=r"tx\.lock does not have vocab.txt .*`tx download org/name --lock tx.lock`"):
        locate(NAME, ["vocab.txt", "added_tokens.json"], held())


@pytest.mark.parametrize("content", [WEIGHTS[::-1], WEIGHTS[:-1]], ids=["changed", "cut off"])
def test_a_changed_file_of_the_cache_is_refused(commit: str, content: bytes) -> None:
    path = locate(NAME, ["model.safetensors"], held())
    assert path is not None
    change(path, content)
    with pytest.raises(IntegrityError) as error:
        locate(NAME, ["model.safetensors"], held(local_files_only=True))
    for part in ("model.safetensors", of(content).sha256, of(WEIGHTS).sha256, "tx.lock", "force_download=True"):
        assert part in str(error.value)
    # The cure that the error names.
    again = locate(NAME, ["model.safetensors"], held(force_download=True))
    assert again is not None
    assert again.read_bytes() == WEIGHTS


def test_a_hub_with_other_content_is_refused(hub: HubServer) -> None:
    commit = hub.add("org/other", {"config.json": b"{}"})
    write_lock("tx.lock", {"org/other": {"main": entry(commit, hub.url)}})
    with pytest.raises(IntegrityError, match=f"{of(b'{}').sha256}.*{of(CONFIG).sha256}"):
        locate("org/other", ["config.json"], held())
    with pytest.raises(EntryNotFoundError, match=r"model.safetensors.*does not have it"):
        locate("org/other", ["model.safetensors"], held())


def test_a_name_that_is_not_locked_says_what_to_run(commit: str, tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"does not have 'gpt2': `tx download gpt2 --lock tx\.lock` adds it"):
        locate("gpt2", ["config.json"], held())
    with pytest.raises(LockError, match="`tx download gpt2 --revision 'v 1' --lock"):
        locate("gpt2", ["config.json"], held(revision="v 1"))
    with pytest.raises(LockError, match="no addresses"):
        locate("https://example.org/model/", ["config.json"], held())
    (tmp_path / "folder").mkdir()
    with pytest.raises(LockError, match="local folder"):
        locate("folder", ["config.json"], held())


def test_a_model_of_an_installed_package_has_no_lock(
    commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tx_core.files.lock.bundled_folder", lambda *_: tmp_path)
    with pytest.raises(LockError, match="the installed tx-tiny"):
        locate("tx-tiny/gpt2", ["config.json"], held())


def test_a_revision_that_contradicts_the_lock_is_refused(commit: str, hub: HubServer) -> None:
    for revision in ("main", commit):
        assert locate(NAME, ["config.json"], held(revision=revision)) is not None
    for revision in ("v1.0", "0" * 40):
        with pytest.raises(LockError, match=f"revision='{revision}' contradicts.*main \\(commit {commit}\\)"):
            locate(NAME, ["config.json"], held(revision=revision))


def test_which_of_several_revisions_is_meant(commit: str, hub: HubServer) -> None:
    old = entry(commit, hub.url)
    write_lock("tx.lock", {NAME: {"v1": old}})
    assert locate(NAME, ["config.json"], held()) is not None
    with pytest.raises(LockError, match="revision='main' contradicts"):
        locate(NAME, ["config.json"], held(revision="main"))
    write_lock("tx.lock", {NAME: {"v1": old, "v2": entry("2" * 40)}})
    with pytest.raises(LockError, match="say which, with revision="):
        locate(NAME, ["config.json"], held())
    assert locate(NAME, ["config.json"], held(revision="v1")) is not None
    write_lock("tx.lock", {NAME: {"main": old, "v2": entry("2" * 40)}})
    assert locate(NAME, ["config.json"], held()) is not None


def test_the_endpoint_that_is_passed_wins(commit: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock("tx.lock", {NAME: {"main": entry(commit, "http://127.0.0.1:9")}})
    assert locate(NAME, ["config.json"], held(endpoint=hub.url)) is not None
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert locate(NAME, ["model.safetensors"], held()) is not None


def test_a_token_goes_to_no_host_that_only_the_lock_names(
    commit: str, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    locate(NAME, ["config.json"], held())
    assert hub.count() > 0
    assert not any("authorization" in request.headers for request in hub.requests)
    hub.forget()
    locate(NAME, ["config.json"], held(token="hf_passed", force_download=True))
    assert any(request.headers.get("authorization") == "Bearer hf_passed" for request in hub.requests)


def test_a_local_folder_of_a_locked_name_is_held_to_it_too(commit: str, tmp_path: Path) -> None:
    folder = tmp_path / "org/name"
    folder.mkdir(parents=True)
    (folder / "config.json").write_bytes(CONFIG)
    assert locate(NAME, ["config.json"], held()) == Path(NAME, "config.json")
    with pytest.raises(EntryNotFoundError, match="the folder 'org/name' lacks it"):
        locate(NAME, ["model.safetensors"], held())
    (folder / "config.json").write_bytes(CONFIG[::-1])
    for name in (NAME, "org/name/config.json"):
        with pytest.raises(IntegrityError, match="goes before the repository"):
            locate(name, ["config.json"], held())


def test_a_path_of_the_cache_is_held_to_the_lock(commit: str, hub: HubServer, tmp_path: Path) -> None:
    path = locate(NAME, ["config.json"], held())
    assert path is not None
    assert locate(path, [], held()) == path
    assert locate(path, [], pinned(held(), path, NAME)) == path
    newer = locate(NAME, ["config.json"], Source(endpoint=hub.url))
    assert newer is not None
    with pytest.raises(LockError, match=r"is not what the lock file tx\.lock has of 'org/name'"):
        locate(newer, [], held())
    change(path, CONFIG[::-1])
    with pytest.raises(IntegrityError, match="sha256"):
        locate(path, [], held())
    (tmp_path / "own.json").write_bytes(CONFIG)
    with pytest.raises(LockError, match="is a local file"):
        locate(tmp_path / "own.json", [], held())


def test_files_that_bring_others_are_not_named_by_path(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.index").write_bytes(b"")
    (tmp_path / "model.bin").write_bytes(b"")
    for name in ("model.ckpt", "model.bin"):
        refuse_file(name, Source())
        with pytest.raises(LockError, match="is a local file"):
            refuse_file(name, held())


def test_a_subfolder_is_part_of_the_names(hub: HubServer) -> None:
    commit = hub.add("org/sub", {"inner/config.json": CONFIG})
    held_files = LockedCommit(commit, {"inner/config.json": of(CONFIG)}, endpoint=hub.url)
    write_lock("tx.lock", {"org/sub": {"main": held_files}})
    assert locate("org/sub", ["config.json"], held(subfolder="inner")) is not None
    with pytest.raises(LockError, match=r"does not have config\.json"):
        locate("org/sub", ["config.json"], held())


def test_a_lock_that_changes_meanwhile_mixes_no_commits(commit: str, hub: HubServer) -> None:
    path = locate(NAME, ["config.json"], held())
    assert path is not None
    source = pinned(held(), path, NAME)
    write_lock("tx.lock", {NAME: {"main": entry("5" * 40)}})
    with pytest.raises(LockError, match="contradicts"):
        locate(NAME, ["model.safetensors"], source)
