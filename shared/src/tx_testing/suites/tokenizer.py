"""Tests of an architecture's tokenizer. No framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tx_core.auto import AutoTokenizer

from .base import Suite


class TokenizerSuite(Suite):
    """What every tokenizer has to do, whatever its vocabulary is like."""

    @pytest.mark.parametrize("ending", ["", "Fast"])
    def test_what_was_saved_tells_its_class(self, ending: str, tmp_path: Path) -> None:
        """A folder of a tokenizer alone has no configuration that would tell it."""
        cls = self.spec.tokenizer()
        merges: dict[str, Any] = {"merges": []} if "merges_file" in cls.vocab_files_names else {}
        cls(vocab={"[UNK]": 0}, **merges).save_pretrained(tmp_path)
        written = tmp_path / "tokenizer_config.json"
        written.write_text(written.read_text().replace(cls.__name__, cls.__name__ + ending))
        assert cls.__name__ + ending in written.read_text()
        assert type(AutoTokenizer.from_pretrained(tmp_path)) is cls
