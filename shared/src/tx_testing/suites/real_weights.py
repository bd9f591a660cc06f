"""Architectures that can compute BERT's function do so, with real weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.architecture import find
from tx_testing import minilm

from .models import FILES, SAME, Models, write_safetensors
from .spec import Array, ModelSpec, assert_close, load


class RealWeightsSuite(Models):
    """Standard tests that are the same in both frameworks."""

    @classmethod
    def applies(cls, spec: ModelSpec) -> bool:
        return spec.from_bert is not None

    @pytest.fixture
    def models(self, tmp_path: Path) -> tuple[Any, Any]:
        """BERT, and the same function as this architecture's bare model."""
        assert self.spec.from_bert is not None
        config, arrays = self.spec.from_bert(*minilm.one_segment())
        self.spec.config_class()(**config).save_pretrained(tmp_path)
        write_safetensors(tmp_path / FILES["safetensors"], arrays)
        bert = load(getattr(find("bert"), self.backend.name)["base"])
        return bert.from_pretrained(minilm.folder()), self.cls("base").from_pretrained(tmp_path)

    def batch(self, texts: tuple[str, ...], left: bool = False) -> tuple[Array, Array]:
        """Ids as BERT has them, padded with its 0; and their mask."""
        tokenizer = load(find("bert").tokenizer).from_pretrained(minilm.folder())
        rows = [tokenizer.encode(text) for text in texts]
        length = max(map(len, rows))
        places = [slice(length - len(row), length) if left else slice(len(row)) for row in rows]
        ids, mask = np.zeros((2, len(rows), length), np.int64)
        for index, (row, place) in enumerate(zip(rows, places, strict=True)):
            ids[index, place], mask[index, place] = row, 1
        return ids, mask

    def states(self, model: Any, ids: Array, mask: Array) -> Array:
        """The last states, 0 at padding."""
        ids = np.where(mask == 1, ids, model.config.pad_token_id)
        found: Array = self.run(model, {"input_ids": ids, "attention_mask": mask})["last_hidden_state"]
        return found * mask[:, :, None]

    @pytest.mark.parametrize("left", [False, True], ids=["right-padded", "left-padded"])
    def test_sentences_are_as_similar_as_published(self, models: tuple[Any, Any], left: bool) -> None:
        bert, twin = models
        ids, mask = self.batch(minilm.SENTENCES, left)
        found = self.states(twin, ids, mask)
        assert_close(found, self.states(bert, ids, mask), SAME, "last_hidden_state")
        assert minilm.similarities(found, mask) == minilm.SIMILARITIES

    def test_the_longest_text(self, models: tuple[Any, Any]) -> None:
        bert, twin = models
        ids, _ = self.batch((" ".join(minilm.SENTENCES * 30),))
        ids = ids[:, : bert.config.max_position_embeddings]
        assert ids.shape == (1, twin.config.longest_sequence)
        mask = np.ones_like(ids)
        assert_close(self.states(twin, ids, mask), self.states(bert, ids, mask), SAME, "last_hidden_state")
