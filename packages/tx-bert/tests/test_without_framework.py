"""What tx_bert offers and says without a framework; in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

import tx_bert
from tx_bert.architecture import ARCHITECTURE
from tx_core import is_tf_available, is_torch_available

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


def test_everything_that_needs_no_framework_works_without() -> None:
    code = """
import tx_bert
from tx_bert import *
config = BertConfig(hidden_size=24)
result = [config.hidden_size, BertTokenizer.__name__, tx_bert.__version__, tx_bert.__all__, dir(tx_bert)]
"""
    hidden_size, name, version, exported, names = run(code)
    assert (hidden_size, name, version) == (24, "BertTokenizer", tx_bert.__version__)
    exports = ARCHITECTURE.exports()
    plain = {*exports["config"], *exports["tokenizer"], *ARCHITECTURE.archive_maps()}
    assert {*exported} == plain | {*exports["model_torch"], *exports["model_tf"]}
    assert {name for name in names if "Bert" in name or "BERT" in name} <= plain


@pytest.mark.parametrize("module", ["model_torch", "model_tf"])
def test_names_without_their_framework_say_what_to_install(module: str) -> None:
    names = ARCHITECTURE.exports()[module]
    code = f"""
import tx_bert
result = {{}}
for name in {names!r}:
    try:
        getattr(tx_bert, name)
    except ImportError as error:
        result[name] = str(error)
"""
    framework, extra = ("PyTorch", "torch") if module == "model_torch" else ("TensorFlow", "tf")
    wanted = {name: f"{name} needs {framework}: pip install 'tx-bert[{extra}]'" for name in names}
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


def test_availability_says_what_is_listed() -> None:
    names = dir(tx_bert)
    assert ("BertModel" in names) == is_torch_available()
    assert ("TFBertModel" in names) == is_tf_available()
