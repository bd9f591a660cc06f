"""The authors' own checkpoints, in the formats they were published in."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tx_core.checkpoints import ArrayInfo, open_checkpoint, write_tf1
from tx_testing.data import data_path


def test_bert_with_adam_s_slots(tmp_path: Path) -> None:
    prefix = data_path("checkpoints/bert-tf1") / "bert_model.ckpt"
    config = json.loads((prefix.parent / "bert_config.json").read_text())
    with open_checkpoint(prefix) as checkpoint:
        assert checkpoint.format == "tf1"
        assert len(checkpoint.names()) == 139
        shape = (config["vocab_size"], config["hidden_size"])
        assert checkpoint.info("bert/embeddings/word_embeddings") == ArrayInfo(shape, "float32")
        assert "bert/embeddings/LayerNorm/beta/adam_m" in checkpoint.names()
        arrays = {name: checkpoint.read(name) for name in checkpoint.names()}
        assert all(np.isfinite(array).all() for array in arrays.values())
    write_tf1(tmp_path / "bert_model.ckpt", arrays)
    data = "bert_model.ckpt.data-00000-of-00001"
    assert (tmp_path / data).read_bytes() == (prefix.parent / data).read_bytes()
    with open_checkpoint(tmp_path / "bert_model.ckpt") as checkpoint:
        assert {name: checkpoint.read(name).tobytes() for name in checkpoint.names()} == {
            name: array.tobytes() for name, array in arrays.items()
        }


@pytest.mark.parametrize(
    "folder, count, name",
    [
        ("gpt2-tf1", 40, "model/h0/attn/c_attn/w"),
        ("transfo-xl-tf1/div_1", 26, "transformer/adaptive_embed/lookup_table"),
        ("transfo-xl-tf1/div_2", 31, "transformer/adaptive_embed/cutoff_0/lookup_table"),
    ],
)
def test_a_folder_with_a_checkpoint_file(folder: str, count: int, name: str) -> None:
    with open_checkpoint(data_path(f"checkpoints/{folder}")) as checkpoint:
        assert checkpoint.path.name == "model.ckpt"
        assert len(checkpoint.names()) == count
        assert name in checkpoint.names()
        assert all(np.isfinite(checkpoint.read(each)).all() for each in checkpoint.names())


def test_xlnet() -> None:
    with open_checkpoint(data_path("checkpoints/xlnet-tf1/empty") / "xlnet_model.ckpt") as checkpoint:
        assert len(checkpoint.names()) == 31
        assert checkpoint.read("model/transformer/word_embedding/lookup_table").ndim == 2


def test_openai_gpt(tmp_path: Path) -> None:
    with tarfile.open(data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    with open_checkpoint(tmp_path / "model") as checkpoint:
        assert checkpoint.format == "npy_shards"
        shapes = json.loads((tmp_path / "model" / "params_shapes.json").read_text())
        assert [list(checkpoint.info(name).shape) for name in checkpoint.names()] == shapes
        joined = np.concatenate([checkpoint.read(name).reshape(-1) for name in checkpoint.names()])
    parts = [np.load(tmp_path / "model" / f"params_{number}.npy") for number in range(2)]
    np.testing.assert_array_equal(joined, np.concatenate(parts))


def test_a_training_checkpoint_of_fairseq() -> None:
    with open_checkpoint(data_path("checkpoints/roberta-fairseq/checkpoint_vh.pt")) as checkpoint:
        assert checkpoint.format == "torch"
        model = [name for name in checkpoint.names() if name.startswith("model.")]
        others = {name.split(".")[0] for name in checkpoint.names()} - {"model"}
        assert others == {"extra_state", "last_optimizer_state"}
        assert checkpoint.info("model.decoder.sentence_encoder.embed_tokens.weight").shape[1] == 128
        assert {checkpoint.info(name).dtype for name in model} == {"float32"}
        layers = {name.split(".")[4] for name in model if ".layers." in name}
        assert layers == {"0", "1", "2", "3"}
        assert all(np.isfinite(checkpoint.read(name)).all() for name in model)
