"""The configuration that XLM's own checkpoints hold, and files that are none of XLM's language models."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tx_core.auto import AutoConfig
from tx_core.checkpoints import CheckpointError, open_checkpoint, write_torch_bin
from tx_core.weights import Weights
from tx_testing.originals import XLM_PARAMS, XLM_WORDS, write_training, write_xlm, xlm, xlm_notes
from tx_xlm import XLMConfig
from tx_xlm.original import dictionary
from tx_xlm.weights import WEIGHTS

NAME = "mlm_ende_1024.pth"


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_the_params_and_the_arrays_make_the_configuration(wrapper: str, tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME, wrapper)
    wanted = XLMConfig(
        len(XLM_WORDS),
        emb_dim=8,
        n_layers=2,
        n_heads=2,
        dropout=0.2,
        attention_dropout=0.3,
        n_langs=2,
        max_position_embeddings=16,
        embed_init_std=8**-0.5,
        id2lang={0: "de", 1: "en"},
        lang2id={"de": 0, "en": 1},
    )
    assert XLMConfig.from_pretrained(tmp_path) == wanted
    assert XLMConfig.from_pretrained(tmp_path / NAME, causal=True).causal
    wanted.save_pretrained(tmp_path / "saved")
    assert XLMConfig.from_pretrained(tmp_path / "saved") == wanted


def test_the_name_of_the_folder_tells_the_auto_classes(tmp_path: Path) -> None:
    folder = tmp_path / "xlm-mlm-ende"
    folder.mkdir()
    write_xlm(folder / NAME)
    for path in (folder, folder / NAME):
        config = AutoConfig.from_pretrained(str(path))
        assert (type(config), config.emb_dim) == (XLMConfig, 8)


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"clm_steps": [("en", None)], "mlm_steps": []}, {"causal": True}),
        ({"clm_steps": "en", "mlm_steps": ""}, {"causal": True}),
        ({"clm_steps": [("en", None)]}, {"causal": False}),
        ({"sinusoidal_embeddings": True, "gelu_activation": False}, {"sinusoidal_embeddings": True}),
        ({"gelu_activation": None, "use_lang_emb": None, "mask_scores": None}, {"gelu_activation": False}),
        ({"share_inout_emb": False}, {"tie_word_embeddings": False}),
        ({"asm": True, "asm_cutoffs": [8, 20]}, {"asm": True, "asm_cutoffs": [8, 20], "asm_div_value": 4.0}),
        ({"asm": True, "asm_cutoffs": "8,20"}, {"asm_cutoffs": [8, 20]}),
        ({"mask_index": 7}, {"mask_index": 7}),
    ],
)
def test_choices_of_a_training(params: dict[str, Any], fields: dict[str, Any], tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME, **params)
    config = XLMConfig.from_pretrained(tmp_path)
    assert {name: getattr(config, name) for name in fields} == fields


def test_languages_without_vectors(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME, languages=0, use_lang_emb=False)
    config = XLMConfig.from_pretrained(tmp_path)
    assert (config.n_langs, config.use_lang_emb, config.lang2id) == (2, False, {"de": 0, "en": 1})
    write_xlm(tmp_path / NAME, languages=0, n_langs=1, id2lang={0: "en"}, lang2id={"en": 0})
    config = XLMConfig.from_pretrained(tmp_path)
    assert (config.n_langs, config.has_lang_embeddings, config.id2lang) == (1, False, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_heads": None}, "its params do not say n_heads: pass config="),
        ({"n_heads": -2}, "its params say that n_heads is -2, expected a number of at least 1"),
        ({"emb_dim": 1024}, "emb_dim is 1024, but the arrays are those of 8"),
        ({"n_layers": 6}, "n_layers is 6, but the arrays are those of 2"),
        ({"n_words": "many"}, "n_words is 'many', expected"),
        ({"n_langs": 15}, "n_langs is 15, but the arrays are those of 2"),
        ({"n_langs": 1 << 70}, "n_langs is 1180591620717411303424, but the arrays"),
        ({"n_langs": 1 << 70, "languages": 0}, "expected the names of 1180591620717411303424 languages"),
        ({"dropout": float("nan")}, "dropout is nan, expected a probability"),
        ({"gelu_activation": "yes"}, "gelu_activation is 'yes', expected True or False"),
        ({"id2lang": {0: "de"}}, "expected the names of 2 languages"),
        ({"id2lang": {0: "de", 5: "en"}}, "expected the names of 2 languages"),
        ({"id2lang": {0: "de", 1: "de"}}, "expected a name of its own for each language"),
        ({"id2lang": {0: "de", 1: 7}}, "expected a name of its own for each language"),
        ({"id2lang": ["de", "en"]}, "expected the names of 2 languages"),
        ({"asm": True, "asm_cutoffs": "8,x"}, "asm_cutoffs is '8,x', expected numbers of words"),
        ({"asm": True, "asm_cutoffs": 8}, "asm_cutoffs is 8, expected numbers of words"),
        ({"asm": True, "asm_div_value": "4"}, "asm_div_value is '4', expected"),
        ({"pad_index": -1}, "pad_index is -1, expected a number from 0 on"),
    ],
)
def test_impossible_params_are_named(params: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME, **params)
    with pytest.raises(ValueError, match=rf"(?s){NAME}.*{re.escape(message)}") as caught:
        XLMConfig.from_pretrained(tmp_path)
    assert len(str(caught.value)) < 500


def test_heads_that_do_not_divide_the_width(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME, n_heads=3)
    with pytest.raises(ValueError, match="emb_dim is 8, which is not divisible by n_heads, 3"):
        XLMConfig.from_pretrained(tmp_path).validate_relations()


FLOATS = np.zeros((4, 4), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"encoder_attn.0.q_lin.weight": FLOATS}, r"a translation model of XLM's \(an encoder and a decoder\)"),
        ({"memories.4_in.values.weight": FLOATS}, "an XLM with product-key memories"),
        ({"embeddings.weight": FLOATS}, r"position_embeddings\.weight is missing"),
        ({"embeddings.weight": FLOATS[0], "position_embeddings.weight": FLOATS}, r"is of shape \(4,\)"),
        ({"word_embeddings.weight": FLOATS}, r"is no XLM of the authors', which has embeddings\.weight"),
    ],
)
def test_other_models_say_what_they_are(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_training(tmp_path / NAME, arrays, **xlm_notes())
    with pytest.raises(CheckpointError, match=f"{NAME}: .*{message}"):
        XLMConfig.from_pretrained(tmp_path)


def test_a_translation_model(tmp_path: Path) -> None:
    """Its decoder, beside an encoder that lies under a key of its own."""
    arrays = {**xlm(), **{f"encoder_attn.0.{name}.weight": FLOATS for name in ("q_lin", "out_lin")}}
    write_training(tmp_path / NAME, arrays, "decoder", **xlm_notes(encoder_only=False))
    with pytest.raises(CheckpointError, match="this is a translation model of XLM's"):
        XLMConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("params", [None, 3, [1], {"emb_dim": 8}])
def test_files_without_params(params: Any, tmp_path: Path) -> None:
    write_training(tmp_path / NAME, xlm(), params=params)
    with pytest.raises(CheckpointError, match=r"its params (do not say n_heads: pass config=|say that n_langs)"):
        XLMConfig.from_pretrained(tmp_path)
    write_torch_bin(tmp_path / NAME, {"x": FLOATS})
    with pytest.raises(CheckpointError, match=r"no XLM of the authors', .*: pass config="):
        XLMConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 5, 100, 1000, -5000, -1])
def test_files_that_are_cut_off(size: int, tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(whole[:size])
    with pytest.raises(ValueError, match=NAME):
        XLMConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("wrapper", ["", "module."])
def test_every_array_is_a_parameter(wrapper: str, tmp_path: Path) -> None:
    arrays = write_xlm(tmp_path / NAME, wrapper)
    with Weights(open_checkpoint(tmp_path / NAME), WEIGHTS) as weights:
        assert weights.prefix == f"model.{wrapper}"
        assert not weights.unexpected
        assert not weights.dropped
        own = {name: name if name.startswith("pred_layer.") else f"transformer.{name}" for name in arrays}
        assert {*weights.names()} == {*own.values()}
        for name, array in arrays.items():
            np.testing.assert_array_equal(weights.read(own[name]), array, err_msg=name)


def test_the_dictionary(tmp_path: Path) -> None:
    write_xlm(tmp_path / NAME)
    with open_checkpoint(tmp_path / NAME) as checkpoint:
        found = dictionary(checkpoint)
        assert found == {word: index for index, word in enumerate(XLM_WORDS)}
    assert len(XLM_WORDS) == XLM_PARAMS["n_words"]
    for words, message in (
        ({0: "a", 2: "b"}, "no list of words by their ids"),
        ({0: "a", 1: "a"}, "has 'a', which is no word or there twice"),
        ({0: "a", 1: 7}, "has 7, which is no word"),
        (["a"], "no list of words"),
        ({}, "no list of words"),
    ):
        write_training(tmp_path / NAME, xlm(), dico_id2word=words)
        with open_checkpoint(tmp_path / NAME) as checkpoint, pytest.raises(CheckpointError, match=message):
            dictionary(checkpoint)
    write_training(tmp_path / NAME, xlm())
    with open_checkpoint(tmp_path / NAME) as checkpoint:
        assert dictionary(checkpoint) is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_errors_or_values(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / NAME
    write_xlm(path)
    raw = bytearray(path.read_bytes())
    end = raw.index(b"PK\x03\x04", 4)  # of the pickle
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with suppress(ValueError):
        config = XLMConfig.from_pretrained(path)
        config.validate_relations()
        with Weights(open_checkpoint(path), WEIGHTS) as weights:
            for name in weights.names():
                weights.read(name)
