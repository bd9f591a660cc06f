"""The cache of tx_core.files is the cache of the hub's own library: each finds what the other downloaded."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tx_core.files import Source, locate
from tx_testing.server import Fault, HubServer, download_environment

WEIGHTS = bytes(range(256)) * 2000
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "sub/vocab.txt": b"[PAD]\n",
    "model.safetensors": WEIGHTS,
    "empty": b"",
}

pytestmark = pytest.mark.skipif(
    "TX_REFERENCE_PYTHON" not in os.environ, reason="TX_REFERENCE_PYTHON names no Python with huggingface_hub"
)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        wanted = download_environment(tmp_path, HF_ENDPOINT=server.url)
        for name in set(os.environ) - set(wanted) - {"TX_REFERENCE_PYTHON"}:
            monkeypatch.delenv(name)
        for name in ("HOME", "HF_HOME", "HF_ENDPOINT"):
            monkeypatch.setenv(name, wanted[name])
        server.add("org/name", FILES, lfs=["model.safetensors"])
        yield server


def reference(code: str, **variables: str) -> Any:
    """What `code` assigns to `result` in the reference Python with huggingface_hub imported."""
    script = f"import json, huggingface_hub as hub\n{code}\nprint(json.dumps(result))"
    run = subprocess.run(
        [os.environ["TX_REFERENCE_PYTHON"], "-c", script],
        env=dict(os.environ) | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def tree(folder: Path) -> dict[str, str | bytes]:
    """Every file below `folder`: its content, or where it links to."""
    paths = [p for p in sorted(folder.rglob("*")) if p.is_symlink() or p.is_file()]
    return {str(p.relative_to(folder)): os.readlink(p) if p.is_symlink() else p.read_bytes() for p in paths}


_DOWNLOAD = f"""
result = [hub.hf_hub_download("org/name", name, revision="v1") for name in {list(FILES)!r}]
try:
    hub.hf_hub_download("org/name", "absent.json", revision="v1")
except hub.errors.EntryNotFoundError:
    pass
"""


def test_both_write_the_same_cache(hub: HubServer, tmp_path: Path) -> None:
    """File for file, link for link."""
    hub.add("org/name", FILES, lfs=["model.safetensors"], revision="v1")
    reference(_DOWNLOAD, HF_HUB_CACHE=str(tmp_path / "theirs"))
    for name in FILES:
        assert locate("org/name", [name], Source(revision="v1", cache_dir=str(tmp_path / "ours"))) is not None
    assert locate("org/name", ["absent.json"], Source(revision="v1", cache_dir=str(tmp_path / "ours"))) is None
    ours, theirs = tree(tmp_path / "ours" / "models--org--name"), tree(tmp_path / "theirs" / "models--org--name")
    assert ours == theirs
    assert len(ours) == 2 * len(FILES) + 2  # blobs, links, one ref, one file known to be absent
    locks = {p.name for p in (tmp_path / "theirs" / ".locks" / "models--org--name").iterdir()}
    if locks:  # some versions of filelock remove theirs
        assert locks == {p.name for p in (tmp_path / "ours" / ".locks" / "models--org--name").iterdir()}


def test_what_the_reference_downloaded_is_found(hub: HubServer) -> None:
    commit = hub.add("org/name", FILES, lfs=["model.safetensors"], revision="v1")
    paths = reference(_DOWNLOAD)
    hub.forget()
    for source in (Source(revision="v1", local_files_only=True), Source(revision=commit)):
        assert [str(locate("org/name", [name], source)) for name in FILES] == paths
        assert locate("org/name", ["absent.json", "config.json"], source) == Path(paths[0])
        assert locate("org/name", ["absent.json"], source) is None
    assert hub.requests == []
    assert str(locate("org/name", ["model.safetensors"], Source(revision="v1"))) == paths[2]
    assert hub.count("GET") == 0


def test_what_tx_downloaded_is_found_by_the_reference(hub: HubServer) -> None:
    paths = [str(locate("org/name", [name])) for name in FILES]
    locate("org/name", ["absent.json"])
    hub.forget()
    found = reference(
        f"""
result = [hub.hf_hub_download("org/name", name) for name in {list(FILES)!r}]
result.append(hub.try_to_load_from_cache("org/name", "absent.json") is hub._CACHED_NO_EXIST)
""",
        HF_HUB_OFFLINE="1",
    )
    assert found == [*paths, True]
    assert hub.requests == []
    assert reference('result = hub.hf_hub_download("org/name", "model.safetensors")') == paths[2]
    assert hub.count("GET") == 0


def test_the_reference_sees_a_sound_cache(hub: HubServer) -> None:
    for name in FILES:
        locate("org/name", [name])
    found = reference(
        "scan = hub.scan_cache_dir()\nresult = [[r.repo_id, r.nb_files] for r in scan.repos], len(scan.warnings)"
    )
    assert found == [[["org/name", len(FILES)]], 0]


def test_a_download_that_one_began_is_finished_by_the_other(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from tx_core.files import UnavailableError, transfer

    monkeypatch.setattr(transfer, "FIRST_WAIT", 0.01)
    hub.inject(
        Fault(method="GET", host="cdn", break_after=300_000), Fault(method="GET", host="cdn", times=4, break_after=0)
    )
    with pytest.raises(UnavailableError):
        locate("org/name", ["model.safetensors"])
    hub.forget()
    path = reference('result = hub.hf_hub_download("org/name", "model.safetensors")')
    assert Path(path).read_bytes() == WEIGHTS
    (request,) = [r for r in hub.requests if r.method == "GET"]
    assert request.headers["range"].startswith("bytes=")
    assert str(locate("org/name", ["model.safetensors"], Source(local_files_only=True))) == path
