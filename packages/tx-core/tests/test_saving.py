"""Folders whose files are replaced together, by processes that are killed at any of their calls."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tx_core.config import PretrainedConfig
from tx_core.files import FilesError, atomic_write, check_unchanged, locate, pinned, remove, saving, settle
from tx_core.files.cache import HubCache, _link
from tx_core.files.source import Source
from tx_core.models.pretrained import open_weights, save_model, weight_files
from tx_core.weights import Row, WeightTable
from tx_testing.killing import fork, kills

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes that are copies")


def fill(folder: Path) -> None:
    folder.mkdir()
    for name in ("a.txt", "b.txt", "d.txt"):
        (folder / name).write_text("old")


def read(folder: Path) -> dict[str, str]:
    settle(folder)
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


OLD = {"a.txt": "old", "b.txt": "old", "d.txt": "old"}
NEW = {"a.txt": "new", "b.txt": "new", "c.txt": "new"}


def save(folder: Path, text: str = "new") -> None:
    with saving(folder):
        for name in ("a.txt", "b.txt", "c.txt"):
            with atomic_write(folder / name) as temporary:
                temporary.write_text(text)
        remove(folder / "d.txt")


@posix
def test_killed_at_any_call(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    fill(folder)
    seen = []
    for moment in kills(lambda: save(folder)):
        found = read(folder)
        assert found in (OLD, NEW), moment
        seen.append(found)
        # The next save of one of the files leaves nothing behind that is not a file of the folder.
        with saving(folder), atomic_write(folder / "a.txt") as temporary:
            temporary.write_text("next")
        assert {path.name for path in folder.iterdir()} == set(found), moment
        shutil.rmtree(folder)
        fill(folder)
    assert seen[0] == OLD
    assert seen[-1] == NEW
    assert len(seen) > 50
    assert sorted(seen, key=lambda found: found == NEW) == seen


WEIGHTS = {
    "single": ("safetensors", None),
    "sharded": ("safetensors", 400),
    "more shards": ("safetensors", 150),
    "bin": ("bin", None),
    "h5": ("h5", None),
}
TABLE = WeightTable("toy", tuple(Row(f"toy.layer.{i}.weight") for i in range(6)))


def save_toy(folder: Path, form: str, value: int) -> None:
    """A model whose every number is its configuration's `num_labels`."""
    kind, size = WEIGHTS[form]
    arrays = {f"layer.{i}.weight": lambda: np.full((5, 5), value, np.float32) for i in range(6)}
    save_model(folder, PretrainedConfig(num_labels=value), "ToyModel", arrays, {}, TABLE, kind, size)


def load_toy(folder: Path, *kinds: str) -> int:
    path = PretrainedConfig.find(folder, Source())
    config, source = PretrainedConfig.from_pretrained(path), pinned(Source(), path, folder)
    with open_weights(folder, TABLE, source, weight_files(TABLE, *kinds)) as weights:
        found = {float(x) for name in weights.names() for x in weights.read(name).ravel()}
        assert len(weights.names()) == 6
    assert found == {config.num_labels}
    return config.num_labels


# From each form and to each, among others to itself, to another of the same files, and to other files.
REPLACED = [
    ("single", "sharded"),
    ("single", "bin"),
    ("sharded", "sharded"),
    ("sharded", "more shards"),
    ("sharded", "h5"),
    ("more shards", "single"),
    ("more shards", "sharded"),
    ("bin", "bin"),
    ("bin", "h5"),
    ("bin", "more shards"),
    ("h5", "single"),
    ("h5", "bin"),
]


@posix
@pytest.mark.parametrize(("old", "new"), REPLACED)
def test_a_model_is_replaced_as_a_whole(old: str, new: str, tmp_path: Path) -> None:
    save_toy(tmp_path / "old", old, 3)
    save_toy(tmp_path / "new", new, 4)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    if WEIGHTS[new][0] == "safetensors" != WEIGHTS[old][0]:
        names |= {path.name for path in (tmp_path / "old").iterdir()}  # never read in the place of these
    folder, seen = tmp_path / "m", []
    shutil.copytree(tmp_path / "old", folder)
    for moment in kills(lambda: save_toy(folder, new, 4), ("rename", "replace", "unlink", "remove", "fsync")):
        seen.append(load_toy(folder, "safe", "torch", "tf"))
        assert load_toy(folder, "safe", "tf", "torch") == seen[-1], moment
        save_toy(folder, new, 5)
        assert load_toy(folder, "safe", "torch", "tf") == 5
        assert {path.name for path in folder.iterdir()} == names, moment
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "old", folder)
    assert seen == sorted(seen)
    assert set(seen) == {3, 4}


@posix
def test_killed_at_random(tmp_path: Path) -> None:
    """As a training loop is that saves to the same folder at every epoch."""
    folder = tmp_path / "m"
    save_toy(folder, "sharded", 1)
    for k in range(30):
        process = fork()
        if process == 0:
            for value in range(1, 10_000):
                save_toy(folder, ("sharded", "single", "more shards")[value % 3], value)
            os._exit(0)
        time.sleep(0.01 + 0.003 * k)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        load_toy(folder, "safe")
    save_toy(folder, "single", 2)
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}


def test_a_folder_that_can_only_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cut_short(tmp_path / "m")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(FilesError, match=r"cut short.*Permission denied.*or save again"):
        locate(folder, ["a.txt"])


def cut_short(folder: Path) -> Path:
    """A folder whose save was killed after the first of two renames."""
    fill(folder)
    (folder / "a.txt").write_text("new")
    (folder / ".tx-0123456789ab.b.txt").write_text("new")
    renames = [(".tx-ba9876543210.a.txt", "a.txt"), (".tx-0123456789ab.b.txt", "b.txt")]
    (folder / ".tx-saving").write_text(json.dumps({"rename": renames, "remove": ["d.txt"]}))
    later = time.time() + 1
    os.utime(folder / ".tx-saving", (later, later))
    return folder


def test_what_is_left_is_done(tmp_path: Path) -> None:
    folder = cut_short(tmp_path / "m")
    assert locate(folder, ["d.txt", "b.txt"]) == folder / "b.txt"
    assert read(folder) == {"a.txt": "new", "b.txt": "new"}
    assert len(list(folder.iterdir())) == 2
    # A file that is written by itself comes after.
    with atomic_write(cut_short(tmp_path / "o") / "b.txt") as temporary:
        temporary.write_text("later")
    assert read(tmp_path / "o") == {"a.txt": "new", "b.txt": "later"}


def test_files_that_others_wrote_since(tmp_path: Path) -> None:
    folder = cut_short(tmp_path / "m")
    later = time.time() + 9
    os.utime(folder / "b.txt", (later, later))
    with pytest.raises(FilesError, match=r"b\.txt was written by something else.*delete \.tx-saving"):
        settle(folder)
    other = cut_short(tmp_path / "n")
    (other / "a.txt").unlink()
    with pytest.raises(FilesError, match=r"a\.txt is gone"):
        settle(other)


@pytest.mark.parametrize(
    "journal",
    [
        {"rename": [[".tx-0123456789ab.b.txt", "../b.txt"]], "remove": []},
        {"rename": [["a.txt", "b.txt"]], "remove": []},
        {"rename": [], "remove": ["../outside"]},
        {"rename": [], "remove": ["/etc/passwd"]},
        {"rename": [[".tx-0123456789ab.x/../b.txt", "b.txt"]], "remove": ["d.txt"]},
        [],
        {},
        "[" * 100_000,
    ],
    ids=str,
)
def test_hostile_journals_do_nothing(journal: object, tmp_path: Path) -> None:
    folder = tmp_path / "m"
    fill(folder)
    (tmp_path / "outside").write_text("mine")
    (folder / ".tx-saving").write_text(journal if isinstance(journal, str) else json.dumps(journal))
    assert read(folder) == OLD
    assert (tmp_path / "outside").read_text() == "mine"


@pytest.mark.parametrize("name", ["x" * 5000, "a/" * 3000, "a\0b", "a\0/b", "", ".", "no/such/folder"])
def test_names_that_can_be_no_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settle(Path(name))


def test_a_block_that_raises_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    fill(folder)

    def broken_off() -> None:
        with saving(folder):
            with atomic_write(folder / "a.txt") as temporary:
                temporary.write_text("new")
            remove(folder / "b.txt")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert {path.name: path.read_text() for path in folder.iterdir()} == OLD


def test_readers_and_writers_at_once(tmp_path: Path) -> None:
    """Readers see files of one save; two that save at once leave one of the two."""
    folder = tmp_path / "m"
    folder.mkdir()

    save(folder, "0")
    done = threading.Event()
    writers = [threading.Thread(target=lambda k=k: [save(folder, f"{k} {i}") for i in range(100)]) for k in range(2)]
    mixed, refused, whole = [], [], 0

    def look() -> None:
        nonlocal whole
        while not done.is_set():
            first = locate(folder, ["a.txt"])
            assert first is not None
            source = pinned(Source(), first, folder)
            texts = [(folder / name).read_text() for name in ("a.txt", "b.txt")]
            try:
                check_unchanged(source)
            except FilesError:
                refused.append(1)
                continue
            whole += 1
            if texts[0] != texts[1]:
                mixed.append(texts)

    reader = threading.Thread(target=look)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert not mixed
    assert whole
    assert len({(folder / name).read_text() for name in ("a.txt", "b.txt")}) == 1
    assert len(list(folder.iterdir())) == 3


def test_a_living_writer_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    folder = cut_short(tmp_path / "m")
    monkeypatch.setattr("tx_core.files.folder_saves._PATIENCE", 0.2)
    with open(folder / ".tx-saving") as marker:
        fcntl.flock(marker, fcntl.LOCK_EX)
        with pytest.raises(FilesError, match="another process has been saving"):
            locate(folder, ["a.txt"])
        timer = threading.Timer(0.1, lambda: fcntl.flock(marker, fcntl.LOCK_UN))
        timer.start()
        assert locate(folder, ["d.txt"]) is None
        timer.join()


def test_temporary_files_of_the_living_stay(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    others = (".tx-0123456789ab", ".tx-0123456789aX.a.txt", ".model.0123456789ab.safetensors", "tx-0123456789ab.a.txt")
    for name in others:
        (tmp_path / name).write_text("of someone else")
    (tmp_path / ".tx-0123456789ab.a.txt").write_text("dead")
    with atomic_write(tmp_path / "b.txt") as living:
        with saving(tmp_path):
            pass
        assert {path.name for path in tmp_path.iterdir()} == {*others, living.name}


@posix
def test_the_cache_keeps_nothing_of_the_killed(tmp_path: Path) -> None:
    cache = HubCache(tmp_path, "org/model")
    path, blob, commit = cache.snapshot("c" * 40, "config.json"), cache.blob("etag"), "c" * 40
    for folder in (path.parent, blob.parent):
        folder.mkdir(parents=True)
    blob.write_text("content")

    def store() -> None:
        _link(blob, path, new=False)
        cache.note_commit("main", commit)

    for moment in kills(store):
        store()
        assert path.read_text() == "content"
        assert cache.commit("main") == commit
        left = {file.relative_to(cache.folder).as_posix() for file in cache.folder.rglob("*") if not file.is_dir()}
        assert left == {"blobs/etag", "refs/main", f"snapshots/{commit}/config.json"}, moment
        path.unlink()
        (cache.folder / "refs" / "main").unlink()


@pytest.mark.parametrize("form", WEIGHTS)
def test_weights_of_another_save_than_the_configuration(form: str, tmp_path: Path) -> None:
    """Another process may save between the two, however quickly they follow each other."""
    save_toy(tmp_path, form, 3)
    path = PretrainedConfig.find(tmp_path, Source())
    source = pinned(Source(), path, tmp_path)
    names = weight_files(TABLE, "safe", "torch", "tf")
    with open_weights(tmp_path, TABLE, source, names) as weights:
        assert len(weights.names()) == 6
    save_toy(tmp_path, form, 4)
    with pytest.raises(FilesError, match=r"saved to while it was read.*config\.json.*load it again"):
        open_weights(tmp_path, TABLE, source, names)
