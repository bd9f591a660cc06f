"""The configurations of the authors' programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tx_testing.data import data_path
from tx_transfo_xl import TransfoXLConfig
from tx_transfo_xl.original import flags

SIZES = {"vocab_size": 30, "n_layer": 2, "d_model": 32, "d_embed": 32, "n_head": 4, "d_head": 8, "d_inner": 64}
AUTHORS = {**SIZES, "mem_len": 10, "proj_same_dim": False}


@pytest.mark.parametrize("div_val", [1, 2])
def test_flags_in_a_file(div_val: int, tmp_path: Path) -> None:
    folder = data_path(f"checkpoints/transfo-xl-tf1/div_{div_val}")
    config = TransfoXLConfig.from_pretrained(folder)
    wanted = {
        **SIZES,
        "div_val": div_val,
        "mem_len": 10,
        "tgt_len": 10,
        "clamp_len": 1000,
        "same_length": False,
        "dropout": 0.05,
        "dropatt": 0.05,
        "layer_norm_epsilon": 1e-12,
        "untie_r": div_val == 1,
        "cutoffs": [10] if div_val == 2 else [],
        "tie_projs": [False, True] if div_val == 2 else [True],
        "tie_word_embeddings": True,
        "learning_rate": 0.0025,  # kept
    }
    assert {name: getattr(config, name) for name in wanted} == wanted
    config.validate_relations()
    config.save_pretrained(tmp_path)
    assert TransfoXLConfig.from_pretrained(tmp_path) == config


def test_flags_that_are_not_given() -> None:
    config = TransfoXLConfig.from_dict(AUTHORS)
    found = {name: getattr(config, name) for name in ("clamp_len", "cutoffs", "div_val", "same_length", "untie_r")}
    assert found == {"clamp_len": -1, "cutoffs": [], "div_val": 1, "same_length": False, "untie_r": False}
    published = TransfoXLConfig.from_dict(SIZES)
    assert (published.div_val, published.layer_norm_epsilon, published.untie_r) == (4, 1e-5, True)


@pytest.mark.parametrize("cutoffs", [[0, 10, 20, 30], [10, 20], [0, 10, 20], [10, 20, 30], [10, 20, -1]])
@pytest.mark.parametrize(
    ("share_proj", "wanted"),
    [
        (True, [True, True, True]),
        (False, [False, False, False]),
        ([False, True, False], [False, True, False]),
        (None, [False, True, True]),
    ],
)
def test_clusters(cutoffs: list[int], share_proj: object, wanted: list[bool]) -> None:
    given = {} if share_proj is None else {"share_proj": share_proj}
    config = TransfoXLConfig.from_dict({**AUTHORS, **given, "cutoffs": cutoffs, "div_val": 2})
    assert (config.cutoffs, config.tied_projections) == ([10, 20], wanted)
    config.validate_relations()


def test_flags_of_tests_and_of_the_training() -> None:
    assert TransfoXLConfig.from_dict({**AUTHORS, "test_mem_len": 7, "test_clamp_len": 5}).mem_len == 7
    config = TransfoXLConfig.from_dict({**AUTHORS, "clamp_len": 6, "same_length": True, "untie_r": True})
    assert (config.mem_len, config.clamp_len, config.same_length, config.untie_r) == (10, 6, True, True)
    assert "mem_len" not in flags({"share_proj": True})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share_proj": "yes"}, "share_proj is 'yes', expected true, false or a list"),
        ({"share_proj": [1, 0]}, r"share_proj is \[1, 0\]"),
        ({"cutoffs": 10}, "cutoffs is 10"),
        ({"cutoffs": ["a"]}, r"cutoffs is \['a'\]"),
        ({"test_mem_len": "many"}, "mem_len is 'many'"),
    ],
)
def test_impossible_flags(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransfoXLConfig.from_dict({**AUTHORS, "cutoffs": [10], **wrong})
