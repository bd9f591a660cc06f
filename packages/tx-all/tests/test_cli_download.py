"""`tx download` from a hub on this machine: what is fetched, what is locked, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tx_all.cli import main
from tx_bert import BertConfig, BertTokenizer
from tx_core.checkpoints import write_safetensors
from tx_core.files.lock import read_lock
from tx_testing.server import HubServer, download_environment
from tx_transfo_xl import TransfoXLTokenizer

NAME = "org/bert"
ABSENT = ["added_tokens.json", "special_tokens_map.json", "tokenizer.json"]


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = download_environment(tmp_path)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name in ("HOME", "HF_HOME"):
        monkeypatch.setenv(name, wanted[name])
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """A repository with weights in two formats."""
    BertConfig(vocab_size=6).save_pretrained(tmp_path / "made")
    write_safetensors(tmp_path / "made/model.safetensors", {"bert.pooler.dense.bias": np.arange(64, dtype=np.float32)})
    found = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    return found | {
        "vocab.txt": b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n",
        "tokenizer_config.json": b'{"do_lower_case": false}',
        "pytorch_model.bin": b"the same in another format",
        "README.md": b"not read by from_pretrained",
    }


def of(content: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def add(hub: HubServer, files: Mapping[str, bytes], name: str = NAME, revision: str = "main") -> str:
    return hub.add(
        name, files, revision, lfs=[file for file in files if file.endswith((".safetensors", ".bin", ".h5"))]
    )


def snapshot(tmp_path: Path, commit: str, name: str = NAME) -> Path:
    return tmp_path / "hf/hub" / f"models--{name.replace('/', '--')}" / "snapshots" / commit


def test_what_a_model_is_read_of_is_fetched(
    hub: HubServer, files: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = add(hub, files)
    assert main(["download", NAME]) == 0
    said = capsys.readouterr().out
    folder = snapshot(tmp_path, commit)
    fetched = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert fetched == {name: files[name] for name in sorted(files) if name not in ("README.md", "pytorch_model.bin")}
    assert said.startswith(f"{NAME} (main) is commit {commit}\n")
    assert f"  vocab.txt                {len(files['vocab.txt'])} B\n" in said
    assert f"  without {', '.join(ABSENT)}\n" in said
    assert said.endswith(f"in {folder}\n")


def test_what_is_fetched_is_locked_and_loads_offline(
    hub: HubServer, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = add(hub, files)
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    locked = ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt")
    assert json.loads(Path("tx.lock").read_bytes()) == {
        "version": 1,
        "models": {
            NAME: {
                "main": {
                    "absent": ABSENT,
                    "commit": commit,
                    "endpoint": hub.url,
                    "files": {name: of(files[name]) for name in locked},
                }
            }
        },
    }
    monkeypatch.setenv("TX_OFFLINE", "1")
    assert BertConfig.from_pretrained(NAME, lock="tx.lock").vocab_size == 6
    assert BertTokenizer.from_pretrained(NAME, lock="tx.lock").tokenize("a A") == ["a", "[UNK]"]


def test_the_same_again_changes_nothing_and_fetches_nothing(hub: HubServer, files: dict[str, bytes]) -> None:
    add(hub, files)
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    before, changed = Path("tx.lock").read_bytes(), os.stat("tx.lock").st_mtime_ns
    hub.forget()
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    assert (Path("tx.lock").read_bytes(), os.stat("tx.lock").st_mtime_ns) == (before, changed)
    assert hub.count("GET") == 0


def test_a_branch_that_moved_is_locked_anew_and_others_stay(hub: HubServer, files: dict[str, bytes]) -> None:
    add(hub, files, "org/other")
    old = add(hub, files, revision="v1")
    for arguments in (["org/other"], [NAME, "--revision", "v1"], [NAME, "--revision", old]):
        assert main(["download", *arguments, "--lock", "tx.lock"]) == 0
    before = read_lock("tx.lock")
    assert sorted(before[NAME]) == sorted(["v1", old])
    new = add(hub, files | {"vocab.txt": b"[UNK]\n"}, revision="v1")
    assert main(["download", NAME, "--revision", "v1", "--lock", "tx.lock"]) == 0
    after = read_lock("tx.lock")
    assert after[NAME]["v1"].commit == new
    assert after[NAME]["v1"].files["vocab.txt"].size == 6
    assert (after["org/other"], after[NAME][old]) == (before["org/other"], before[NAME][old])


def test_another_format_is_added_to_the_lock(hub: HubServer, files: dict[str, bytes]) -> None:
    add(hub, files)
    for form in ("bin", "safetensors"):
        assert main(["download", NAME, "--format", form, "--lock", "tx.lock"]) == 0
    assert {"model.safetensors", "pytorch_model.bin"} <= {*read_lock("tx.lock")[NAME]["main"].files}


def test_all_shards_are_fetched_and_locked(hub: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    arrays = {f"bert.{i}": np.full(100, i, np.float32) for i in range(3)}
    (tmp_path / "shards").mkdir()
    write_safetensors(tmp_path / "shards/model.safetensors", arrays, max_shard_size=500)
    shards = {path.name: path.read_bytes() for path in (tmp_path / "shards").iterdir()}
    del files["model.safetensors"]
    add(hub, files | shards)
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    entry = read_lock("tx.lock")[NAME]["main"]
    assert len(shards) == 4
    assert {*shards} <= {*entry.files}
    assert "model.safetensors" in entry.absent


def test_chosen_files_alone(hub: HubServer, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    add(hub, files | {"onnx/model.onnx": b"onnx"})
    assert main(["download", NAME, "--files", "README.md", "onnx/model.onnx", "--lock", "tx.lock"]) == 0
    assert sorted(read_lock("tx.lock")[NAME]["main"].files) == ["README.md", "onnx/model.onnx"]
    capsys.readouterr()
    assert main(["download", NAME, "--files", "LICENSE", "--lock", "tx.lock"]) == 1
    assert "has no file 'LICENSE'" in capsys.readouterr().err
    assert main(["download", NAME, "--files", "../../up"]) == 1
    assert "is refused" in capsys.readouterr().err


def test_another_cache_folder(hub: HubServer, files: dict[str, bytes], tmp_path: Path) -> None:
    commit = add(hub, files)
    for folder in ("cache", "."):
        assert main(["download", NAME, "--cache-dir", folder, "--lock", "tx.lock"]) == 0
        assert (tmp_path / folder / f"models--org--bert/snapshots/{commit}/vocab.txt").is_file()
    assert not (tmp_path / "hf").exists()


def test_a_damaged_file_of_the_cache_is_fetched_again(
    hub: HubServer, files: dict[str, bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    commit = add(hub, files)
    assert main(["download", NAME]) == 0
    for name in ("model.safetensors", "vocab.txt"):
        path = snapshot(tmp_path, commit) / name
        path.resolve().write_bytes(files[name][::-1])
        assert main(["download", NAME, "--lock", "tx.lock"]) == 0
        assert path.read_bytes() == files[name]
        assert f"{name} in the cache is damaged" in caplog.text
    assert read_lock("tx.lock")[NAME]["main"].files["vocab.txt"].sha256 == of(files["vocab.txt"])["sha256"]


def test_every_name_of_a_vocabulary_is_asked_for(hub: HubServer, files: dict[str, bytes]) -> None:
    assert {"vocab.txt", "vocab.json", "vocab.bin", "vocab.pkl"} <= {*TransfoXLTokenizer.file_names()}
    # A tokenizer of another architecture than the model's.
    config = b'{"tokenizer_class": "GPT2TokenizerFast"}'
    add(hub, files | {"tokenizer_config.json": config, "vocab.json": b"{}", "merges.txt": b""})
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    assert {"vocab.txt", "vocab.json", "merges.txt"} <= {*read_lock("tx.lock")[NAME]["main"].files}


def test_a_configuration_of_2019_is_told_by_the_name(hub: HubServer, files: dict[str, bytes]) -> None:
    values = json.loads(files["config.json"])
    del values["model_type"]
    add(hub, files | {"config.json": json.dumps(values).encode()})
    assert main(["download", NAME, "--lock", "tx.lock"]) == 0
    assert "vocab.txt" in read_lock("tx.lock")[NAME]["main"].files


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("https://example.org/model", "is an address"),
        ("../up", "valid repository name"),
        ("made", "a local file or folder 'made'"),
        ("org/none", "no repository has this name"),
        ("org/weightless", "has no weights: none of model.safetensors"),
        ("org/foreign", "tx has no architecture 't5'"),
        ("org/bare", "has no config.json"),
        ("org/unnamed", "the architecture is unknown"),
    ],
)
def test_what_is_refused(
    name: str, said: str, hub: HubServer, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    add(hub, {"config.json": files["config.json"]}, "org/weightless")
    add(hub, {"config.json": b'{"model_type": "t5"}'}, "org/foreign")
    add(hub, {"vocab.txt": b"a"}, "org/bare")
    add(hub, {"config.json": b"{}"}, "org/unnamed")
    assert main(["download", name, "--lock", "tx.lock"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tx: error: ")
    assert error.count("\n") == 1
    assert said in error
    assert not Path("tx.lock").exists()


def test_a_revision_that_is_none_is_refused(
    hub: HubServer, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    add(hub, files)
    for revision, said in (("v9", "no such branch, tag or commit"), ("a b", "is no branch, tag or commit hash")):
        assert main(["download", NAME, "--revision", revision]) == 1
        assert said in capsys.readouterr().err


def test_no_request_is_sent_where_they_are_forbidden(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")
    assert main(["download", NAME]) == 1
    assert "TX_OFFLINE=1 forbids" in capsys.readouterr().err
    assert hub.count() == 0


def test_what_is_no_lock_file_is_said_before_anything_is_fetched(
    hub: HubServer, files: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    add(hub, files)
    Path("tx.lock").write_text("{}")
    assert main(["download", NAME, "--lock", "tx.lock"]) == 1
    assert "tx.lock: the version None" in capsys.readouterr().err
    assert (hub.count(), Path("tx.lock").read_text()) == (0, "{}")
    assert main(["download", NAME, "--lock", "no/such/folder/tx.lock"]) == 1
    assert "its folder does not exist" in capsys.readouterr().err
