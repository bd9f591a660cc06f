"""The configuration that fairseq's own checkpoints hold, and files that are none of RoBERTa's."""

from __future__ import annotations

import argparse
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
from tx_core.weights import Weights, originals
from tx_roberta import RobertaConfig, RobertaTokenizer
from tx_roberta.weights import WEIGHTS
from tx_testing.data import data_path
from tx_testing.originals import FAIRSEQ_ARGS, fairseq_roberta, write_fairseq_roberta, write_training
from tx_testing.server import HubServer

RELEASES = pytest.mark.parametrize("release", ["0.8", "0.10", "0.12"])


@RELEASES
def test_the_arguments_and_the_arrays_make_the_configuration(release: str, tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt", release)
    wanted = RobertaConfig(
        20,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
        type_vocab_size=1,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.3,
        classifier_dropout=0.4,
        layer_norm_eps=1e-5,
    )
    assert wanted.longest_sequence == FAIRSEQ_ARGS["max_positions"]
    assert RobertaConfig.from_pretrained(tmp_path) == wanted
    assert RobertaConfig.from_pretrained(tmp_path / "model.pt") == wanted
    assert RobertaConfig.from_pretrained(tmp_path, num_labels=5).num_labels == 5
    wanted.save_pretrained(tmp_path / "saved")
    assert RobertaConfig.from_pretrained(tmp_path / "saved") == wanted


def test_the_name_of_the_folder_tells_the_auto_classes(tmp_path: Path) -> None:
    folder = tmp_path / "roberta.base"
    folder.mkdir()
    write_fairseq_roberta(folder / "model.pt")
    for path in (folder, folder / "model.pt"):
        config = AutoConfig.from_pretrained(str(path))
        assert (type(config), config.hidden_size) == (RobertaConfig, 8)


def test_choices_of_a_training(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint_best.pt"
    for name, act in (("gelu_accurate", "gelu_new"), ("gelu_fast", "gelu_new"), ("relu", "relu")):
        write_fairseq_roberta(path, activation_fn=name)
        assert RobertaConfig.from_pretrained(tmp_path).hidden_act == act
    write_fairseq_roberta(path, untie_weights_roberta=True, heads={"mnli": 3})
    config = RobertaConfig.from_pretrained(tmp_path)
    assert (config.tie_word_embeddings, config.num_labels) == (False, 3)
    write_fairseq_roberta(path, heads={"mnli": 3, "rte": 4})
    assert RobertaConfig.from_pretrained(tmp_path).num_labels == 2


@RELEASES
@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"encoder_attention_heads": None}, "do not say encoder_attention_heads: pass config="),
        ({"encoder_attention_heads": 0}, "say that encoder_attention_heads is 0, expected a number of at least 1"),
        ({"encoder_attention_heads": "2"}, "encoder_attention_heads is '2', expected"),
        ({"encoder_attention_heads": 1 << 40}, "num_attention_heads is 1099511627776"),
        ({"encoder_layers": 12}, "encoder_layers is 12, but the arrays are those of 2"),
        ({"encoder_embed_dim": 768}, "encoder_embed_dim is 768, but the arrays are those of 8"),
        ({"encoder_ffn_embed_dim": True}, "encoder_ffn_embed_dim is True, expected"),
        ({"max_positions": 512}, "max_positions is 512, but the arrays are those of 14"),
        ({"dropout": 1.5}, "dropout is 1.5, expected a probability"),
        ({"attention_dropout": "much"}, "attention_dropout is 'much', expected a probability"),
        ({"activation_fn": "glu"}, "activation_fn is 'glu', expected one of"),
        ({"pooler_activation_fn": "relu", "heads": {"mnli": 3}}, "pooler_activation_fn is 'relu', expected one of"),
        ({"untie_weights_roberta": 1}, "untie_weights_roberta is 1, expected True or False"),
    ],
)
def test_impossible_arguments_are_named(release: str, args: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt", release, **args)
    with pytest.raises(ValueError, match=rf"model\.pt: .*{re.escape(message)}") as caught:
        RobertaConfig.from_pretrained(tmp_path)
    assert len(str(caught.value)) < 500


def test_heads_that_do_not_divide_the_width(tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt", encoder_attention_heads=3)
    with pytest.raises(ValueError, match="hidden_size is 8, which is not divisible by num_attention_heads, 3"):
        RobertaConfig.from_pretrained(tmp_path).validate_relations()


def test_a_repository_and_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_fairseq_roberta(tmp_path / "model.pt")
    content = (tmp_path / "model.pt").read_bytes()
    with HubServer() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
        hub.add("org/roberta.base", {"model.pt": content}, lfs=["model.pt"])
        address = hub.put("/files/model.pt", content)
        for name in ("org/roberta.base", address):
            assert RobertaConfig.from_pretrained(name).hidden_size == 8
        assert AutoConfig.from_pretrained("org/roberta.base").hidden_size == 8


FLOATS = np.zeros((4, 4), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"encoder.layers.0.fc1.weight": FLOATS},
            r"no RoBERTa of fairseq's.*\(its architecture is 'roberta_base'\), so",
        ),
        ({"decoder.layers.0.encoder_attn.q_proj.weight": FLOATS}, "a model of fairseq's with an encoder and a decoder"),
        ({"decoder.layers.0.self_attn.q_proj.weight": FLOATS}, "a decoder of fairseq's"),
        ({"encoder.sentence_encoder.layer_norm.weight": FLOATS[0]}, "a RoBERTa whose layers normalise what they read"),
        ({"encoder.sentence_encoder.segment_embeddings.weight": FLOATS}, "a BERT of fairseq's"),
        ({"encoder.sentence_encoder.embed_tokens.weight": FLOATS}, r"embed_positions\.weight is missing"),
        (
            {
                "encoder.sentence_encoder.embed_tokens.weight": FLOATS,
                "encoder.sentence_encoder.embed_positions.weight": FLOATS[0],
            },
            r"embed_positions\.weight is of shape \(4,\)",
        ),
        (
            {
                "encoder.sentence_encoder.embed_tokens.weight": FLOATS[:0],
                "encoder.sentence_encoder.embed_positions.weight": FLOATS,
            },
            r"embed_tokens\.weight is of shape \(0, 4\)",
        ),
    ],
)
def test_other_models_say_what_they_are(arrays: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_training(tmp_path / "model.pt", arrays, args=argparse.Namespace(**FAIRSEQ_ARGS))
    with pytest.raises(CheckpointError, match=rf"model\.pt: .*{message}"):
        RobertaConfig.from_pretrained(tmp_path)


def test_files_without_arguments(tmp_path: Path) -> None:
    arrays = fairseq_roberta()
    cases: tuple[dict[str, Any], ...] = ({}, {"args": 3}, {"args": None, "cfg": None}, {"cfg": {"model": [1]}})
    for notes in cases:
        write_training(tmp_path / "model.pt", arrays, **notes)
        with pytest.raises(CheckpointError, match="do not say encoder_attention_heads: pass config="):
            RobertaConfig.from_pretrained(tmp_path)
    write_torch_bin(tmp_path / "model.pt", {"x": FLOATS})
    with pytest.raises(CheckpointError, match=r"no RoBERTa of fairseq's, .*: pass config="):
        RobertaConfig.from_pretrained(tmp_path)


@pytest.mark.parametrize("size", [0, 1, 5, 100, 1000, -5000, -1])
def test_files_that_are_cut_off(size: int, tmp_path: Path) -> None:
    write_fairseq_roberta(tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "model.pt").write_bytes(whole[:size])
    with pytest.raises(ValueError, match=r"model\.pt"):
        RobertaConfig.from_pretrained(tmp_path)


def test_fairseqs_names_go_both_ways(tmp_path: Path) -> None:
    arrays = write_fairseq_roberta(tmp_path / "model.pt", heads={"sentence_classification_head": 3})
    with Weights(open_checkpoint(tmp_path / "model.pt"), WEIGHTS) as weights:
        found = {name: weights.read(name) for name in weights.names()}
        assert weights.prefix == "model."
        assert weights.dropped == ["model.encoder.sentence_encoder.version"]
    decoder = found.pop("lm_head.decoder.weight")
    np.testing.assert_array_equal(decoder, found["roberta.embeddings.word_embeddings.weight"])
    back = originals({name: lambda array=array: array for name, array in found.items()}, WEIGHTS)
    assert {*back} == {*arrays} - {"encoder.lm_head.weight"}
    for name, read in back.items():
        np.testing.assert_array_equal(read(), arrays[name], err_msg=name)


def test_a_real_checkpoint() -> None:
    """4 layers of 128 over amino acids, by the package sapiens; its pickle names argparse.Namespace."""
    config = RobertaConfig.from_pretrained(data_path("checkpoints/roberta-fairseq/checkpoint_vh.pt"))
    sizes = (config.vocab_size, config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
    assert sizes == (25, 128, 4, 8)
    assert (config.intermediate_size, config.longest_sequence, config.hidden_act) == (256, 144, "gelu")
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob, config.classifier_dropout) == (0.1, 0.1, 0)


def test_a_dictionary_of_other_symbols_has_no_tokenizer() -> None:
    with pytest.raises(FileNotFoundError, match=r"needs GPT-2's encoder\.json and vocab\.bpe beside dict\.txt"):
        RobertaTokenizer.from_pretrained(data_path("checkpoints/roberta-fairseq"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_are_errors_or_values(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "model.pt"
    write_fairseq_roberta(path, data.draw(st.sampled_from(["0.8", "0.12"])), heads={"mnli": 3})
    raw = bytearray(path.read_bytes())
    end = raw.index(b"PK\x03\x04", 4)  # of the pickle
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with suppress(ValueError):
        config = RobertaConfig.from_pretrained(path)
        config.validate_relations()
        with Weights(open_checkpoint(path), WEIGHTS) as weights:
            for name in weights.names():
                weights.read(name)
