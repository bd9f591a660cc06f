"""Architectures are found by entry point, and only the one that is asked for is imported."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tx_core import architecture, lazy
from tx_core.architecture import Architecture, Task, cure, find, installed, load, publisher

Install = Callable[..., None]

RECORD = """
from tx_core.architecture import Architecture, Task
ARCHITECTURE = Architecture("{module}", "{model_type}", "Toy", "toy", {{Task.BASE: "Model"}})
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a toy distribution that offers an architecture."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, model_type: str, code: str | None = None, attribute: str = "ARCHITECTURE") -> None:
        module = name.replace("-", "_")
        code = RECORD.format(model_type=model_type, module=module) if code is None else code
        (tmp_path / f"{module}.py").write_text(code)
        information = tmp_path / f"{module}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[tx.architectures]\n{model_type} = {module}:{attribute}\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def test_only_the_architecture_asked_for_is_imported(install: Install) -> None:
    install("toy-one-arch", "toy-one")
    install("toy-broken-arch", "toy-broken", "raise RuntimeError('imported')")
    assert {"toy-one", "toy-broken"} <= {*installed()}
    assert installed() == sorted(installed())
    record = find("toy-one")
    assert record == Architecture("toy_one_arch", "toy-one", "Toy", "toy", {Task.BASE: "Model"})
    with pytest.raises(RuntimeError, match="imported"):
        find("toy-broken")


def test_what_is_installed_meanwhile_is_found(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    entry_points = importlib.metadata.entry_points

    def counted(group: str) -> Any:
        reads.append(group)
        return entry_points(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counted)
    for number in range(3):
        assert f"toy-{number}" not in installed()
        install(f"toy-{number}-arch", f"toy-{number}")
        # The file system's clock may not have moved on since the folder was looked into.
        os.utime(sys.path[0], ns=(number, number))
        assert f"toy-{number}" in installed()
        assert find(f"toy-{number}").model_type == f"toy-{number}"
    assert 3 <= len(reads) < 9, "each of nine look-ups read them"


def test_a_published_architecture_that_is_missing_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(architecture, "_entry_points", dict)
    for model_type in ("gpt2", "openai-gpt", "transfo-xl"):
        with pytest.raises(ImportError, match=rf"'{model_type}' is not installed: pip install tx-{model_type}$"):
            find(model_type)
        assert cure(model_type) == f"pip install tx-{model_type}"


def test_an_unknown_architecture_lists_the_known(install: Install) -> None:
    install("toy-two-arch", "toy-two")
    with pytest.raises(ValueError, match=r"tx has no architecture 'llama'; it has bert, .*gpt2, .*toy-two"):
        find("llama")
    assert cure("llama") == "no package of tx reads it"


def test_the_cure_for_an_installed_architecture_is_its_class(install: Install) -> None:
    install("toy-three-arch", "toy-three")
    assert cure("toy-three") == "use ToyConfig of toy_three_arch, or AutoConfig"


@pytest.mark.parametrize("code", ["ARCHITECTURE = 'bert'", RECORD.format(model_type="other", module="x")])
def test_an_entry_point_to_something_else_is_refused(install: Install, code: str) -> None:
    install("toy-wrong-arch", "toy-wrong", code)
    with pytest.raises(
        TypeError, match=r"the entry point 'toy-wrong' leads to .*, which is no Architecture 'toy-wrong'"
    ):
        find("toy-wrong")


def test_an_entry_point_to_a_module_that_is_gone_is_named(install: Install) -> None:
    install("toy-gone-arch", "toy-gone", "import toy_gone_since")
    with pytest.raises(
        ImportError, match=r"'toy-gone' leads to toy_gone_arch:ARCH.* imported: No .*'toy_gone_since'; rei"
    ):
        find("toy-gone")


def test_published_names_tell_the_architecture(install: Install) -> None:
    install(
        "toy-four-arch",
        "toy-four",
        RECORD.replace('"}})', '"}}, {{"fours": "makers/four"}})').format(
            model_type="toy-four", module="toy_four_arch"
        ),
    )
    for name in ("fours", "makers/four"):
        assert publisher([name]) == publisher(["other", name]) == "toy-four"
    assert publisher(["toy-four"]) is None
    assert publisher([]) is None


def test_two_packages_of_one_architecture_are_refused(install: Install) -> None:
    install("toy-a-arch", "toy-double")
    install("toy-b-arch", "toy-double")
    with pytest.raises(ValueError, match=r"two packages offer the architecture 'toy-double': .*uninstall one"):
        find("toy-double")


def test_load_imports_what_a_dotted_name_stands_for() -> None:
    assert load("tx_core.architecture:Architecture") is Architecture
    with pytest.raises(AttributeError, match="None_such"):
        load("tx_core.architecture:None_such")
    with pytest.raises(ModuleNotFoundError, match="tx_none"):
        load("tx_none.config:Config")
    for dotted in ("tx_core.architecture", "tx_core:", ":Architecture", "tx_core:a.b", ""):
        with pytest.raises(ValueError, match="is no dotted name of the form"):
            load(dotted)


def test_load_says_which_framework_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lazy, "_findable", lambda module: False)
    with pytest.raises(ImportError, match=r"ToyModel needs PyTorch: pip install 'tx-toy\[torch\]'"):
        load("tx_toy.model_torch:ToyModel")
    with pytest.raises(ImportError, match=r"TFToyModel needs TensorFlow: pip install 'tx-toy\[tf\]'"):
        load("tx_toy.model_tf:TFToyModel")


def test_records_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Architecture("tx_a", "a", "A", "a", {}).name = "B"  # type: ignore[misc]


def test_a_record_says_what_the_package_offers() -> None:
    record = Architecture(
        package="tx_toy",
        model_type="toy-gpt",
        name="Toy",
        prefix="toy",
        tasks={Task.BASE: "Model", Task.CAUSAL_LM: "LMHeadModel"},
        published={"toy": "makers/toy"},
        also={"tokenizer": ("TOYS",), "toys": ("play",)},
    )
    assert record.exports() == {
        "config": ("ToyConfig",),
        "tokenizer": ("TOYS", "ToyTokenizer"),
        "model_torch": ("ToyLMHeadModel", "ToyModel", "ToyPreTrainedModel"),
        "model_tf": ("TFToyLMHeadModel", "TFToyMainLayer", "TFToyModel", "TFToyPreTrainedModel"),
        "toys": ("play",),
    }
    assert record.archive_maps() == {
        "TOY_GPT_PRETRAINED_CONFIG_ARCHIVE_MAP": {"toy": "https://huggingface.co/makers/toy/resolve/main/config.json"},
        "TOY_GPT_PRETRAINED_MODEL_ARCHIVE_MAP": {
            "toy": "https://huggingface.co/makers/toy/resolve/main/pytorch_model.bin"
        },
        "TF_TOY_GPT_PRETRAINED_MODEL_ARCHIVE_MAP": {
            "toy": "https://huggingface.co/makers/toy/resolve/main/tf_model.h5"
        },
    }
    assert (record.config, record.weights) == ("tx_toy.config:ToyConfig", "tx_toy.weights:WEIGHTS")
    assert record.torch[Task.CAUSAL_LM] == "tx_toy.model_torch:ToyLMHeadModel"
    assert record.tf["causal-lm"] == "tx_toy.model_tf:TFToyLMHeadModel"  # type: ignore[index]  # a task is its text


def test_looking_up_imports_no_architecture() -> None:
    code = "import sys, tx_core.architecture as a; a.installed(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in loaded if name.startswith("tx_") and name.partition(".")[0] != "tx_core"}
