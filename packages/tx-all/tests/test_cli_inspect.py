"""`tx inspect`: what is in files, which classes they fit, and files that mean no good."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_all.cli import main
from tx_all.cli.classes import parameters
from tx_all.cli.inspect import look
from tx_bert import BertConfig
from tx_bert.architecture import ARCHITECTURE
from tx_bert.weights import WEIGHTS
from tx_core.checkpoints import write_keras_h5, write_safetensors, write_tf1, write_torch_bin
from tx_core.files import OfflineError
from tx_core.weights import keras_layers, originals
from tx_roberta import RobertaConfig

CONFIG = BertConfig(
    vocab_size=11, hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=12, type_vocab_size=2
)


def arrays(end: str, config: Any = CONFIG) -> dict[str, Any]:
    """Arrays under the names of a class's parameters, of any shape."""
    names, _ = parameters(ARCHITECTURE, end, config, WEIGHTS)
    return {name: np.zeros((2, 3), np.float32) for name in names}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    CONFIG.save_pretrained(tmp_path)
    return tmp_path


def inspected(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main(["inspect", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_arrays_and_totals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"bert.pooler.dense.weight": np.zeros((8, 8), np.float16), "bert.pooler.dense.bias": np.zeros(8)}
    write_safetensors(folder / "model.safetensors", given, {"format": "pt"})
    found = inspected(capsys, folder)
    assert found["path"] == str(folder / "model.safetensors")
    assert (found["format"], found["metadata"], found["architecture"]) == ("safetensors", {"format": "pt"}, "bert")
    assert (found["parameters"], found["bytes"]) == (72, 192)
    assert {each["name"]: each for each in found["arrays"]}["bert.pooler.dense.weight"] == {
        "name": "bert.pooler.dense.weight",
        "shape": [8, 8],
        "dtype": "float16",
        "parameters": 64,
        "bytes": 128,
    }
    assert main(["inspect", str(folder)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "  parameters    72" in said
    assert "  bert.pooler.dense.weight  8 × 8  float16          64  128 B" in said


def test_each_class_is_told_what_it_misses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_safetensors(folder / "model.safetensors", arrays("ForMaskedLM"))
    classes = inspected(capsys, folder)["classes"]
    counts = {
        name: (len(each["missing"]), each["missing_is_head"], len(each["unused"])) for name, each in classes.items()
    }
    assert counts == {
        "BertModel": (0, False, 5),
        "BertForPreTraining": (2, False, 0),
        "BertForMaskedLM": (0, False, 0),
        "BertForNextSentencePrediction": (2, True, 5),
        "BertForSequenceClassification": (2, True, 5),
        "BertForTokenClassification": (2, True, 5),
        "BertForMultipleChoice": (2, True, 5),
        "BertForQuestionAnswering": (2, True, 5),
    }
    assert classes["BertForSequenceClassification"]["missing"] == ["classifier.weight", "classifier.bias"]
    for class_name in ("BertForQuestionAnswering", "TFBertForQuestionAnswering"):
        assert main(["inspect", str(folder), "--class", class_name]) == 0
        said = capsys.readouterr().out
        assert f"{class_name}: 2 (its head) missing, 5 unused" in said
        assert "missing:\n  qa_outputs.weight\n  qa_outputs.bias\n" in said
        assert "unused:\n  cls.predictions.bias\n" in said
    assert main(["inspect", str(folder), "--class", "BertForQuestions"]) == 1
    assert "did you mean 'BertForQuestionAnswering'?" in capsys.readouterr().err


def test_names_of_other_spellings_are_understood(folder: Path) -> None:
    given = arrays("ForMaskedLM")
    write_torch_bin(folder / "one.bin", {f"module.{name}": array for name, array in given.items()})
    found = look(str(folder / "one.bin"))
    assert (found.prefix, found.classes["BertForMaskedLM"].missing) == ("module.", [])
    bare = {name.removeprefix("bert."): array for name, array in given.items() if name.startswith("bert.")}
    write_torch_bin(folder / "bare.bin", bare)
    assert look(str(folder / "bare.bin")).classes["BertModel"].missing == []
    functions = {name: lambda array=array: array for name, array in given.items()}
    write_keras_h5(folder / "tf_model.h5", keras_layers(functions, WEIGHTS, "tf_bert_for_masked_lm"))
    found = look(str(folder))
    assert (found.format, found.unknown) == ("keras_h5", [])
    assert (found.classes["BertForMaskedLM"].missing, found.classes["BertForMaskedLM"].unused) == ([], [])


def test_a_tensorflow_checkpoint_is_named_by_its_prefix(folder: Path) -> None:
    given = {
        name: array[0] if name.endswith("bias") or "LayerNorm" in name else array
        for name, array in arrays("ForPreTraining").items()
    }
    write_tf1(
        folder / "bert_model.ckpt", originals({name: lambda a=array: a for name, array in given.items()}, WEIGHTS)
    )
    for name in (folder / "bert_model.ckpt", folder):
        found = look(str(name))
        assert (found.format, found.unknown) == ("tf1", [])
        assert (found.classes["BertForPreTraining"].missing, found.classes["BertForPreTraining"].unused) == ([], [])


def test_shards_are_one_checkpoint(folder: Path) -> None:
    write_safetensors(folder / "model.safetensors", arrays("ForPreTraining"), max_shard_size=400)
    assert not (folder / "model.safetensors").exists()
    found = look(str(folder))
    assert found.classes["BertForPreTraining"].missing == []
    next(folder.glob("model-00002*")).unlink()
    with pytest.raises(FileNotFoundError, match="lists the shard 'model-00002"):
        look(str(folder))


def test_unknown_names_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_safetensors(folder / "model.safetensors", {**arrays("Model"), "bert.more": np.zeros(1, np.float32)})
    assert inspected(capsys, folder)["unknown"] == ["bert.more"]
    assert main(["inspect", str(folder)]) == 0
    assert capsys.readouterr().out.endswith("\nunknown:\n  bert.more\n")


def test_what_the_authors_leave_out_is_not_missing(tmp_path: Path) -> None:
    # fairseq's RoBERTa has no segments.
    RobertaConfig(vocab_size=11, num_hidden_layers=1, hidden_size=8, num_attention_heads=2).save_pretrained(tmp_path)
    names = ("embed_tokens.weight", "embed_positions.weight", "layernorm_embedding.weight", "layernorm_embedding.bias")
    given = {f"decoder.sentence_encoder.{name}": np.zeros((2, 3), np.float32) for name in names}
    write_torch_bin(tmp_path / "model.bin", given)
    missing = look(str(tmp_path / "model.bin")).classes["RobertaModel"].missing
    assert "roberta.embeddings.token_type_embeddings.weight" not in missing
    assert "roberta.encoder.layer.0.output.dense.weight" in missing


def test_without_an_architecture_the_arrays_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_safetensors(tmp_path / "model.safetensors", {"a": np.zeros(3, np.int8), "b": np.float32(1)[None][0:0]})
    found = inspected(capsys, tmp_path)
    assert (found["architecture"], found["classes"]) == (None, {})
    assert "no config.json" in found["note"]
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    assert "tx has no architecture 't5'" in inspected(capsys, tmp_path)["note"]
    assert main(["inspect", str(tmp_path), "--class", "T5Model"]) == 1
    assert "cannot be told: tx has no architecture 't5'" in capsys.readouterr().err


def test_a_configuration_of_2019_is_told_by_its_name(folder: Path, tmp_path: Path) -> None:
    values = json.loads((folder / "config.json").read_text())
    del values["model_type"]
    (tmp_path / "my-bert").mkdir()
    (tmp_path / "my-bert/config.json").write_text(json.dumps(values))
    write_safetensors(tmp_path / "my-bert/model.safetensors", arrays("Model"))
    for name in ("my-bert", "my-bert/model.safetensors"):
        found = look(str(tmp_path / name))
        assert (found.architecture, found.classes["BertModel"].missing) == ("bert", [])
    (tmp_path / "my-bert").rename(tmp_path / "mine")
    found = look(str(tmp_path / "mine"))
    assert (found.architecture, found.classes) == (None, {})
    assert "the architecture is unknown" in found.note
    # The class that is asked for tells it too.
    assert look(str(tmp_path / "mine"), "TFBertModel").classes["BertModel"].missing == []


def test_the_authors_name_of_a_configuration_is_known(folder: Path, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", arrays("ForPreTraining"))
    (folder / "config.json").rename(tmp_path / "bert_config.json")
    for name in (tmp_path, tmp_path / "model.safetensors"):
        assert look(str(name), "BertModel").classes["BertForPreTraining"].missing == []
    (tmp_path / "bert_config.json").unlink()
    found = look(str(tmp_path), "BertModel")
    assert (found.architecture, found.classes) == ("bert", {})
    assert "has no config.json or bert_config.json" in found.note


def test_no_framework_is_imported(folder: Path) -> None:
    write_safetensors(folder / "model.safetensors", arrays("ForMaskedLM"))
    code = (
        "import sys, json\nfrom tx_all.cli import main\nmain(['inspect', sys.argv[1]])\n"
        "heavy = [name for name in ('torch', 'tensorflow', 'keras', 'requests') if name in sys.modules]\n"
        "print(json.dumps(heavy), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []
    assert "BertForMaskedLM" in done.stdout


def test_names_that_would_steer_a_terminal_are_written_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x1b[2J\nb" + "x" * 500
    write_safetensors(tmp_path / "model.safetensors", {name: np.zeros(3, np.int8)})
    assert main(["inspect", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "a\\x1b[2J\\nb" in said
    assert max(len(line) for line in said.splitlines() if "xxx" in line) < 200
    assert inspected(capsys, tmp_path)["arrays"][0]["name"] == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        (8).to_bytes(8, "little") + b'{"a": 1}',
        (1 << 62).to_bytes(8, "little") + b"{}",
        b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
        b"\x89HDF\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04" + bytes(50),
    ],
    ids=["empty", "noise", "no header", "huge header", "pickle", "hdf5", "zip"],
)
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "tf_model.h5"])
def test_a_damaged_file_is_one_line_that_names_it(
    content: bytes, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_bytes(content)
    for what in (folder, folder / name):
        assert main(["inspect", str(what)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("tx: error: ")
        assert said.err.count("\n") == 1
        assert str(folder / name) in said.err
    assert sorted(path.name for path in folder.iterdir()) == sorted(["config.json", name])


def test_a_damaged_configuration_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_safetensors(folder / "model.safetensors", arrays("Model"))
    for content in ("{", '{"model_type": "bert", "num_hidden_layers": 1000000000000}'):
        (folder / "config.json").write_text(content)
        assert main(["inspect", str(folder)]) == 1
        assert str(folder / "config.json") in capsys.readouterr().err


def test_a_name_is_looked_up_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")
    with pytest.raises(OfflineError, match=r"config.json of 'org/name'"):
        look("org/name")
