"""Configurations: fields, JSON, what is refused, what is kept."""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import logging
import math
import pickle
import subprocess
import sys
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tx_core import architecture
from tx_core.checkpoints import Arguments, Checkpoint, CheckpointError
from tx_core.config import (
    ACTIVATIONS,
    MAX_FILE_BYTES,
    PretrainedConfig,
    check_activation,
    check_divisible,
    check_not_negative,
    check_positive,
    check_probability,
)
from tx_core.config_files import find_beside
from tx_core.files import Source
from tx_testing import clock
from tx_testing.originals import write_training


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    """A configuration with native names and aliases."""

    model_type = "toy"
    accepted_model_types = ("old-toy",)
    aliases = {"hidden_size": "n_embd", "num_attention_heads": "n_head", "num_hidden_layers": "n_layer"}  # noqa: RUF012

    vocab_size: int = 50
    n_embd: int = 8
    n_head: int = 2
    n_layer: int = 3
    act: str = "gelu"
    dropout: float = 0.1
    std: float = 0.02
    eos_token_id: int | list[int] | None = None

    def validate(self) -> None:
        super().validate()
        check_positive(self, "vocab_size", "n_embd", "n_head", "n_layer")
        check_activation(self, "act")
        check_probability(self, "dropout")
        check_not_negative(self, "std")

    def validate_relations(self) -> None:
        super().validate_relations()
        check_divisible(self, "n_embd", "n_head")


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def refused(config: type[PretrainedConfig] = ToyConfig, **values: Any) -> str:
    """The message with which these values are refused, the same from keywords and from a dictionary."""
    with pytest.raises(ValueError) as keywords:
        config(**values)
    with pytest.raises(ValueError) as dictionary:
        config.from_dict(values)
    assert str(keywords.value) == str(dictionary.value)
    return str(keywords.value)


# -- construction ------------------------------------------------------------------------------------------------------


def test_fields_are_plain_attributes() -> None:
    config = ToyConfig(n_embd=16, output_attentions=True)
    assert is_dataclass(config)
    assert config.__dict__["n_embd"] == 16
    assert config.__dict__["output_attentions"] is True
    assert {each.name for each in fields(config)} == {*config.__dict__}
    assert asdict(config)["n_embd"] == 16


def test_the_first_argument_is_the_size_of_the_vocabulary_or_a_file(tmp_path: Path) -> None:
    assert ToyConfig(7).vocab_size == 7
    assert ToyConfig(vocab_size_or_config_json_file=7).vocab_size == 7
    path = write(tmp_path / "toy.json", {"n_embd": 16})
    assert ToyConfig(str(path)).n_embd == 16
    assert ToyConfig(path, vocab_size=9).vocab_size == 9
    assert ToyConfig(vocab_size_or_config_json_file=str(path)) == ToyConfig(n_embd=16)
    with pytest.raises(TypeError, match=r"vocab_size is given twice: vocab_size_or_config_json_file=7, vocab_size=8"):
        ToyConfig(7, vocab_size=8)
    with pytest.raises(ValueError, match=r"vocab_size is 7\.0, expected int"):
        ToyConfig(7.0)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        ToyConfig(str(tmp_path / "none.json"))


def test_an_unknown_keyword_is_refused_with_the_nearest_field() -> None:
    with pytest.raises(TypeError, match=r"ToyConfig has no field 'n_emdb'; did you mean 'n_embd'\?"):
        ToyConfig(n_emdb=3)
    with pytest.raises(TypeError, match=r"no field 'hiden_size'; did you mean 'hidden_size'\?"):
        ToyConfig(hiden_size=3)
    with pytest.raises(TypeError, match="no field 'zzz'; it has act, dropout, eos_token_id, "):
        ToyConfig(zzz=3)


def test_keywords_that_nothing_reads_any_more_are_kept(tmp_path: Path) -> None:
    class Old(ToyConfig):
        unread = ("tie_weights_",)

    config = Old(tie_weights_=True, n_embd=16)
    assert config.tie_weights_ is True  # type: ignore[attr-defined]
    config.save_pretrained(tmp_path)
    assert Old.from_pretrained(tmp_path) == config
    with pytest.raises(TypeError, match="ToyConfig has no field 'tie_weights_'"):
        ToyConfig(tie_weights_=True)


def test_aliases_are_other_names() -> None:
    config = ToyConfig(hidden_size=16, num_attention_heads=4)
    assert (config.n_embd, config.n_head, config.num_hidden_layers) == (16, 4, 3)
    config.hidden_size = 32
    assert config.n_embd == 32
    assert "hidden_size" not in config.to_dict()
    assert ToyConfig.from_dict({"num_hidden_layers": 5}).n_layer == 5
    assert ToyConfig(hidden_size=16, n_embd=16).n_embd == 16
    assert refused(n_embd=16, hidden_size=32) == "n_embd=16 and hidden_size=32 are one field, n_embd: give one of them"


def test_defaults_are_not_shared() -> None:
    first, second = ToyConfig(), ToyConfig()
    first.pruned_heads[0] = [1]
    assert second.pruned_heads == {}
    heads = {0: [1]}
    third = ToyConfig(pruned_heads=heads)
    third.pruned_heads[0].append(0)
    assert heads == {0: [1]}


def test_the_signature_shows_the_fields() -> None:
    parameters = inspect.signature(ToyConfig).parameters
    assert [*parameters][:3] == ["vocab_size_or_config_json_file", "vocab_size", "n_embd"]
    assert parameters["n_embd"].default == 8
    assert parameters["n_embd"].annotation == "int"
    assert parameters["pruned_heads"].default == {}
    assert parameters["output_attentions"].kind is inspect.Parameter.KEYWORD_ONLY


def test_a_subclass_with_fields_has_to_be_a_dataclass() -> None:
    class Undecorated(ToyConfig):
        extra: int = 3

    class Plain(ToyConfig):
        model_type = "plain"

    with pytest.raises(TypeError, match=r"annotates extra but is no dataclass.*@dataclass\(init=False"):
        Undecorated()
    assert Plain(n_embd=16).to_dict()["model_type"] == "plain"


def test_a_field_of_an_unknown_type_is_a_mistake() -> None:
    @dataclass(init=False, eq=False, repr=False)
    class Wrong(PretrainedConfig):
        extra: complex = 3

    with pytest.raises(TypeError, match="cannot be annotated 'complex'"):
        Wrong()


def test_integers_of_other_libraries_become_pythons() -> None:
    class Integer:
        def __index__(self) -> int:
            return 16

    assert type(ToyConfig(n_embd=Integer()).n_embd) is int


# -- equality, copies ----------------------------------------------------------------------------------------------


def test_equality_is_by_class_and_content() -> None:
    class Other(ToyConfig):
        pass

    assert ToyConfig(n_embd=16) == ToyConfig(hidden_size=16)
    assert ToyConfig() != ToyConfig(n_embd=16)
    assert ToyConfig() != Other()
    assert ToyConfig() != ToyConfig().to_dict()
    changed: Any = ToyConfig()
    changed.note = "kept"
    assert changed != ToyConfig()
    with pytest.raises(TypeError, match="unhashable"):
        hash(ToyConfig())


def test_copies_and_pickles() -> None:
    config: Any = ToyConfig.from_dict({"n_embd": 16, "pruned_heads": {"0": [1]}, "nested": {"a": [1]}})
    for twin in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):  # noqa: S301
        assert twin == config
        assert not twin.has_field("nested")
        twin.pruned_heads[0].append(5)
        twin.nested["a"].append(2)
        assert config.pruned_heads == {0: [1]}
        assert config.to_dict()["nested"] == {"a": [1]}


def test_repr_shows_what_is_not_the_default() -> None:
    assert repr(ToyConfig()) == "ToyConfig()"
    config = ToyConfig.from_dict({"n_embd": 16, "note": "kept"})
    assert repr(config) == "ToyConfig(n_embd=16, note='kept')"


# -- JSON --------------------------------------------------------------------------------------------------------------


def test_json_is_sorted_and_complete() -> None:
    config = ToyConfig.from_dict({"n_embd": 16, "zebra": 1, "architectures": ["Toy"]})
    text = config.to_json_string()
    values = json.loads(text)
    assert text == json.dumps(values, indent=2, sort_keys=True) + "\n"
    assert values["model_type"] == "toy"
    assert values["zebra"] == 1
    assert values["n_embd"] == 16
    empty = {"id2label", "label2id", "problem_type", "finetuning_task", "eos_token_id"}
    assert {each.name for each in fields(config)} - empty <= {*values}


def test_fields_that_are_none_are_written_only_if_the_file_has_them(tmp_path: Path) -> None:
    @dataclass(init=False, eq=False, repr=False)
    class Padded(ToyConfig):
        pad_token_id: int | None = 0

    assert not [value for value in json.loads(Padded().to_json_string()).values() if value is None]
    config = Padded.from_dict({"eos_token_id": None, "own": None})
    config.pad_token_id = None  # the default is another, so this has to be written
    config.save_pretrained(tmp_path)
    for each in (config, copy.deepcopy(config), Padded.from_pretrained(tmp_path)):
        written = json.loads(each.to_json_string())
        assert {name for name, value in written.items() if value is None} == {"eos_token_id", "own", "pad_token_id"}
        assert each == config
    again = json.loads(Padded.from_dict(Padded().to_dict()).to_json_string())
    assert not [value for value in again.values() if value is None]


def test_round_trips(tmp_path: Path) -> None:
    config = ToyConfig(
        n_embd=16, pruned_heads={0: [1], -1: [0]}, id2label={0: "a", 1: "b", 2: "c"}, eos_token_id=[1, 2], std=0
    )
    config.to_json_file(tmp_path / "toy.json")
    for twin in (
        ToyConfig.from_dict(config.to_dict()),
        ToyConfig.from_dict(json.loads(config.to_json_string())),
        ToyConfig.from_json_file(tmp_path / "toy.json"),
        ToyConfig(str(tmp_path / "toy.json")),
    ):
        assert twin == config
        assert twin.pruned_heads == {0: [1], -1: [0]}
        assert twin.id2label == {0: "a", 1: "b", 2: "c"}
        assert twin.num_labels == 3
    assert (tmp_path / "toy.json").read_text(encoding="utf-8") == config.to_json_string()


# The keys of files as the hub has them, and some that no one uses.
FOREIGN = {
    "architectures": ["ToyForMaskedLM"],
    "torch_dtype": "float32",
    "dtype": "bfloat16",
    "transformers_version": "4.57.6",
    "use_cache": True,
    "gradient_checkpointing": False,
    "_name_or_path": "toy-base",
    "task_specific_params": {"text-generation": {"max_length": 50}},
    "directionality": "bidi",
    "pooler_fc_size": 768,
    "bos_token_id": None,
    "not-an-identifier": "ü",
    "infinite": math.inf,
}


def test_unknown_keys_are_kept_written_back_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tx_core.config"):
        config = ToyConfig.from_dict(FOREIGN)
    assert "architectures" in caplog.text
    assert "not-an-identifier" in caplog.text
    assert config.task_specific_params["text-generation"] == {"max_length": 50}  # type: ignore[attr-defined]
    assert FOREIGN.items() <= json.loads(config.to_json_string()).items()
    assert ToyConfig.from_dict(json.loads(config.to_json_string())) == config
    assert copy.deepcopy(config) == config


def test_nothing_is_logged_for_a_file_without_unknown_keys(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ToyConfig.from_dict(ToyConfig().to_dict())
    assert caplog.text == ""


def test_what_is_kept_is_a_copy() -> None:
    values: dict[str, Any] = {"nested": {"a": 1}}
    config = ToyConfig.from_dict(values)
    values["nested"]["a"] = 2
    assert config.to_dict()["nested"] == {"a": 1}
    config.to_dict()["nested"]["a"] = 3
    assert config.to_dict()["nested"] == {"a": 1}


def test_a_key_must_not_hide_a_method() -> None:
    with pytest.raises(ValueError, match=r"'to_dict' cannot be kept: ToyConfig\.to_dict has another meaning"):
        ToyConfig.from_dict({"to_dict": 1})


def test_model_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture, "_entry_points", dict)  # whatever is installed
    assert ToyConfig.from_dict({"model_type": "toy"}) == ToyConfig()
    assert ToyConfig.from_dict({"model_type": "old-toy"}).to_dict()["model_type"] == "toy"
    with pytest.raises(ValueError, match=r"'ctrl', but ToyConfig is the configuration of 'toy': pip install tx-ctrl"):
        ToyConfig.from_dict({"model_type": "ctrl"})
    with pytest.raises(ValueError, match=r"model_type is 'llama', .*: no package of tx reads it"):
        ToyConfig.from_dict({"model_type": "llama"})
    with pytest.raises(ValueError, match="model_type is 5"):
        ToyConfig.from_dict({"model_type": 5})
    assert PretrainedConfig.from_dict({"model_type": "llama"}).to_dict()["model_type"] == "llama"


def test_an_attribute_without_a_form_in_json_is_named() -> None:
    config: Any = ToyConfig()
    config.dtype = object()
    with pytest.raises(TypeError, match=r"ToyConfig\.dtype is <object .* cannot be written as JSON"):
        config.to_json_string()


def test_values_that_are_no_json_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content, message in (
        (b"{", "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"\xff\xfe{}", "is not valid JSON"),
        (b"[" * 100_000, "nests values deeper than 64 levels"),
        (b"[1]", r"holds \[1\], expected a JSON object"),
        (b"null", "holds None, expected a JSON object"),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "is not valid JSON"),
        (b'{"n_embd": 8, "n_embd": 16}', "is not valid JSON .'n_embd' is given twice, as 8 and as 16"),
        (b'{"n_embd": 16, "n_embd": 16}', "is not valid JSON .'n_embd' is given twice, as 16 and as 16"),
        (b'{"x": "' + b"y" * MAX_FILE_BYTES + b'"}', f"is larger than {MAX_FILE_BYTES} bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"config.json: {message}"):
            ToyConfig.from_json_file(path)
    path.write_bytes(b"\xef\xbb\xbf" + b'{"n_embd": 16}')
    assert ToyConfig.from_json_file(path).n_embd == 16


def test_errors_of_a_file_name_it(tmp_path: Path) -> None:
    for values, message in (
        ({"n_embd": "768"}, "n_embd is '768', expected int"),
        ({"hidden_size": "768"}, "hidden_size is '768', expected int"),
        ({"n_embd": -9}, "n_embd is -9, expected 1 to"),
        ({"model_type": "llama"}, "model_type is 'llama'"),
    ):
        path = write(tmp_path / "config.json", values)
        for read in (ToyConfig.from_json_file, ToyConfig.from_pretrained, ToyConfig):
            with pytest.raises(ValueError) as caught:
                read(str(path))
            assert str(caught.value).startswith(f"{path}: {message}")


# -- validation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values, message",
    [
        ({"n_embd": "8"}, "n_embd is '8', expected int"),
        ({"n_embd": True}, "n_embd is True, expected int"),
        ({"n_embd": 8.0}, "n_embd is 8.0, expected int"),
        ({"n_embd": None}, "n_embd is None, expected int"),
        ({"dropout": math.nan}, "dropout is nan, expected float"),
        ({"std": math.inf}, "std is inf, expected float"),
        ({"dropout": False}, "dropout is False, expected float"),
        ({"dropout": "0.1"}, "dropout is '0.1', expected float"),
        ({"act": 3}, "act is 3, expected str"),
        ({"output_attentions": 1}, "output_attentions is 1, expected bool"),
        ({"eos_token_id": [1, "2"]}, "eos_token_id is [1, '2'], expected int"),
        ({"pruned_heads": {"x": [1]}}, "pruned_heads is {'x': [1]}, expected int"),
        ({"pruned_heads": {"0": 1}}, "pruned_heads is {'0': 1}, expected list[int]"),
        ({"pruned_heads": [1]}, "pruned_heads is [1], expected dict[int, list[int]]"),
        ({"id2label": ["a"]}, "id2label is ['a'], expected dict[int, Any] | None"),
        ({"id2label": {"a": "b"}}, "id2label is {'a': 'b'}, expected int"),
        ({"vocab_size": 0}, "vocab_size is 0, expected 1 to 16777216"),
        ({"vocab_size": -5}, "vocab_size is -5, expected 1 to 16777216"),
        ({"vocab_size": 2**63}, "vocab_size is 9223372036854775808, expected int"),
        ({"vocab_size": -(10**5000)}, "vocab_size is -0x"),
        ({"eos_token_id": [10**5000]}, "eos_token_id is a list of huge numbers, expected int"),
        ({"std": 10**400}, "std is 1000"),
        ({"pruned_heads": {"00": [0]}}, "pruned_heads is {'00': [0]}, expected int"),
        ({"pruned_heads": {"9" * 5000: [0]}}, "pruned_heads is {'999"),
        ({"num_labels": 0}, "num_labels is 0, expected 1 to 16777216"),
        ({"dropout": 1.5}, "dropout is 1.5, expected a probability from 0 to 1"),
        ({"dropout": -0.1}, "dropout is -0.1, expected a probability from 0 to 1"),
        ({"std": -0.1}, "std is -0.1, expected 0 or more"),
        ({"problem_type": "guess"}, "problem_type is 'guess', expected one of None, 'regression', "),
    ],
)
def test_impossible_values_are_refused(values: dict[str, Any], message: str) -> None:
    assert refused(**values).startswith(message)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"n_embd": 9}, "n_embd is 9, which is not divisible by n_head, 2"),
        ({"pruned_heads": {3: [0]}}, "pruned_heads names layer 3, but num_hidden_layers is 3"),
        ({"pruned_heads": {-4: [0]}}, "pruned_heads names layer -4, but num_hidden_layers is 3"),
        ({"pruned_heads": {0: [2]}}, "pruned_heads names head 2 of layer 0, but num_attention_heads is 2"),
        ({"pruned_heads": {0: [-1]}}, "pruned_heads names head -1 of layer 0, but num_attention_heads is 2"),
        ({"pruned_heads": {2: [0], -1: [1]}}, "pruned_heads leaves none of the 2 heads of layer 2"),
    ],
)
def test_what_makes_no_model_is_a_configuration_all_the_same(
    values: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """Programs of 2019 make them and write them; it is models that are refused."""
    config = ToyConfig(**values)
    config.save_pretrained(tmp_path)
    config.to_json_file(tmp_path / "toy.json")
    for twin in (
        ToyConfig.from_pretrained(tmp_path),
        ToyConfig.from_json_file(tmp_path / "toy.json"),
        ToyConfig.from_dict(values),
        copy.deepcopy(config),
    ):
        assert twin == config
        with pytest.raises(ValueError) as caught:
            twin.validate_relations()
        assert str(caught.value).startswith(message)


SIZES = {"n_embd": 1 << 17, "n_head": 1 << 10, "n_layer": 1 << 10, "vocab_size": 1 << 24, "num_labels": 1 << 24}


@pytest.mark.parametrize("name", [*SIZES])
def test_sizes_have_bounds_that_can_be_lifted(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = SIZES[name]
    assert getattr(ToyConfig(**{name: largest}), name) == largest
    for value in (largest + 1, 2_000_000_000):
        path = write(tmp_path / "config.json", {name: value, "pruned_heads": {"0": [0]}})
        with pytest.raises(ValueError) as caught:
            ToyConfig.from_pretrained(tmp_path)
        cure = f"for a larger model set ToyConfig.limits = {{{name!r}: {value}}} first"
        assert str(caught.value) == f"{path}: {name} is {value}, expected 1 to {largest}; {cure}"
        with monkeypatch.context() as patch:
            patch.setattr(ToyConfig, "limits", {name: value})
            assert getattr(ToyConfig.from_pretrained(tmp_path), name) == value
    with pytest.raises(ValueError, match="'limits' cannot be kept"):
        ToyConfig.from_dict({"limits": {name: 2_000_000_000}})


def test_keys_that_collide_take_no_time() -> None:
    # As numbers, all of them would have the same hash, and a dictionary of them would compare each with each.
    keys = [str((2**61 - 1) * index) for index in range(1, 40_001)]
    with pytest.raises(ValueError, match=r"id2label is \{'2305843009213693951': 'x', .*, expected int"):
        ToyConfig.from_dict({"id2label": dict.fromkeys(keys, "x")})
    many = ToyConfig.from_dict({"id2label": {str(index): f"class {index}" for index in range(40_000)}})
    assert many.num_labels == 40_000


def test_many_pruned_heads_take_no_time() -> None:
    pruned = {layer: [0] * 300 for layer in range(-1024, 1024)}
    config = ToyConfig(n_layer=1024, pruned_heads=pruned)
    assert clock.processor_seconds(config.validate_relations) < clock.allowed(1)


def test_deep_values_are_refused() -> None:
    value: list[Any] = []
    for _ in range(500):
        value = [value]
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        ToyConfig.from_dict({"extra": value})


def test_an_unknown_activation_lists_those_there_are() -> None:
    message = refused(act="geluu")
    assert message.startswith("act is 'geluu', expected one of ")
    assert all(repr(name) in message for name in ACTIVATIONS)
    for name in ACTIVATIONS:
        assert ToyConfig(act=name).act == name


def test_edges_that_are_possible() -> None:
    config = ToyConfig(dropout=0, std=0, n_head=8, eos_token_id=3)
    assert (config.dropout, config.std, config.eos_token_id) == (0, 0, 3)
    assert ToyConfig(dropout=1.0).dropout == 1


def test_validate_sees_later_changes() -> None:
    config = ToyConfig()
    config.n_embd = 9
    config.validate()
    with pytest.raises(ValueError, match="n_embd is 9, which is not divisible by n_head, 2"):
        config.validate_relations()
    config.n_embd = "8"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="n_embd is '8', expected int"):
        config.validate()
    config.n_embd = 8
    config.pruned_heads = {"0": [1]}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r"pruned_heads is \{'0': \[1\]\}, expected int"):
        config.validate()


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(refused(n_embd="8" * 10_000)) < 200


def test_kept_heads() -> None:
    config = ToyConfig(n_embd=12, n_head=4, pruned_heads={0: [1], -1: [0, 3]})
    assert [config.kept_heads(layer) for layer in range(3)] == [[0, 2, 3], [0, 1, 2, 3], [1, 2]]


def test_has_field() -> None:
    config: Any = ToyConfig.from_dict({"note": "kept"})
    config.own = 1
    assert [config.has_field(name) for name in ("n_embd", "hidden_size", "own", "note", "other", "to_dict")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


# -- labels ------------------------------------------------------------------------------------------------------------


def test_names_of_classes_tell_their_number() -> None:
    assert ToyConfig.from_dict({"id2label": {"0": "a", "1": "b", "2": "c"}}).num_labels == 3
    config = ToyConfig.from_dict({"num_labels": 1, "id2label": {"0": "a"}, "label2id": {"a": 0}})
    assert (config.num_labels, config.id2label, config.label2id) == (1, {0: "a"}, {"a": 0})
    assert ToyConfig(label2id={"a": 0, "b": 1, "c": 2}).num_labels == 3
    assert ToyConfig(label2id={"a": 0, "A": 0, "b": 1}, num_labels=2).label2id == {"a": 0, "A": 0, "b": 1}
    config.id2label = {0: "x", 1: "y"}
    assert (config.num_labels, config.label2id) == (2, None)


def test_a_new_number_of_classes_drops_their_names() -> None:
    config: Any = ToyConfig(id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1})
    config.num_labels = 2
    assert config.id2label == {0: "a", 1: "b"}
    config.num_labels = 3
    assert (config.num_labels, config.id2label, config.label2id) == (3, None, None)


DEFAULT_IDS, DEFAULT_NAMES = {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}


@pytest.mark.parametrize("names", [("id2label", "label2id"), ("id2label",), ("label2id",)])
@pytest.mark.parametrize("count", [1, 50])
def test_a_count_holds_beside_default_names(names: tuple[str, ...], count: int, tmp_path: Path) -> None:
    labels: dict[str, Any] = {"id2label": DEFAULT_IDS, "label2id": DEFAULT_NAMES}
    given = {name: labels[name] for name in names}
    write(tmp_path / "config.json", {"num_labels": count, **given})
    for config in (
        ToyConfig(num_labels=count, **given),
        ToyConfig(**given, num_labels=count),
        ToyConfig.from_dict({**given, "num_labels": count}),
        ToyConfig.from_pretrained(tmp_path),
        ToyConfig.from_json_file(tmp_path / "config.json"),
    ):
        assert (config.num_labels, config.id2label, config.label2id) == (count, None, None)
        config.save_pretrained(tmp_path / "again")
        assert ToyConfig.from_pretrained(tmp_path / "again") == config
    assert ToyConfig(**given, num_labels=2).to_dict().items() >= given.items()


@pytest.mark.parametrize(
    "values, message",
    [
        ({"num_labels": 3, "id2label": {0: "a"}}, "num_labels is 3 but id2label names 1 classes"),
        ({"label2id": {"a": 0, "b": 1}, "num_labels": 3}, "num_labels is 3 but label2id names 2 classes"),
        ({"label2id": {"a": 0}, "id2label": {0: "a", 1: "b"}}, "id2label names 2 but label2id names 1 classes"),
        ({"num_labels": 2, "id2label": {0: "LABEL_0", 1: "LABEL_1", 2: "other"}}, "num_labels is 2 but id2label"),
    ],
)
def test_chosen_names_that_contradict_are_refused(values: dict[str, Any], message: str) -> None:
    for each in (values, dict(reversed(values.items()))):
        assert refused(**each).startswith(message)


def test_chosen_names_hold_beside_default_ones() -> None:
    config = ToyConfig(id2label={0: "a", 1: "b", 2: "c"}, label2id=DEFAULT_NAMES)
    assert (config.num_labels, config.label2id) == (3, None)
    config = ToyConfig(id2label=DEFAULT_IDS, label2id={"a": 0, "b": 1, "c": 2})
    assert (config.num_labels, config.id2label) == (3, None)


def test_new_names_drop_the_numbers_of_the_old(tmp_path: Path) -> None:
    ToyConfig(id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1}).save_pretrained(tmp_path)
    assert ToyConfig.from_pretrained(tmp_path, id2label={0: "x", 1: "y"}).label2id is None
    assert ToyConfig.from_pretrained(tmp_path, id2label={0: "a", 1: "b"}).label2id == {"a": 0, "b": 1}


# -- from_pretrained, save_pretrained ------------------------------------------------------------------------------


def test_save_and_load(tmp_path: Path) -> None:
    config = ToyConfig(n_embd=16, num_labels=5)
    config.save_pretrained(tmp_path / "new" / "folder")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["config.json"]
    assert ToyConfig.from_pretrained(tmp_path / "new" / "folder") == config
    assert ToyConfig.from_pretrained(str(tmp_path / "new" / "folder" / "config.json")) == config
    config.save_pretrained(tmp_path / "new" / "folder")


def test_keywords_replace_what_the_file_has(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"n_embd": 16, "id2label": {"0": "a"}, "note": 1, "act": "unknown"})
    config, unused = ToyConfig.from_pretrained(
        tmp_path,
        return_unused_kwargs=True,
        num_labels=3,
        num_attention_heads=4,
        note=2,  # only the file knows what this is
        act="relu",
        other=3,
        cache_dir="x",
    )
    assert (config.num_labels, config.id2label, config.n_head, config.act) == (3, None, 4, "relu")
    assert config.to_dict()["note"] == 1
    assert unused == {"note": 2, "other": 3}
    with pytest.raises(TypeError, match="ToyConfig has no field 'note'"):
        ToyConfig.from_pretrained(tmp_path, act="relu", note=2)


def test_a_users_own_attributes_are_keywords(tmp_path: Path) -> None:
    class Own(ToyConfig):
        def __init__(self, extra: int = 3, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.extra = extra

    Own(extra=4, n_embd=16).save_pretrained(tmp_path)
    assert Own.from_pretrained(tmp_path).extra == 4
    changed = Own.from_pretrained(tmp_path, extra=5)
    assert (changed.extra, changed.n_embd) == (5, 16)
    assert changed.has_field("extra")
    assert changed.changed({"extra": 6}).extra == 6


def test_changed_is_a_copy() -> None:
    config = ToyConfig(id2label={0: "a"})
    twin = config.changed({"num_labels": 3, "hidden_size": 16})
    assert (twin.num_labels, twin.id2label, twin.n_embd) == (3, None, 16)
    assert config == ToyConfig(id2label={0: "a"})
    with pytest.raises(ValueError, match="n_embd is 'x', expected int"):
        config.changed({"n_embd": "x"})


def test_names_of_classes_in_a_call_tell_their_number(tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"n_embd": 16})
    assert ToyConfig.from_pretrained(tmp_path, act="tanh", id2label={0: "x", 1: "y"}).num_labels == 2


def test_an_unused_keyword_is_refused(tmp_path: Path) -> None:
    ToyConfig().save_pretrained(tmp_path)
    with pytest.raises(TypeError, match="ToyConfig has no field 'output_attention'; did you mean 'output_attentions'"):
        ToyConfig.from_pretrained(tmp_path, output_attention=True)


def test_a_folder_without_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no config\.json: pass config=ToyConfig\(\.\.\.\)"):
        ToyConfig.from_pretrained(tmp_path)


def test_other_file_names(tmp_path: Path) -> None:
    class Named(ToyConfig):
        file_names = ("config.json", "toy_config.json")

    write(tmp_path / "toy_config.json", {"n_embd": 32})
    assert Named.from_pretrained(tmp_path).n_embd == 32
    Named(n_embd=16).save_pretrained(tmp_path)
    assert Named.from_pretrained(tmp_path).n_embd == 16


@dataclass(init=False, eq=False, repr=False)
class OriginalConfig(ToyConfig):
    """A configuration whose authors keep it beside the weights."""

    checkpoint_names = ("model.pt", "last.pt")

    def _values_of(self, checkpoint: Checkpoint) -> dict[str, Any]:
        arguments = Arguments(checkpoint.path, checkpoint.note("args") or {}, "its args")
        return {"n_layer": arguments.count("layers"), "act": arguments.choice("act", ("gelu", "relu"), "relu")}


def write_args(path: Path, **args: Any) -> None:
    write_training(path, {"w": np.zeros(2, np.float32)}, args=argparse.Namespace(**args))


def test_a_configuration_that_lies_in_the_authors_checkpoint(tmp_path: Path) -> None:
    write_args(tmp_path / "last.pt", layers=7)
    write_args(tmp_path / "other.pt", layers=5, act="gelu")
    for path, layers, act in (("", 7, "relu"), ("last.pt", 7, "relu"), ("other.pt", 5, "gelu")):
        config = OriginalConfig.from_pretrained(tmp_path / path, dropout=0.5)
        assert (config.n_layer, config.act, config.dropout) == (layers, act, 0.5)
    assert find_beside(OriginalConfig, tmp_path / "other.pt", Source()) == tmp_path / "other.pt"
    ToyConfig(n_layer=2).save_pretrained(tmp_path)
    assert OriginalConfig.from_pretrained(tmp_path).n_layer == 2
    assert find_beside(OriginalConfig, tmp_path / "other.pt", Source()) == tmp_path / "config.json"
    with pytest.raises(ValueError, match=r"last\.pt"):
        ToyConfig.from_pretrained(tmp_path / "last.pt")
    (tmp_path / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no config\.json: pass"):
        ToyConfig.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"has no config\.json or model\.pt or last\.pt: pass"):
        OriginalConfig.from_pretrained(tmp_path, subfolder="none")


@pytest.mark.parametrize(
    "args, message",
    [
        ({}, r"last\.pt: its args do not say layers: pass config="),
        ({"layers": 0}, r"last\.pt: its args say that layers is 0, expected a number of at least 1"),
        ({"layers": "12"}, "layers is '12', expected"),
        ({"layers": True}, "layers is True, expected"),
        ({"layers": None}, "layers is None, expected"),
        ({"layers": 1 << 40}, "n_layer is 1099511627776, expected 1 to 1024"),
        ({"layers": 1, "act": "selu"}, "act is 'selu', expected one of 'gelu', 'relu'"),
        ({"layers": 1, "act": ["gelu"]}, "act is .'gelu'., expected one of"),
    ],
)
def test_impossible_arguments_of_a_training_are_named(args: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_args(tmp_path / "last.pt", **args)
    with pytest.raises(ValueError, match=message):
        OriginalConfig.from_pretrained(tmp_path)


def test_arguments_are_checked(tmp_path: Path) -> None:
    arguments = Arguments(tmp_path, {"p": 1, "q": 1.5, "r": True, "i": 0, "j": -1, "nan": math.nan}, "params")
    assert arguments.probability("p", 0) == 1
    assert arguments.probability("none", 0.25) == 0.25
    assert (arguments.index("i", 3), arguments.index("none", 3)) == (0, 3)
    assert (arguments.flag("r", False), arguments.flag("none", True)) == (True, True)
    for name in ("q", "r", "nan"):
        with pytest.raises(CheckpointError, match=f"params say that {name} is .*, expected a probability from 0 to 1"):
            arguments.probability(name, 0)
    with pytest.raises(CheckpointError, match="j is -1, expected a number from 0 on"):
        arguments.index("j", 0)
    with pytest.raises(CheckpointError, match="p is 1, expected True or False"):
        arguments.flag("p", True)


def test_saving_to_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(NotADirectoryError, match="file is a file; save_pretrained wants a folder"):
        ToyConfig().save_pretrained(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    config: Any = ToyConfig()
    config.save_pretrained(tmp_path)
    config.note = object()
    with pytest.raises(TypeError):
        config.save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert ToyConfig.from_pretrained(tmp_path) == ToyConfig()


def test_importing_configurations_is_cheap() -> None:
    code = "import sys, tx_core.config; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"json", "typing", "numpy", "requests", "importlib.metadata", "torch", "pathlib"} & {*loaded}
