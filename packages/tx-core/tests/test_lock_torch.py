"""`from_pretrained(…, lock=…)` of PyTorch models, and the parts of it that need no framework but an architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tx_bert import BertConfig, BertModel, BertTokenizer
from tx_core import AutoConfig, AutoModel, AutoTokenizer
from tx_core.files import IntegrityError, LockError
from tx_testing.suites.locked import NAME, LockedModels


class TestLockedModels(LockedModels):
    model, auto = BertModel, AutoModel

    def test_configurations_and_tokenizers_are_what_is_locked(self) -> None:
        for config in (BertConfig, AutoConfig):
            assert config.from_pretrained(NAME, lock="tx.lock").model_type == "bert"
        for tokenizer in (BertTokenizer, AutoTokenizer):
            assert len(tokenizer.from_pretrained(NAME, lock="tx.lock")) > 0
            with pytest.raises(LockError, match="a local f"):
                tokenizer.from_pretrained(self._vocabulary(), lock="tx.lock")

    def test_a_changed_vocabulary_is_not_loaded(self) -> None:
        BertTokenizer.from_pretrained(NAME, lock="tx.lock")
        path = self._vocabulary().resolve()
        path.write_bytes(path.read_bytes()[::-1])
        for tokenizer in (BertTokenizer, AutoTokenizer):
            with pytest.raises(IntegrityError, match=r"vocab\.txt of"):
                tokenizer.from_pretrained(NAME, lock="tx.lock")

    def _vocabulary(self) -> Path:
        (path,) = Path("hf/hub").glob("*/snapshots/*/vocab.txt")
        return path
