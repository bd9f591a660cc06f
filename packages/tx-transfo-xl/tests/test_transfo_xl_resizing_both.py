"""Vocabularies of other sizes, in both frameworks: the words of the last cluster come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from tx_transfo_xl import AdaptiveEmbedding, TFTransfoXLLMHeadModel, TransfoXLConfig, TransfoXLLMHeadModel

SIZES: dict[str, Any] = {"vocab_size": 60, "cutoffs": [20, 40], "d_model": 32, "d_embed": 16, "n_layer": 2, "n_head": 4}
SIZES |= {"d_head": 10, "d_inner": 48, "div_val": 2, "mem_len": 9, "init_std": 0.3, "proj_init_std": 0.3}
KINDS: dict[str, dict[str, Any]] = {
    "clusters": {},
    "one_table": {"div_val": 1},
    "one_softmax": {"cutoffs": []},
    "untied": {"tie_word_embeddings": False},
}
WORDS = np.arange(40).reshape(2, 20)


def pair(folder: Path, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model = TransfoXLLMHeadModel(TransfoXLConfig(**{**SIZES, **changes})).eval()
    model.save_pretrained(folder)
    return model, TFTransfoXLLMHeadModel.from_pretrained(folder)


def scores(model: Any, words: Any = WORDS) -> Any:
    with torch.no_grad():
        return np.asarray(model(torch.from_numpy(words) if isinstance(model, torch.nn.Module) else words)[0])


@pytest.mark.parametrize("size", [67, 53])
@pytest.mark.parametrize("kind", KINDS)
def test_resize(kind: str, size: int, tmp_path: Path) -> None:
    found = []
    for i, model in enumerate(pair(tmp_path, **KINDS[kind])):
        before, words = scores(model), model.get_input_embeddings()
        assert model.resize_token_embeddings() is words
        assert model.resize_token_embeddings(60) is words
        assert model.resize_token_embeddings(size) is model.get_input_embeddings()
        assert model.config.vocab_size == size
        after = scores(model)
        assert after.shape == (2, 20, size)
        # What remains keeps its place among the others, though there are more or fewer.
        last = (0, *KINDS[kind].get("cutoffs", SIZES["cutoffs"]))[-1]
        np.testing.assert_allclose(after[..., :last], before[..., :last], rtol=0, atol=2e-5)
        both = slice(last, min(size, 60))
        moved = after[..., both] - before[..., both]
        np.testing.assert_allclose(moved, np.broadcast_to(moved[..., :1], moved.shape), rtol=0, atol=2e-5)
        np.testing.assert_allclose(np.exp(after).sum(-1), 1, rtol=0, atol=1e-5)
        ends = np.full((2, 3), size - 1)
        found += [after, scores(model, ends)]
        model.save_pretrained(tmp_path / f"{i}")
        again, report = type(model).from_pretrained(tmp_path / f"{i}", output_loading_info=True)
        assert not any(report.values())
        np.testing.assert_allclose(scores(again, ends), found[-1], rtol=0, atol=1e-6)
    for one, two in zip(found[:2], found[2:], strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-5 * abs(one).max())


def test_sizes_that_are_refused(tmp_path: Path) -> None:
    for model in pair(tmp_path):
        with pytest.raises(ValueError, match="its last cluster begins at 40"):
            model.resize_token_embeddings(40)
        with pytest.raises(ValueError, match="at least 1"):
            model.resize_token_embeddings(0)
        assert scores(model).shape == (2, 20, 60)


def test_resized_softmax_stays_tied() -> None:
    model = TransfoXLLMHeadModel(TransfoXLConfig(**SIZES))
    model.resize_token_embeddings(70)
    for layer, table in zip(model.crit.out_layers, model.transformer.word_emb.emb_layers, strict=True):
        assert layer.weight is table.weight  # type: ignore[union-attr]


def test_other_embeddings() -> None:
    """Of the same clusters; the softmax follows."""
    model = TransfoXLLMHeadModel(TransfoXLConfig(**SIZES)).eval()
    before, other = scores(model), AdaptiveEmbedding(60, 16, 32, [20, 40], 2)
    model.set_input_embeddings(other)
    assert model.get_input_embeddings() is other
    assert model.crit.out_layers[2].weight is other.emb_layers[2].weight  # type: ignore[union-attr]
    assert np.abs(scores(model) - before).max() > 1e-2


def test_embeddings_without_clusters() -> None:
    """They can be set, as in 2019; the softmax keeps its own vectors, and calls are refused."""
    model = TransfoXLLMHeadModel(TransfoXLConfig(**SIZES)).eval()
    model.set_input_embeddings(torch.nn.Embedding(10, 10))
    with pytest.raises(ValueError, match=r"width 10, .* 32"):
        scores(model, WORDS % 10)


def test_embeddings_without_clusters_in_keras() -> None:
    """They can be set where the softmax has its own vectors. A tied one would have lost them: nothing changes."""
    tied = TFTransfoXLLMHeadModel(TransfoXLConfig(**SIZES))
    before = scores(tied)
    with pytest.raises(TypeError, match=r"tied to the clusters .* tie_word_embeddings=False"):
        tied.set_input_embeddings(keras.layers.Embedding(60, 32))
    np.testing.assert_array_equal(scores(tied), before)
    own = TFTransfoXLLMHeadModel(TransfoXLConfig(**SIZES, tie_word_embeddings=False, tie_projs=[False] * 3))
    before, parameters = scores(own), len(own.crit.trainable_variables)
    own.set_input_embeddings(keras.layers.Embedding(60, 32))
    assert np.abs(scores(own) - before).max() > 1e-3
    assert len(own.crit.trainable_variables) == parameters


def test_parameters_beside_the_tables() -> None:
    model = TransfoXLLMHeadModel(TransfoXLConfig(**SIZES))
    tables = 20 * 16 + 20 * 8 + 20 * 4
    assert model.num_parameters(exclude_embeddings=True) == model.num_parameters() - tables
