"""Tests of an architecture's tokenizer. No framework."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tx_core.auto import AutoTokenizer
from tx_testing import spiece
from tx_testing.texts import MULTILINGUAL

from .base import Suite


def small(cls: Any, folder: Path, **options: Any) -> Any:
    """A tokenizer with hardly any vocabulary, which may need a file for it."""
    if cls.vocab_files_names["vocab_file"] == "spiece.model":
        path = folder / "small.model"
        path.write_bytes(spiece.model([("[UNK]", 0.0, spiece.UNKNOWN)]))
        return cls(path, **options)
    merges: dict[str, Any] = {"merges": []} if "merges_file" in cls.vocab_files_names else {}
    return cls(vocab={"[UNK]": 0}, **merges, **options)


class TokenizerSuite(Suite):
    """What every tokenizer has to do, whatever its vocabulary is like."""

    @pytest.mark.parametrize("ending", ["", "Fast"])
    def test_what_was_saved_tells_its_class(self, ending: str, tmp_path: Path) -> None:
        """A folder of a tokenizer alone has no configuration that would tell it."""
        cls = self.spec.tokenizer()
        small(cls, tmp_path).save_pretrained(tmp_path)
        written = tmp_path / "tokenizer_config.json"
        written.write_text(written.read_text().replace(cls.__name__, cls.__name__ + ending))
        assert cls.__name__ + ending in written.read_text()
        assert type(AutoTokenizer.from_pretrained(tmp_path)) is cls

    def test_every_text_has_places(self, tmp_path: Path) -> None:
        """They lie in the text, tokens in order have words in order, and asking for them changes no ids."""
        tokenizer = small(self.spec.tokenizer(), tmp_path, unk_token="[UNK]")
        tokenizer.add_tokens(["ok", "Low"])
        for text in [*MULTILINGUAL, "\ud83d\ude00 a", "a\ud83d b", "Low low ok!", ""]:
            encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            assert encoding["input_ids"] == tokenizer.encode(text, add_special_tokens=False), text
            assert all(0 <= start <= end <= len(text) for start, end in encoding["offset_mapping"]), text
            words = encoding.word_ids()
            assert words == sorted(words), text
            assert len(words) == len(encoding["input_ids"]), text
            assert len(words) == len(tokenizer.tokenize(text)), text
