"""Conversion of checkpoints, tried on BERT's; every class of every architecture is converted by the suites."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from tx_bert import BertConfig
from tx_bert.weights import WEIGHTS
from tx_core.checkpoints import (
    CheckpointError,
    open_checkpoint,
    write_keras_h5,
    write_safetensors,
    write_tf1,
    write_torch_bin,
)
from tx_core.converting import convert
from tx_core.weights import WeightsError, keras_layers
from tx_testing import minilm
from tx_testing.data import data_path

Array = np.ndarray[Any, Any]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
WIDTH = 8
SIZES = {"hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}


def shapes(*heads: str) -> dict[str, tuple[int, ...]]:
    """Of the parameters of a small BERT with heads, by their published names."""
    found: dict[str, tuple[int, ...]] = {
        "bert.embeddings.word_embeddings.weight": (20, WIDTH),
        "bert.embeddings.position_embeddings.weight": (16, WIDTH),
        "bert.embeddings.token_type_embeddings.weight": (2, WIDTH),
    }
    linear: dict[str, tuple[int, int]] = {"bert.pooler.dense": (WIDTH, WIDTH)}
    norms = ["bert.embeddings.LayerNorm"]
    for i in range(2):
        layer = f"bert.encoder.layer.{i}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linear[f"{layer}.attention.{name}"] = WIDTH, WIDTH
        linear |= {f"{layer}.intermediate.dense": (12, WIDTH), f"{layer}.output.dense": (WIDTH, 12)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    if "predictions" in heads:
        linear["cls.predictions.transform.dense"] = WIDTH, WIDTH
        norms.append("cls.predictions.transform.LayerNorm")
        found["cls.predictions.bias"] = (20,)
    if "classifier" in heads:
        linear["classifier"] = 3, WIDTH
    if "answers" in heads:
        linear["qa_outputs"] = 2, WIDTH
    for name, shape in linear.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        found |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    return found


def arrays(*heads: str, dtype: Any = np.float32) -> dict[str, Array]:
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape).astype(dtype) for name, shape in shapes(*heads).items()}


def write(folder: Path, values: Mapping[str, Array], config: Mapping[str, Any] | None = None) -> Path:
    """A folder with weights and a configuration."""
    folder.mkdir()
    BertConfig(20, max_position_embeddings=16, **SIZES).save_pretrained(folder)
    if config is not None:
        path = folder / "config.json"
        written = {**json.loads(path.read_text()), **config}
        path.write_text(json.dumps({key: value for key, value in written.items() if value is not None}))
    write_safetensors(folder / "model.safetensors", values)
    return folder


def read(path: Path) -> dict[str, Array]:
    with open_checkpoint(path) as checkpoint:
        return {name: checkpoint.read(name) for name in checkpoint.names()}


def assert_same(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].tobytes() == array.tobytes(), name


# What is carried, and of which class it is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heads", "config", "class_name"),
    [
        ((), {}, "BertModel"),
        (("predictions",), {}, "BertForMaskedLM"),
        (("answers",), {}, "BertForQuestionAnswering"),
        (("classifier",), {}, None),
        (("classifier",), {"architectures": ["TFBertForTokenClassification"]}, "BertForTokenClassification"),
        (("classifier", "answers"), {}, None),
        # A configuration that was copied from elsewhere: no head is lost for it.
        (("answers",), {"architectures": ["BertForMaskedLM"]}, "BertForQuestionAnswering"),
        (("answers",), {"architectures": ["BertModel"]}, "BertForQuestionAnswering"),
        # As releases after 2020 wrote a class whose head reads no pooler.
        (("predictions",), {"architectures": ["BertForMaskedLM"]}, "BertForMaskedLM"),
    ],
)
@pytest.mark.parametrize("to", ["safetensors", "bin", "h5", "tf1"])
def test_no_head_is_lost(heads: tuple[str, ...], config: Any, class_name: str | None, to: Any, tmp_path: Path) -> None:
    values = arrays(*heads)
    source = write(tmp_path / "source", values, config={"num_labels": 3, **config})
    report = convert(source, tmp_path / "there", to)
    assert report.class_name == class_name
    assert set(report.shapes) == set(values)
    back = convert(tmp_path / "there", tmp_path / "back", "safetensors")
    prefix = "bert." if class_name == "BertModel" else ""
    assert_same(read(back.destination), {name.removeprefix(prefix): array for name, array in values.items()})
    written = json.loads((tmp_path / "there" / "config.json").read_text()).get("architectures")
    assert written == ([class_name] if class_name else config.get("architectures"))


def test_second_names_are_dropped_where_they_agree(tmp_path: Path) -> None:
    values = arrays("predictions")
    words, bias = values["bert.embeddings.word_embeddings.weight"], values["cls.predictions.bias"]
    extra = {
        "cls.predictions.decoder.weight": words,
        "cls.predictions.decoder.bias": bias,
        "bert.embeddings.position_ids": np.arange(16)[None],
    }
    report = convert(write(tmp_path / "source", {**values, **extra}), tmp_path / "there", "safetensors")
    assert set(report.dropped) == set(extra)
    assert_same(read(report.destination), values)
    other = {**extra, "cls.predictions.decoder.weight": words + 1}
    source = write(tmp_path / "other", {**values, **other})
    with pytest.raises(WeightsError, match=r"decoder\.weight and .* different values .*tie_word_embeddings"):
        convert(source, tmp_path / "refused", "safetensors")
    untied = write(tmp_path / "untied", {**values, **other}, config={"tie_word_embeddings": False})
    report = convert(untied, tmp_path / "kept", "bin")
    np.testing.assert_array_equal(read(report.destination)["cls.predictions.decoder.weight"], words + 1)
    assert set(report.dropped) == set(extra) - {"cls.predictions.decoder.weight"}


def test_the_second_name_alone(tmp_path: Path) -> None:
    values = arrays("predictions")
    source = {**values, "cls.predictions.decoder.bias": values["cls.predictions.bias"]}
    del source["cls.predictions.bias"]
    report = convert(write(tmp_path / "source", source), tmp_path / "there", "safetensors")
    assert_same(read(report.destination), values)


def test_pytorch_files_have_the_second_names(tmp_path: Path) -> None:
    values = arrays("predictions")
    report = convert(write(tmp_path / "source", values), tmp_path / "there", "bin")
    words = values["bert.embeddings.word_embeddings.weight"]
    assert_same(read(report.destination), {**values, "cls.predictions.decoder.weight": words})


def test_files_of_a_wrapper(tmp_path: Path) -> None:
    values = arrays("answers")
    source = write(tmp_path / "source", {f"model.module.{name}": array for name, array in values.items()})
    assert_same(read(convert(source, tmp_path / "there", "safetensors").destination), values)


# What is refused --------------------------------------------------------------------------------------------------


def without(name: str) -> Callable[[dict[str, Array]], None]:
    return lambda values: values.__delitem__(name)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda values: values.update(unheard=np.zeros(2, np.float32)), "unheard is unknown to the architecture"),
        (without("bert.encoder.layer.1.output.dense.bias"), "layer.1.output.dense.bias is missing"),
        (without("cls.predictions.transform.dense.weight"), "transform.dense.weight is missing"),
        (without("bert.embeddings.LayerNorm.bias"), "embeddings.LayerNorm.bias is missing"),
        (without("bert.embeddings.position_embeddings.weight"), "position_embeddings.weight is missing"),
        (lambda values: [values.pop(n) for n in [*values] if ".layer." in n], "the layers are missing"),
        (
            lambda values: [values.pop(name) for name in [*values] if ".layer.1." in name],
            "bert.encoder.layer.1.attention.self.query.weight is missing",
        ),
        (
            lambda values: values.update({n.replace("r.0", "r.2"): a for n, a in values.items() if ".layer.0." in n}),
            "bert.encoder.layer.2 is there, but the configuration has 2 layers",
        ),
        (
            lambda values: values.update({"bert.pooler.dense.bias": np.zeros(WIDTH, np.int64)}),
            "bert.pooler.dense.bias: the file has dtype int64, expected floats",
        ),
    ],
)
def test_files_that_are_no_such_model(change: Any, match: str, tmp_path: Path) -> None:
    values = arrays("predictions")
    change(values)
    source = write(tmp_path / "source", values)
    with pytest.raises(WeightsError, match=match):
        convert(source, tmp_path / "there", "h5")
    assert not (tmp_path / "there").exists()


def test_authors_have_no_name_for_it(tmp_path: Path) -> None:
    values = arrays()
    for i in range(2):
        for name, shape in shapes().items():
            if f".layer.{i}.attention." in name:
                values[name.replace("attention", "crossattention", 1)] = np.ones(shape, np.float32)
    source = write(tmp_path / "source", values, config={"is_decoder": True, "add_cross_attention": True})
    with pytest.raises(WeightsError, match=r"crossattention.* has no name in the authors' .*; convert to safe"):
        convert(source, tmp_path / "there", "tf1")
    assert not (tmp_path / "there").exists()
    assert_same(
        read(convert(source, tmp_path / "there", "safetensors").destination),
        {name.removeprefix("bert."): array for name, array in values.items()},
    )


def test_arguments_and_places(tmp_path: Path) -> None:
    source = write(tmp_path / "source", arrays())
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
        ((source, tmp_path / "x", "onnx"), {}, ValueError, "to must be one of safetensors, .*, not 'onnx'"),
        ((source, tmp_path / "x", "h5"), {"dtype": "bfloat16"}, ValueError, "as h5 there can be float64, float32"),
        ((source, tmp_path / "x", "tf1"), {"dtype": "float16"}, ValueError, "as tf1 there can be float32"),
        ((source, tmp_path / "x", "bin"), {"dtype": "int8"}, ValueError, "dtype is 'int8'"),
        ((source, source, "bin"), {"force": True}, ValueError, "is the folder of the source"),
        ((source / "model.safetensors", source, "bin"), {}, ValueError, "is the folder of the source"),
        ((source, source / "config.json", "bin"), {}, NotADirectoryError, "is a file"),
        ((tmp_path / "none", tmp_path / "x", "bin"), {}, FileNotFoundError, "no folder, no file, and no prefix"),
        ((tmp_path, tmp_path / "x", "bin"), {"model_type": "bert"}, FileNotFoundError, "holds no weights"),
        ((source / "config.json", tmp_path / "x", "bin"), {}, CheckpointError, "no index"),
        ((source, tmp_path / "x", "bin"), {"model_type": "none"}, ValueError, "no architecture 'none'"),
    ]
    for arguments, keywords, error, match in wrong:
        with pytest.raises(error, match=match):
            convert(*arguments, **keywords)
    assert not (tmp_path / "x").exists()
    assert sorted(os.listdir(source)) == ["config.json", "model.safetensors"]


# The architecture and the configuration -----------------------------------------------------------------------------


def test_the_architecture_is_told_by_names(tmp_path: Path) -> None:
    """Without model_type in the file, as in 2019."""
    source = write(tmp_path / "named", arrays("answers"), config={"model_type": None})
    assert convert(source, tmp_path / "there", "bin").model_type == "bert"
    bare = {name.removeprefix("bert."): array for name, array in arrays().items()}
    source = write(tmp_path / "bare", bare, config={"model_type": None, "architectures": ["BertModel"]})
    assert convert(source, tmp_path / "there", "bin", force=True).model_type == "bert"
    (source / "config.json").write_text(json.dumps({**SIZES, "vocab_size": 20, "max_position_embeddings": 16}))
    assert convert(source, tmp_path / "there", "bin", force=True, model_type="bert").model_type == "bert"
    (source / "config.json").rename(source / "bert_config.json")
    assert convert(source, tmp_path / "there", "bin", force=True).model_type == "bert"
    source = write(tmp_path / "unknown", {"a.b": np.zeros(2, np.float32)}, config={"model_type": None})
    with pytest.raises(ValueError, match=r"no installed architecture knows all names .*pass model_type"):
        convert(source, tmp_path / "x", "bin")


def test_no_configuration(tmp_path: Path) -> None:
    source = write(tmp_path / "source", arrays("answers"))
    (source / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config\.json or bert_config\.json"):
        convert(source, tmp_path / "there", "bin")


# Sources ----------------------------------------------------------------------------------------------------------


def old_stream(path: Path, values: Mapping[str, Array]) -> None:
    """Write what PyTorch before 1.6 did, no zip archive; whose bytes the tests of checkpoints hold to PyTorch's own."""
    import pickle
    import struct
    import zipfile

    write_torch_bin(path, values)
    with zipfile.ZipFile(path) as archive:
        pickled = archive.read("archive/data.pkl")
        storages = {str(i): archive.read(f"archive/data/{i}") for i in range(len(values))}
    # There a storage's identity has a sixth part, the view that it is of: None.
    pickled = pickled.replace(b"tQK\x00", b"NtQK\x00")
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(value, file, protocol=2)
        file.write(pickled)
        pickle.dump([*storages], file, protocol=2)
        for content, array in zip(storages.values(), values.values(), strict=True):
            file.write(struct.pack("<q", array.size) + content)


def sharded(folder: Path, values: Mapping[str, Array], form: str) -> None:
    """Write weights in three files and an index."""
    if form == "model.safetensors":
        write_safetensors(folder / form, values, max_shard_size=1000)
        return
    stem, _, suffix = form.partition(".")
    where = {}
    for number in range(3):
        name = f"{stem}-{number + 1:05}-of-00003.{suffix}"
        names = [*values][number::3]
        # As TensorFlow's classes write it: the model's own name stands in the index alone.
        where.update({f"tf_bert_for_masked_lm/{each}" if suffix == "h5" else each: name for each in names})
        if suffix == "bin":
            write_torch_bin(folder / name, {each: values[each] for each in names})
            continue
        with h5py.File(folder / name, "w") as file:
            for each in names:
                file.create_dataset(each, data=values[each])
            file.attrs["layer_names"] = sorted(names)
    (folder / f"{form}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))


@pytest.mark.parametrize("form", ["whole", "stream", "model.safetensors", "pytorch_model.bin", "tf_model.h5"])
def test_sources(form: str, tmp_path: Path) -> None:
    """A whole file of PyTorch's, one of before 1.6, and shards."""
    values = arrays("predictions")
    source = write(tmp_path / "source", values)
    (source / "model.safetensors").unlink()
    files: list[Path] = [source]
    if form in ("whole", "stream"):
        files.append(source / "pytorch_model.bin")
        (write_torch_bin if form == "whole" else old_stream)(files[1], values)
    elif form == "tf_model.h5":
        readers = {name: (lambda array=array: array) for name, array in values.items()}
        layers = keras_layers(readers, WEIGHTS, "tf_bert_for_masked_lm").values()
        own = {name.partition("/")[2]: read_it() for layer in layers for name, read_it in layer.items()}
        sharded(source, own, form)
    else:
        sharded(source, values, form)
    for number, file in enumerate(files):
        report = convert(file, tmp_path / str(number), "safetensors")
        assert_same(read(report.destination), values)


@pytest.mark.parametrize("name", ["tf1", "tf1/model.ckpt", "tf1/model.ckpt.index"])
def test_tf1_sources(name: str, tmp_path: Path) -> None:
    values = arrays("predictions")
    convert(write(tmp_path / "source", values), tmp_path / "tf1", "tf1")
    back = convert(tmp_path / name, tmp_path / "back", "safetensors")
    assert back.source_format == "tf1"
    assert_same(read(back.destination), values)


# Types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float64])
@pytest.mark.parametrize("to", ["safetensors", "bin", "h5", "tf1"])
def test_types_that_a_format_lacks_are_widened(dtype: Any, to: Any, tmp_path: Path) -> None:
    values = arrays("answers", dtype=dtype)
    name = np.dtype(dtype).name
    source = write(tmp_path / "source", values, config={"torch_dtype": name})
    report = convert(source, tmp_path / "there", to)
    widened = (to == "tf1" and name != "float64") or (to == "h5" and name == "bfloat16")
    assert report.casts == (dict.fromkeys(values, (name, "float32")) if widened else {})
    wanted = {each: array.astype(np.float32) if widened else array for each, array in values.items()}
    assert_same(read(convert(tmp_path / "there", tmp_path / "back", "safetensors").destination), wanted)
    assert report.size == sum(array.nbytes for array in wanted.values())
    assert json.loads((tmp_path / "there/config.json").read_text())["torch_dtype"] == ("float32" if widened else name)


def test_types_that_are_asked_for(tmp_path: Path) -> None:
    values = arrays("answers")
    source = write(tmp_path / "source", values)
    report = convert(source, tmp_path / "half", "safetensors", dtype="bfloat16")
    assert report.casts == dict.fromkeys(values, ("float32", "bfloat16"))
    assert_same(read(report.destination), {name: array.astype(BFLOAT16) for name, array in values.items()})
    values["qa_outputs.bias"][0] = 1e5
    source = write(tmp_path / "large", values)
    with pytest.raises(ValueError, match=r"qa_outputs\.bias has numbers that are too large for float16"):
        convert(source, tmp_path / "there", "safetensors", dtype="float16")
    assert not (tmp_path / "there").exists()


# The destination ----------------------------------------------------------------------------------------------------


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    source = write(tmp_path / "source", arrays("answers"))
    for number, existing in enumerate(("config.json", "model.safetensors", "tf_model.h5", "checkpoint")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / existing).write_text("x")
        with pytest.raises(FileExistsError, match=f"holds {existing}: choose another folder"):
            convert(source, folder, "bin")
        assert os.listdir(folder) == [existing]
        assert (folder / existing).read_text() == "x"
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/README.md").write_text("x")
    convert(source, tmp_path / "notes", "bin")
    assert sorted(os.listdir(tmp_path / "notes")) == ["README.md", "config.json", "pytorch_model.bin"]


@pytest.mark.parametrize("older", ["safetensors", "bin", "h5", "tf1"])
@pytest.mark.parametrize("to", ["bin", "h5", "tf1"])
def test_what_is_replaced_is_not_read_again(to: Any, older: Any, tmp_path: Path) -> None:
    """Older weights of other formats are gone."""
    folder = tmp_path / "there"
    convert(write(tmp_path / "older", arrays()), folder, older)
    values = arrays("answers")
    report = convert(write(tmp_path / "source", values), folder, to, force=True)
    config = {"bert_config.json"} if older == "tf1" else set()
    assert {*os.listdir(folder)} == {*report.files} | config
    assert_same(read(convert(folder, tmp_path / "back", "safetensors").destination), values)


def test_a_conversion_that_fails_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "source", arrays("answers"))
    (source / "vocab.txt").write_text("[PAD]")
    folder = tmp_path / "there"
    convert(write(tmp_path / "older", arrays()), folder, "tf1")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*args: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr("tx_core.converting.conversion.shutil.copyfile", fail)
    for to in ("safetensors", "bin", "h5", "tf1"):
        with pytest.raises(OSError, match="no room"):
            convert(source, folder, to, force=True)  # type: ignore[arg-type]
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_tokenizers_files_go_along(tmp_path: Path) -> None:
    source = write(tmp_path / "source", arrays())
    files = {name: f"content of {name}" for name in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json")}
    for name, text in {**files, "training_args.bin": "x", "README.md": "x"}.items():
        (source / name).write_text(text)
    report = convert(source, tmp_path / "there", "h5")
    assert set(report.files) == {"config.json", "tf_model.h5", *files}
    assert sorted(os.listdir(tmp_path / "there")) == sorted(report.files)
    for name, text in files.items():
        assert (tmp_path / "there" / name).read_text() == text


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    source = write(tmp_path / "source", arrays("answers"))
    for to in ("safetensors", "bin", "h5", "tf1"):
        seen: list[tuple[int, int]] = []
        convert(source, tmp_path / to, to, progress=lambda done, total: seen.append((done, total)))  # type: ignore[arg-type] # noqa: B023
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
        assert seen[-1][0] == seen[-1][1]
        assert len({total for _, total in seen}) == 1


# For Google's programs ----------------------------------------------------------------------------------------------


def test_googles_names_and_files(tmp_path: Path) -> None:
    values = arrays("predictions", "answers")
    source = write(tmp_path / "source", values, config={"hidden_dropout_prob": 0.2})
    report = convert(source, tmp_path / "there", "tf1")
    assert report.destination == tmp_path / "there/model.ckpt"
    found = read(tmp_path / "there")  # by the file "checkpoint"
    for original, name, transposed in (
        ("bert/embeddings/word_embeddings", "bert.embeddings.word_embeddings.weight", False),
        ("bert/embeddings/LayerNorm/gamma", "bert.embeddings.LayerNorm.weight", False),
        ("bert/encoder/layer_0/attention/self/query/kernel", "bert.encoder.layer.0.attention.self.query.weight", True),
        ("bert/encoder/layer_1/intermediate/dense/kernel", "bert.encoder.layer.1.intermediate.dense.weight", True),
        ("bert/pooler/dense/bias", "bert.pooler.dense.bias", False),
        ("cls/predictions/output_bias", "cls.predictions.bias", False),
        ("cls/predictions/transform/LayerNorm/beta", "cls.predictions.transform.LayerNorm.bias", False),
        ("cls/squad/output_weights", "qa_outputs.weight", False),
    ):
        np.testing.assert_array_equal(found[original], values[name].T if transposed else values[name])
    config = json.loads((tmp_path / "there/bert_config.json").read_text())
    assert config == {
        **SIZES,
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.2,
        "initializer_range": 0.02,
        "max_position_embeddings": 16,
        "type_vocab_size": 2,
        "vocab_size": 20,
    }
    assert (tmp_path / "there/checkpoint").read_text().startswith('model_checkpoint_path: "model.ckpt"')


def test_googles_own_checkpoint(tmp_path: Path) -> None:
    """What comes back is what was there, without the optimizer's notes."""
    source = data_path("checkpoints/bert-tf1")
    report = convert(source, tmp_path / "there", "safetensors")
    assert (report.class_name, report.source_format) == ("BertForPreTraining", "tf1")
    assert all(name.endswith(("adam_m", "adam_v")) or name == "global_step" for name in report.dropped)
    convert(tmp_path / "there", tmp_path / "back", "tf1")
    wanted = {name: array for name, array in read(source / "bert_model.ckpt").items() if name not in report.dropped}
    assert_same(read(tmp_path / "back"), wanted)
    assert (tmp_path / "back/vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()
    configs = [json.loads((folder / "bert_config.json").read_text()) for folder in (source, tmp_path / "back")]
    assert configs[1] == {key: configs[0][key] for key in configs[1]}


def test_real_weights_to_googles_format_and_back(tmp_path: Path) -> None:
    source = minilm.folder()
    there = convert(source, tmp_path / "there", "tf1")
    assert (there.class_name, there.dropped, there.casts) == ("BertModel", ("embeddings.position_ids",), {})
    back = convert(tmp_path / "there", tmp_path / "back", "safetensors")
    wanted = read(source / "model.safetensors")
    del wanted["embeddings.position_ids"]
    assert_same(read(back.destination), wanted)


def test_what_training_left_is_dropped(tmp_path: Path) -> None:
    values = arrays("predictions")
    convert(write(tmp_path / "source", values), tmp_path / "tf1", "tf1")
    trained = read(tmp_path / "tf1")
    slots = {f"{name}/{slot}": array for name, array in trained.items() for slot in ("adam_m", "adam_v")}
    write_tf1(tmp_path / "tf1/model.ckpt", {**trained, **slots, "global_step": np.array(7, np.int64)})
    report = convert(tmp_path / "tf1", tmp_path / "back", "safetensors")
    assert set(report.dropped) == {*slots, "global_step"}
    assert_same(read(report.destination), values)


def test_keras_files_of_2019_and_later(tmp_path: Path) -> None:
    """The names in the file begin with those of the layer and the model; releases differ in both."""
    values = arrays("answers")
    report = convert(write(tmp_path / "source", values), tmp_path / "h5", "h5")
    names = read(report.destination)
    assert "bert/tf_bert_for_question_answering/bert/encoder/layer_._0/attention/self/query/kernel:0" in names
    layers: dict[str, dict[str, Array]] = {}
    for name, array in names.items():
        layer, _, weight = name.partition("/")
        layers.setdefault(layer, {})[weight.replace("answering", "answering_1", 1)] = array
    write_keras_h5(tmp_path / "h5/tf_model.h5", layers)
    assert_same(read(convert(tmp_path / "h5", tmp_path / "back", "safetensors").destination), values)
