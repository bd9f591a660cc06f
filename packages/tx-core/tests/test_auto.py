"""The Auto classes, tried with a toy architecture: what they resolve and what they hand on."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import tx_core
from tx_core import architecture, auto, lazy
from tx_core.architecture import Architecture, Task
from tx_core.auto import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelWithLMHead,
    AutoTokenizer,
    TFAutoModel,
    TFAutoModelForCausalLM,
    TFAutoModelForQuestionAnswering,
    TFAutoModelWithLMHead,
)
from tx_core.config import PretrainedConfig


@dataclass(init=False, eq=False, repr=False)
class ToyConfig(PretrainedConfig):
    model_type = "toy-gpt"
    file_names = ("config.json", "toy.json")

    vocab_size: int = 5


class Recorder:
    """Stands for a tokenizer or model class: instances remember how they were made."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.how: Any = ("constructor", arguments, keywords)

    @classmethod
    def from_pretrained(cls, *arguments: Any, **keywords: Any) -> Any:
        made = cls()
        made.how = ("from_pretrained", arguments, keywords)
        return made


class ToyTokenizer(Recorder):
    pass


class ToyModel(Recorder):
    pass


class ToyForMaskedLM(Recorder):
    pass


class TFToyModel(Recorder):
    pass


class TFToyForMaskedLM(Recorder):
    pass


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes "toy-gpt" the one architecture that is installed."""
    record = Architecture("toy_auto", "toy-gpt", "Toy", "toy", {Task.BASE: "Model", Task.MASKED_LM: "ForMaskedLM"})
    homes = {
        "": {"ARCHITECTURE": record},
        ".config": {"ToyConfig": ToyConfig},
        ".tokenizer": {"ToyTokenizer": ToyTokenizer},
        ".model_torch": {"ToyModel": ToyModel, "ToyForMaskedLM": ToyForMaskedLM},
        ".model_tf": {"TFToyModel": TFToyModel, "TFToyForMaskedLM": TFToyForMaskedLM},
    }
    for home, members in homes.items():
        module = ModuleType(f"toy_auto{home}")
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    # Whether a framework is here does not matter.
    monkeypatch.setattr(lazy, "require", lambda module, name, package="": None)

    class Point:
        value = "toy_auto:ARCHITECTURE"

    monkeypatch.setattr(architecture, "_entry_points", lambda: {"toy-gpt": Point()})


def folder(path: Path, **values: Any) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(values))
    return path


CONFIG = ToyConfig()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return folder(tmp_path / "saved", model_type="toy-gpt", vocab_size=7)


def test_the_file_tells_the_architecture(saved: Path) -> None:
    config = AutoConfig.from_pretrained(saved)
    assert config == ToyConfig(7)
    assert AutoConfig.from_pretrained(str(saved / "config.json")) == config
    assert AutoConfig.from_pretrained(saved, vocab_size=9, revision="main").vocab_size == 9
    assert AutoConfig.from_pretrained(saved, other=1, return_unused_kwargs=True) == (config, {"other": 1})
    with pytest.raises(TypeError, match="no field 'vocab_sise'"):
        AutoConfig.from_pretrained(saved, vocab_sise=1)


def test_the_tokenizer_gets_what_was_given(saved: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(saved, 1, do_lower_case=False, cache_dir="x")
    assert type(tokenizer) is ToyTokenizer
    assert tokenizer.how == ("from_pretrained", (saved, 1), {"do_lower_case": False, "cache_dir": "x"})


@pytest.mark.parametrize("name", ["ToyTokenizer", "ToyTokenizerFast"])
@pytest.mark.parametrize("others", [{}, {"model_type": "bert"}, {"tokenizer_class": "BertTokenizer"}, None], ids=str)
def test_the_file_of_the_tokenizer_tells_its_class(tmp_path: Path, name: str, others: dict[str, str] | None) -> None:
    path = folder(tmp_path / "some", **(others or {}))
    if others is None:
        (path / "config.json").unlink()
    (path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    (path / "vocab.txt").touch()
    for where in (path, path / "vocab.txt"):
        assert AutoTokenizer.from_pretrained(where).how == ("from_pretrained", (where,), {})


def test_the_configuration_tells_the_class_of_the_tokenizer(tmp_path: Path, saved: Path) -> None:
    path = folder(tmp_path / "some", model_type="bert", tokenizer_class="ToyTokenizerFast")
    (path / "tokenizer.json").touch()
    for where in (path, path / "tokenizer.json", saved):
        assert type(AutoTokenizer.from_pretrained(where)) is ToyTokenizer
    (saved / "tokenizer.json").touch()
    assert type(AutoTokenizer.from_pretrained(saved / "tokenizer.json")) is ToyTokenizer
    config = ToyConfig()
    config.tokenizer_class = "BertTokenizer"
    with pytest.raises(ImportError, match="pip install tx-bert"):
        AutoTokenizer.from_pretrained(saved, config=config)
    (saved / "tokenizer_config.json").write_text('{"tokenizer_class": "ToyTokenizer"}')
    assert type(AutoTokenizer.from_pretrained(saved, config=config)) is ToyTokenizer


def test_a_class_for_any_tokenizer_tells_nothing(saved: Path) -> None:
    for name in ("PreTrainedTokenizerFast", "TokenizersBackend", None):
        (saved / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
        assert type(AutoTokenizer.from_pretrained(saved)) is ToyTokenizer


@pytest.mark.parametrize("name", ["BertJapaneseTokenizer", 3, ["BertTokenizer"], ""])
def test_an_unknown_class_of_tokenizer_is_refused(saved: Path, name: object) -> None:
    (saved / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    with pytest.raises(
        ValueError, match=r"tokenizer_config\.json: tx has no tokenizer of the tokenizer_class .*it has Be"
    ):
        AutoTokenizer.from_pretrained(saved)
    (saved / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizerFast"}')
    with pytest.raises(ImportError, match="pip install tx-roberta"):
        AutoTokenizer.from_pretrained(saved)


def test_a_configuration_tells_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "nowhere", config=ToyConfig())
    assert tokenizer.how == ("from_pretrained", (tmp_path / "nowhere",), {})


def test_the_model_gets_what_was_given_and_the_file_that_was_found(saved: Path) -> None:
    model = AutoModel.from_pretrained(saved, 1, dtype="bfloat16", vocab_size=9, cache_dir="x")
    assert type(model) is ToyModel
    assert model.how == (
        "from_pretrained",
        (saved, 1),
        {"dtype": "bfloat16", "vocab_size": 9, "cache_dir": "x", "config": saved / "config.json"},
    )
    assert type(AutoModelWithLMHead.from_pretrained(saved)) is ToyForMaskedLM
    assert type(TFAutoModel.from_pretrained(saved)) is TFToyModel


def test_the_name_of_the_first_argument(saved: Path) -> None:
    """That of 2019, which is today's too."""
    named = {"pretrained_model_name_or_path": str(saved)}
    assert AutoConfig.from_pretrained(**named) == ToyConfig.from_pretrained(**named) == ToyConfig(7)
    assert AutoTokenizer.from_pretrained(**named).how[1] == (str(saved),)
    assert AutoModel.from_pretrained(**named).how[1] == TFAutoModel.from_pretrained(**named).how[1] == (str(saved),)


def test_a_configuration_tells_the_model(tmp_path: Path, saved: Path) -> None:
    config = ToyConfig()
    model = AutoModel.from_pretrained("some.ckpt.index", from_tf=True, config=config)
    assert model.how == ("from_pretrained", ("some.ckpt.index",), {"from_tf": True, "config": config})
    model = AutoModel.from_pretrained(tmp_path / "weights.bin", config=str(saved))
    assert model.how == ("from_pretrained", (tmp_path / "weights.bin",), {"config": saved / "config.json"})


def test_a_file_of_weights_has_its_configuration_beside_it(saved: Path) -> None:
    (saved / "weights.bin").touch()
    (saved / "model.ckpt.index").touch()
    for name in ("weights.bin", "model.ckpt", "model.ckpt.index"):
        model = AutoModel.from_pretrained(saved / name)
        assert model.how[1:] == ((saved / name,), {"config": saved / "config.json"})


def test_from_config(saved: Path) -> None:
    config = ToyConfig()
    assert AutoModel.from_config(config).how == ("constructor", (config,), {})


def test_a_task_without_a_class_lists_the_classes(saved: Path) -> None:
    with pytest.raises(
        ValueError,
        match=r"'toy-gpt' has no class for AutoModelForQuestionAnswering .*; it has ToyModel, ToyForMaskedLM",
    ):
        AutoModelForQuestionAnswering.from_pretrained(saved)
    with pytest.raises(ValueError, match="no class for AutoModelForSequenceClassification"):
        AutoModelForSequenceClassification.from_config(ToyConfig())


# -- several classes for a task ----------------------------------------------------------------------------------------


def architecture_of(monkeypatch: pytest.MonkeyPatch, **ends: str) -> None:
    """Gives the toy the classes of these tasks, and no others."""
    tasks = {Task[task]: end for task, end in ends.items()}
    record = Architecture("toy_auto", "toy-gpt", "Toy", "toy", tasks, {"toys-base": "makers/toys"})
    monkeypatch.setattr(sys.modules["toy_auto"], "ARCHITECTURE", record)
    for end in ends.values():
        for module, start in (("model_torch", "Toy"), ("model_tf", "TFToy")):
            name = start + end
            monkeypatch.setattr(sys.modules[f"toy_auto.{module}"], name, type(name, (Recorder,), {}), raising=False)


def name_of(auto: Any, path: Path, **keywords: Any) -> str:
    """The class that is chosen for a folder, and for its configuration."""
    name = type(auto.from_pretrained(path, **keywords)).__name__
    config = AutoConfig.from_pretrained(path, **keywords)
    assert type(auto.from_config(config)).__name__ == name
    assert type(auto.from_pretrained("weights.bin", config=config)).__name__ == name
    return name


BEAM, SIMPLE = "ForQuestionAnswering", "ForQuestionAnsweringSimple"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (None, SIMPLE),
        ([f"Toy{SIMPLE}"], SIMPLE),
        ([f"Toy{BEAM}"], BEAM),
        ([f"TFToy{BEAM}"], BEAM),
        (["ToyModel", f"Toy{BEAM}", f"Toy{SIMPLE}"], BEAM),
        (["ToyModel"], SIMPLE),
        ([f"Other{BEAM}", None, 3], SIMPLE),
        (f"Toy{BEAM}", SIMPLE),  # no list
    ],
)
def test_the_class_that_wrote_the_file_decides_between_two(
    written: object, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture_of(monkeypatch, BASE="Model", BEAM_QUESTION_ANSWERING=BEAM, QUESTION_ANSWERING=SIMPLE)
    path = folder(tmp_path / "a", model_type="toy-gpt", **({} if written is None else {"architectures": written}))
    assert name_of(AutoModelForQuestionAnswering, path) == f"Toy{wanted}"
    assert name_of(TFAutoModelForQuestionAnswering, path) == f"TFToy{wanted}"
    assert name_of(AutoModel, path) == "ToyModel"


def test_a_class_for_answers_by_a_beam_serves_where_it_is_the_only_one(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    architecture_of(monkeypatch, BEAM_QUESTION_ANSWERING=BEAM)
    assert name_of(AutoModelForQuestionAnswering, saved) == f"Toy{BEAM}"


def test_the_class_that_wrote_the_file_does_not_replace_one_that_fits_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published files of whole pretrained models name classes of one head alone."""
    architecture_of(monkeypatch, PRETRAINING="ForPreTraining", MASKED_LM="ForMaskedLM", CAUSAL_LM="LMHeadModel")
    path = folder(tmp_path / "a", model_type="toy-gpt", architectures=["ToyForMaskedLM"])
    assert name_of(AutoModelForPreTraining, path) == "ToyForPreTraining"
    assert name_of(AutoModelForMaskedLM, path) == "ToyForMaskedLM"
    assert name_of(AutoModelForCausalLM, path) == "ToyLMHeadModel"
    assert name_of(AutoModelWithLMHead, path) == "ToyForMaskedLM"
    assert name_of(TFAutoModelWithLMHead, folder(tmp_path / "b", model_type="toy-gpt")) == "TFToyLMHeadModel"


def test_a_masked_language_model_is_a_causal_one_as_a_decoder(tmp_path: Path, saved: Path) -> None:
    decoder = folder(tmp_path / "a", model_type="toy-gpt", is_decoder=True)
    assert name_of(AutoModelForCausalLM, decoder) == "ToyForMaskedLM"
    assert name_of(AutoModelForCausalLM, saved, is_decoder=True) == "ToyForMaskedLM"
    for call, argument in ((AutoModelForCausalLM.from_pretrained, saved), (AutoModelForCausalLM.from_config, CONFIG)):
        with pytest.raises(
            ValueError,
            match=r"'toy-gpt' has no class for AutoModelForCausalLM \(task causal-lm\) but ToyForMaskedLM as a "
            r"decoder: say is_decoder=True, as keywords .*; else use AutoModelForMaskedLM",
        ):
            call(argument)
    with pytest.raises(ValueError, match=r"but TFToyForMaskedLM as a decoder: .*; else use TFAutoModelForMaskedLM"):
        TFAutoModelForCausalLM.from_pretrained(decoder, is_decoder=False)


def test_what_can_be_no_decoder_is_no_causal_language_model(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def validate(self: ToyConfig) -> None:
        if self.is_decoder:
            raise ValueError("an encoder only")

    monkeypatch.setattr(ToyConfig, "validate", validate)
    with pytest.raises(
        ValueError, match=r"no class for AutoModelForCausalLM \(task causal-lm\); it has ToyModel, ToyForMaskedLM$"
    ):
        AutoModelForCausalLM.from_pretrained(saved)


@pytest.mark.parametrize("wrong", ["bert-base-uncased", None, {"model_type": "toy-gpt"}])
def test_from_config_wants_a_configuration(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"AutoModel\.from_config takes a configuration, not .*; AutoConfig"):
        AutoModel.from_config(wrong)


# -- the rule of 2019 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["toy-gpt-small", "my_Toy-GPT/", "toy-gpt/checkpoint-500", "bert/toy-gpt-2"])
def test_without_model_type_the_name_tells(tmp_path: Path, name: str) -> None:
    path = folder(tmp_path / "x" / name, vocab_size=7)
    where = f"{path}/" if name.endswith("/") else str(path)
    assert AutoConfig.from_pretrained(where) == ToyConfig(7)


def test_a_folder_without_config_json_leaves_the_search_to_the_class(tmp_path: Path) -> None:
    path = tmp_path / "toy-gpt"
    path.mkdir()
    (path / "toy.json").write_text('{"vocab_size": 8}')
    assert AutoConfig.from_pretrained(path).vocab_size == 8
    assert AutoModel.from_pretrained(path).how == ("from_pretrained", (path,), {})
    assert type(AutoTokenizer.from_pretrained(path)) is ToyTokenizer


@pytest.mark.parametrize(
    "name, found",
    [
        ("bert-base-uncased", "bert"),
        ("distilbert-base-uncased", "distilbert"),
        ("roberta-large", "roberta"),
        ("org/openai-gpt", "openai-gpt"),
        ("toy-gpt2", "toy-gpt"),
        ("xlnet-base-cased", "xlnet"),
        ("xlm-mlm-en-2048", "xlm"),
        ("transfo-xl-wt103", "transfo-xl"),
        ("ctrl", "ctrl"),
        ("dbmdz/bert-base-german-cased", "bert"),
        ("distilroberta-base", "roberta"),
        ("distilgpt2", "gpt2"),
        ("openai-gpt", "openai-gpt"),
        ("xlm-mlm-ende-1024", "xlm"),
        ("bert/xlnet", "xlnet"),
        ("https://host/bert/xlnet-base-cased-config.json", "xlnet"),
        ("https://host/bert-small/config.json", "bert"),
        ("/home/bert/models/gpt2-small", "gpt2"),
        ("/home/bert/models/mine", None),
        ("bert/mine", None),
        ("C:\\bert\\distilbert", "distilbert"),
        ("./bert/checkpoint-500", "bert"),
        ("./bert/checkpoint-500/", "bert"),
        ("./bert-checkpoint/last", None),
        ("gpt2/bert-checkpoint/checkpoint-best", "bert"),
        ("something", None),
        ("checkpoint-500", None),
        ("/", None),
        ("", None),
        # Published by the toy, by these names alone.
        ("toys-base", "toy-gpt"),
        ("makers/toys", "toy-gpt"),
        ("clones/toys-base/", "toy-gpt"),
        ("makers/toys-bert", "bert"),
        ("toys", None),
    ],
)
def test_of_the_last_part_the_longest_name_wins(name: str, found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    architecture_of(monkeypatch, BASE="Model")
    assert auto._from_name(name) == found


def test_a_file_is_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "toy-gpt-2" / "checkpoint-1")
    (path / "weights.bin").touch()
    (path / "model.ckpt.index").touch()
    for name in ("config.json", "weights.bin", "model.ckpt"):
        assert auto._from_name(str(path / name)) == "toy-gpt"
        assert type(AutoModel.from_pretrained(path / name)) is ToyModel
    (path / "bert.bin").touch()
    assert auto._from_name(str(path / "bert.bin")) == "bert"
    monkeypatch.chdir(path)
    assert auto._from_name("weights.bin") is None


def test_the_name_of_another_architecture_is_not_mistaken(tmp_path: Path) -> None:
    for name in ("albert-base-v2", "camembert-base", "flaubert", "xlm-roberta-base"):
        path = folder(tmp_path / name)
        with pytest.raises(
            ValueError, match=r"config\.json has no model_type and the name contains '(.*)', which is none"
        ):
            AutoConfig.from_pretrained(path)
    path = folder(tmp_path / "albert" / "toy-gpt")
    assert AutoConfig.from_pretrained(path) == ToyConfig()


def test_an_unknown_name_says_what_was_looked_for(tmp_path: Path) -> None:
    path = folder(tmp_path / "something")
    with pytest.raises(ValueError, match=r"config\.json has no model_type and the name contains none of bert, .*xlnet"):
        AutoModel.from_pretrained(path)
    (path / "config.json").unlink()
    with pytest.raises(ValueError, match=r"it has no config\.json and the name contains none of"):
        AutoTokenizer.from_pretrained(path)


# -- errors ------------------------------------------------------------------------------------------------------------


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    for path in (folder(tmp_path / "a", model_type="gpt2"), folder(tmp_path / "gpt2")):
        for cls in (AutoConfig, AutoTokenizer, AutoModel, TFAutoModel):
            with pytest.raises(ImportError, match="pip install tx-gpt2"):
                cls.from_pretrained(path)


def test_an_architecture_that_tx_has_not_is_named_with_the_file(tmp_path: Path) -> None:
    path = folder(tmp_path / "bert-like", model_type="llama")
    with pytest.raises(ValueError, match=r"config\.json: tx has no architecture 'llama'"):
        AutoModel.from_pretrained(path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = folder(tmp_path / "toy-gpt")
    (path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: is not valid JSON"):
        AutoConfig.from_pretrained(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        AutoConfig.from_pretrained(tmp_path / "nowhere")


def test_they_have_no_instances() -> None:
    for name in tx_core.EXPORTS["auto"]:
        with pytest.raises(TypeError, match=f"{name} has no instances: use {name}.from_pretrained"):
            getattr(tx_core, name)()


def test_every_class_has_its_twin() -> None:
    names = {name for name in tx_core.EXPORTS["auto"] if "Model" in name}
    torch = {name for name in names if not name.startswith("TF")}
    assert names - torch == {f"TF{name}" for name in torch}
    for name in torch:
        assert getattr(auto, name)._tasks == getattr(auto, f"TF{name}")._tasks
