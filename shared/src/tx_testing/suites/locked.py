"""Models and tokenizers that are held to a lock file, in either framework (test_lock_torch.py, test_lock_tf.py)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tx_tiny
from tx_core.checkpoints import open_checkpoint, write_safetensors
from tx_core.files import IntegrityError, LockError
from tx_core.files.lock import LockedCommit, LockedFile, write_lock
from tx_testing.server import HubServer, download_environment

NAME = "org/bert"
ABSENT = frozenset({"added_tokens.json", "tokenizer.json"})


class LockedModels:
    """What holds of a framework's `model` and Auto class `auto`."""

    model: Any
    auto: Any

    @pytest.fixture(autouse=True)
    def _environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """A hub with tx-tiny's BERT in two shards, locked in tx.lock; its branch has moved since."""
        wanted = download_environment(tmp_path)
        for name in set(os.environ) - set(wanted):
            monkeypatch.delenv(name)
        for name in ("HOME", "HF_HOME"):
            monkeypatch.setenv(name, wanted[name])
        monkeypatch.chdir(tmp_path)
        folder = tx_tiny.MODELS / "bert"
        names = ("config.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
        files = {name: (folder / name).read_bytes() for name in names}
        with open_checkpoint(folder / "model.safetensors") as checkpoint:
            arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
        write_safetensors(tmp_path / "model.safetensors", arrays, {"format": "pt"}, max_shard_size=1 << 20)
        weights = sorted(path.name for path in tmp_path.glob("model*"))
        assert len(weights) > 2
        files |= {name: (tmp_path / name).read_bytes() for name in weights}
        with HubServer() as self.hub:
            self.lfs = [name for name in weights if name.endswith(".safetensors")]
            commit = self.hub.add(NAME, files, lfs=self.lfs)
            self.hub.add(NAME, {"config.json": b"{}"})
            held = {name: LockedFile.of(tmp_path / name) for name in weights}
            held |= {name: LockedFile.of(folder / name) for name in names}
            self.locked = LockedCommit(commit, held, ABSENT, self.hub.url)
            write_lock("tx.lock", {NAME: {"main": self.locked}})
            yield

    def test_models_are_what_is_locked(self) -> None:
        own = self.model.from_pretrained(NAME, lock="tx.lock")
        auto = self.auto.from_pretrained(NAME, lock=Path("tx.lock"))
        assert own.config.vocab_size == auto.config.vocab_size > 0
        self.hub.forget()
        assert type(self.auto.from_pretrained(NAME, lock="tx.lock", local_files_only=True)) is type(auto)
        assert self.hub.count() == 0

    def test_a_changed_shard_is_not_loaded(self, tmp_path: Path) -> None:
        self.model.from_pretrained(NAME, lock="tx.lock")
        (shard,) = tmp_path.glob(f"hf/hub/**/snapshots/*/{self.lfs[-1]}")
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.resolve().write_bytes(content)
        for cls in (self.model, self.auto):
            with pytest.raises(IntegrityError, match=f"{self.lfs[-1]} of '{NAME}'.*sha256"):
                cls.from_pretrained(NAME, lock="tx.lock")

    def test_a_shard_that_is_not_locked_is_not_loaded(self) -> None:
        files = {name: each for name, each in self.locked.files.items() if name != self.lfs[-1]}
        write_lock("tx.lock", {NAME: {"main": LockedCommit(self.locked.commit, files, ABSENT, self.hub.url)}})
        with pytest.raises(LockError, match=f"does not have {self.lfs[-1]}.*`tx download"):
            self.model.from_pretrained(NAME, lock="tx.lock")

    def test_what_the_lock_does_not_have_is_not_loaded(self, tmp_path: Path) -> None:
        for cls in (self.model, self.auto):
            with pytest.raises(LockError, match=r"`tx download org/other --lock tx\.lock` adds it"):
                cls.from_pretrained("org/other", lock="tx.lock")
            with pytest.raises(LockError, match="contradicts"):
                cls.from_pretrained(NAME, lock="tx.lock", revision="v1.0")
            with pytest.raises(LockError, match="local folder"):
                cls.from_pretrained(tx_tiny.MODELS / "bert", lock="tx.lock")
            with pytest.raises(LockError, match="there is no lock file"):
                cls.from_pretrained(NAME, lock="other.lock")
