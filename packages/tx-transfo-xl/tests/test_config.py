"""What a Transformer-XL's configuration refuses, and by which names it is read."""

from __future__ import annotations

from typing import Any

import pytest

from tx_transfo_xl import TransfoXLConfig


@pytest.mark.parametrize("wrong, said", [
    ({"attn_type": 2}, "only 0 is supported"),
    ({"sample_softmax": 10}, "a softmax over a sample of the words is not supported"),
    ({"mem_len": -1}, "mem_len"),
    ({"dropatt": 1.5}, "dropatt"),
    ({"init": "xavier"}, "init"),
], ids=lambda x: next(iter(x)) if isinstance(x, dict) else None)  # fmt: skip
def test_impossible_values(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TransfoXLConfig(**wrong)


@pytest.mark.parametrize("wrong, said", [
    ({"d_model": 37}, "d_model is 37, but must be even"),
    ({"cutoffs": [20000, 20000]}, "in rising order"),
    ({"vocab_size": 100}, "in rising order"),
    ({"d_embed": 63}, "no number left of d_embed, 63"),
    ({"tie_projs": [True]}, "expected 4 values"),
    ({"pruned_heads": {0: [1]}}, "cannot be removed"),
], ids=lambda x: next(iter(x)) if isinstance(x, dict) else None)  # fmt: skip
def test_values_that_make_no_model(wrong: dict[str, Any], said: str) -> None:
    config = TransfoXLConfig(**wrong)
    with pytest.raises(ValueError, match=said):
        config.validate_relations()


def test_names() -> None:
    config = TransfoXLConfig(n_token=300, cutoffs=[10], tie_weight=False, n_layer=2)
    assert (config.vocab_size, config.tie_word_embeddings, config.num_hidden_layers) == (300, False, 2)
    assert config.tied_projections == [False, True]
    lengths = TransfoXLConfig(tgt_len=5, ext_len=3, mem_len=20)
    assert (lengths.max_position_embeddings, lengths.longest_sequence) == (28, None)
    assert "max_position_embeddings" not in lengths.to_dict()
    assert TransfoXLConfig(cutoffs=[10], proj_share_all_but_first=False).tied_projections == [False, False]
