"""What importing tx_bert costs and loads, and what it says without a framework; in processes of their own."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tx_bert
from tx_core import is_tf_available, is_torch_available

BUDGET = 0.050  # seconds beyond the start of the interpreter
ROUNDS = 15

HIDE = """
import json, sys
class Hiding:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in ("torch", "tensorflow", "keras")
        return None if hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""


def run(code: str) -> Any:
    """What `code` leaves in `result`, in a process without frameworks."""
    command = [sys.executable, "-c", f"{HIDE}\n{code}\nprint(json.dumps(result))"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def seconds(code: str, cache: Path) -> float:
    """Processor time of a process that runs `code`: unlike the time of day it hardly depends on what else runs.

    Byte code is kept in the folder `cache`, as an installed package has it beside its modules.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], environment)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_config_and_tokenizer_are_imported_within_the_budget(tmp_path: Path) -> None:
    wanted = "import tx_bert; tx_bert.BertConfig; tx_bert.BertTokenizer"
    seconds(wanted, tmp_path)  # writes the byte code
    # The least of several: what else the machine does only adds to a time. Alternating, so that both meet the same.
    bare, full = zip(*((seconds("pass", tmp_path), seconds(wanted, tmp_path)) for _ in range(ROUNDS)), strict=True)
    assert min(full) - min(bare) < BUDGET


def test_config_and_tokenizer_load_nothing_heavy() -> None:
    code = "import sys, tx_bert; tx_bert.BertConfig; tx_bert.BertTokenizer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "tensorflow", "keras", "numpy", "requests", "h5py", "safetensors", "tqdm", "importlib.metadata"}
    assert not heavy & {*loaded}
    assert {"tx_bert.config", "tx_bert.tokenizer"} <= {*loaded}


def test_everything_that_needs_no_framework_works_without() -> None:
    code = """
import tx_bert
from tx_bert import *
config = BertConfig(hidden_size=24)
result = [config.hidden_size, BertTokenizer.__name__, tx_bert.__version__, tx_bert.__all__, dir(tx_bert)]
"""
    hidden_size, name, version, exported, names = run(code)
    assert (hidden_size, name, version) == (24, "BertTokenizer", tx_bert.__version__)
    plain = {name for module in ("config", "tokenizer") for name in tx_bert.EXPORTS[module]}
    assert {*exported} == plain
    assert {name for name in names if "Bert" in name or "BERT" in name} <= plain


@pytest.mark.parametrize("module", ["model_torch", "model_tf"])
def test_names_without_their_framework_say_what_to_install(module: str) -> None:
    code = f"""
import tx_bert
result = {{}}
for name in {tx_bert.EXPORTS[module]!r}:
    try:
        getattr(tx_bert, name)
    except ImportError as error:
        result[name] = str(error)
"""
    framework, extra = ("PyTorch", "torch") if module == "model_torch" else ("TensorFlow", "tf")
    wanted = {name: f"{name} needs {framework}: pip install 'tx-bert[{extra}]'" for name in tx_bert.EXPORTS[module]}
    assert run(code) == wanted


def test_auto_classes_without_a_framework_say_what_to_install() -> None:
    code = """
from tx_bert import BertConfig
from tx_core import AutoModel, TFAutoModelWithLMHead
result = []
for cls in (AutoModel, TFAutoModelWithLMHead):
    try:
        cls.from_config(BertConfig())
    except ImportError as error:
        result.append(str(error))
"""
    assert run(code) == [
        "BertModel needs PyTorch: pip install 'tx-bert[torch]'",
        "TFBertForMaskedLM needs TensorFlow: pip install 'tx-bert[tf]'",
    ]


def test_the_type_checker_sees_every_export() -> None:
    source = inspect.getsource(tx_bert)
    for module, names in tx_bert.EXPORTS.items():
        for name in names:
            assert f"from .{module} import {name} as {name}\n" in source


@pytest.mark.parametrize("module", ["config", "tokenizer"])
def test_every_export_exists(module: str) -> None:
    for name in tx_bert.EXPORTS[module]:
        assert getattr(tx_bert, name) is getattr(importlib.import_module(f"tx_bert.{module}"), name)


def test_availability_says_what_is_listed() -> None:
    names = dir(tx_bert)
    assert ("BertModel" in names) == is_torch_available()
    assert ("TFBertModel" in names) == is_tf_available()
