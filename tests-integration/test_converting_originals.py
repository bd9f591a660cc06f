"""The authors' own checkpoints, converted where neither PyTorch nor TensorFlow can be imported."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core.checkpoints import CheckpointError, open_checkpoint
from tx_core.converting import convert
from tx_core.weights import WeightsError
from tx_openai_gpt import OpenAIGPTConfig
from tx_testing.data import data_path
from tx_testing.originals import FAIRSEQ_ARGS, write_fairseq_roberta, write_training, write_xlm

Array = np.ndarray[Any, Any]
# Converts what the arguments name; no framework can be imported, so none can have been needed.
SCRIPT = """
import json, sys
class Hiding:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("torch", "tensorflow", "keras")
        return None if hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
from tx_core.converting import convert
for source, folder, to in json.loads(sys.argv[1]):
    convert(source, folder, to)
"""


def openai_gpt(folder: Path) -> Path:
    """OpenAI's arrays. They do not say how many heads a layer has, so a configuration lies beside them."""
    with tarfile.open(data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")) as archive:
        archive.extractall(folder, filter="data")
    OpenAIGPTConfig(50, n_positions=50, n_embd=10, n_head=2, n_layer=2).save_pretrained(folder / "model")
    return folder / "model"


def fairseq(release: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir()
        write_fairseq_roberta(folder / "model.pt", release, {"mnli": 3})
        return folder

    return write


def xlm(folder: Path) -> Path:
    folder.mkdir()
    write_xlm(folder / "mlm_ende_1024.pth", "module.")
    return folder


def real(name: str) -> Callable[[Path], Path]:
    return lambda folder: data_path(f"checkpoints/{name}")


# Name → what makes the source; class, format, what the authors leave out, whether their programs are TensorFlow 1's.
ORIGINALS: dict[str, tuple[Callable[[Path], Path], str | None, str, set[str], bool]] = {
    "bert": (real("bert-tf1"), "BertForPreTraining", "tf1", set(), True),
    "gpt2": (real("gpt2-tf1"), "GPT2LMHeadModel", "tf1", set(), True),
    "openai-gpt": (openai_gpt, "OpenAIGPTLMHeadModel", "npy_shards", set(), False),
    "transfo-xl, one table": (real("transfo-xl-tf1/div_1"), "TransfoXLLMHeadModel", "tf1", set(), True),
    "transfo-xl, clusters": (
        real("transfo-xl-tf1/div_2"),
        "TransfoXLLMHeadModel",
        "tf1",
        {"transformer.word_emb.emb_projs.0", "crit.out_projs.0"},
        True,
    ),
    "xlnet": (real("xlnet-tf1/empty"), "XLNetModel", "tf1", {"transformer.mask_emb"}, True),
    "roberta": (
        real("roberta-fairseq/checkpoint_vh.pt"),
        "RobertaForMaskedLM",
        "torch",
        {"roberta.embeddings.token_type_embeddings.weight"},
        False,
    ),
    # Heads of two kinds, which no class has.
    **{
        f"roberta, fairseq {release}": (
            fairseq(release),
            None,
            "torch",
            {"roberta.embeddings.token_type_embeddings.weight"},
            False,
        )
        for release in ("0.8", "0.10", "0.12")
    },
    "xlm": (xlm, "XLMWithLMHeadModel", "torch", set(), False),
}


def read(path: Path) -> dict[str, Array]:
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def assert_same(found: dict[str, Array], wanted: dict[str, Array]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.parametrize("name", [*ORIGINALS])
def test_originals_to_every_format_and_back(name: str, tmp_path: Path) -> None:
    make, class_name, source_format, supplied, is_tf1 = ORIGINALS[name]
    source = make(tmp_path / "source")
    report = convert(source, tmp_path / "first", "safetensors")
    assert (report.class_name, report.source_format) == (class_name, source_format)
    assert (set(report.supplied), report.casts) == (supplied, {})
    wanted = read(report.destination)
    for form in ("bin", "h5", *(["tf1"] if is_tf1 else [])):
        convert(source, tmp_path / form, form)  # type: ignore[arg-type]
        back = convert(tmp_path / form, tmp_path / f"{form} back", "safetensors")
        assert_same(read(back.destination), wanted)
    configs = [(tmp_path / folder / "config.json").read_text() for folder in ("first", "bin", "h5 back")]
    assert configs[0] == configs[1] == configs[2]


@pytest.mark.parametrize("name", [name for name, each in ORIGINALS.items() if each[-1]])
def test_the_authors_programs_get_their_own_names_back(name: str, tmp_path: Path) -> None:
    """Nothing they have is missing or other; what is more does nothing."""
    source = ORIGINALS[name][0](tmp_path / "source")
    report = convert(source, tmp_path / "first", "safetensors")
    prefix = report.source.with_suffix("")
    convert(tmp_path / "first", tmp_path / "back", "tf1")
    found = read(tmp_path / "back")
    wanted = {name: array for name, array in read(prefix).items() if name not in report.dropped}
    assert len(found) == len(wanted) + len(report.supplied)
    assert_same({name: found[name] for name in wanted}, wanted)
    for file in ("bert_config.json", "hparams.json", "xlnet_config.json"):
        if (prefix.parent / file).is_file():
            written, given = (json.loads((folder / file).read_text()) for folder in (tmp_path / "back", prefix.parent))
            assert written == {key: given[key] for key in written}


def test_no_framework_is_needed(tmp_path: Path) -> None:
    forms = ["safetensors", "bin", "h5", "tf1"]
    calls = []
    for number, (make, *_) in enumerate(ORIGINALS.values()):
        source = make(tmp_path / f"source {number}")
        calls += [
            (str(source), str(tmp_path / f"{number} {form}"), form) for form in forms[: None if not number else 1]
        ]
    subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(calls)], check=True)
    for source, folder, form in calls:
        report = convert(source, f"{folder} here", form)  # type: ignore[arg-type]
        assert_same(read(Path(folder) / report.destination.name), read(report.destination))


def test_keras_needs_tensorflow(tmp_path: Path) -> None:
    call = [str(data_path("checkpoints/bert-tf1")), str(tmp_path / "there"), "keras"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps([call])], capture_output=True, text=True)
    assert "ImportError" in done.stderr
    assert "pip install 'tx-bert[tf]'" in done.stderr
    assert not (tmp_path / "there").exists()


def test_another_architecture_than_the_files(tmp_path: Path) -> None:
    convert(data_path("checkpoints/gpt2-tf1"), tmp_path / "gpt2", "safetensors")
    with pytest.raises(ValueError, match="model_type is 'gpt2', but BertConfig is the configuration of 'bert'"):
        convert(tmp_path / "gpt2", tmp_path / "there", "bin", model_type="bert")
    (tmp_path / "gpt2/config.json").unlink()
    bert = tmp_path / "gpt2/model.safetensors"
    convert(data_path("checkpoints/bert-tf1"), tmp_path / "bert", "safetensors")
    bert.write_bytes((tmp_path / "bert/model.safetensors").read_bytes())
    with pytest.raises(FileNotFoundError, match="BertConfig"):
        convert(bert, tmp_path / "there", "bin")


def test_heads_of_one_kind_cannot_all_be_kept(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    write_fairseq_roberta(tmp_path / "source/model.pt", heads={"mnli": 3, "rte": 2})
    with pytest.raises(WeightsError, match="several heads of one kind, 'mnli', 'rte': keep one in a copy of the file"):
        convert(tmp_path / "source", tmp_path / "there", "bin")
    assert not (tmp_path / "there").exists()


def test_what_is_none_of_the_architectures(tmp_path: Path) -> None:
    archive = data_path("checkpoints/openai-gpt-original/transformer_small.tar.gz")
    with pytest.raises(CheckpointError, match="gzip-compressed; unpack it first"):
        convert(archive, tmp_path / "there", "bin", model_type="openai-gpt")
    encoder_decoder = {
        **write_fairseq_roberta(tmp_path / "model.pt"),
        "decoder.layers.0.encoder_attn.k_proj.weight": np.zeros((8, 8), np.float32),
    }
    write_training(tmp_path / "model.pt", encoder_decoder, args=argparse.Namespace(**FAIRSEQ_ARGS))
    with pytest.raises(CheckpointError, match="this is a model of fairseq's with an encoder and a decoder"):
        convert(tmp_path / "model.pt", tmp_path / "there", "bin", model_type="roberta")
    assert not (tmp_path / "there").exists()
