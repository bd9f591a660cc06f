"""The module paths of 2019: what programs import from `transformers.modeling_bert` and the like."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

import tx_all
from tx_all.modules_2019 import PATHS
from tx_core.files import cache_folder


@pytest.mark.parametrize("path", PATHS)
def test_what_holds_the_names_today_exists(path: str) -> None:
    importlib.import_module(f"tx_all.{path}")
    assert all(importlib.util.find_spec(source) for source in PATHS[path])


def test_a_program_of_2019_runs_and_loads_no_framework() -> None:
    program = """
import json, sys
import tx_all

sys.modules["transformers"] = tx_all
import transformers.modeling_bert
from transformers import is_torch_available
from transformers.tokenization_bert import BasicTokenizer, BertTokenizer, VOCAB_FILES_NAMES, _is_punctuation
from transformers.data.processors.utils import DataProcessor
from transformers.configuration_bert import BERT_PRETRAINED_CONFIG_ARCHIVE_MAP

print(json.dumps([VOCAB_FILES_NAMES, _is_punctuation("!"), BertTokenizer.__module__, sorted(sys.modules)]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    *found, loaded = json.loads(done.stdout)
    assert found == [{"vocab_file": "vocab.txt"}, True, "tx_bert.tokenizer"]
    assert not {"torch", "tensorflow", "numpy"} & {*loaded}


@pytest.mark.parametrize("path", [path for path in PATHS if PATHS[path] and PATHS[path][0].endswith(".tokenizer")])
def test_tables_of_the_tokenizers(path: str) -> None:
    module: Any = importlib.import_module(f"tx_all.{path}")
    assert {*module.PRETRAINED_POSITIONAL_EMBEDDINGS_SIZES} == {
        each for table in module.PRETRAINED_VOCAB_FILES_MAP.values() for each in table
    }


def test_a_star_import_binds_what_the_module_defines() -> None:
    names: dict[str, Any] = {}
    exec("from tx_all.configuration_bert import *", names)
    assert names["BertConfig"] is tx_all.BertConfig
    assert "GPT2Config" not in names


def test_a_path_needs_no_import_of_its_own() -> None:
    program = """
import sys, tx_all

sys.modules["transformers"] = tx_all
import transformers

print(transformers.tokenization_bert.BertTokenizer.__name__, transformers.data.metrics.simple_accuracy.__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "BertTokenizer simple_accuracy\n"), done.stderr


def test_what_file_utils_had() -> None:
    module: Any = importlib.import_module("tx_all.file_utils")
    assert module.TRANSFORMERS_CACHE == module.PYTORCH_PRETRAINED_BERT_CACHE == str(cache_folder())
    assert str(cache_folder()) == tx_all.PYTORCH_TRANSFORMERS_CACHE
    assert module.CONFIG_NAME == "config.json"

    @module.add_start_docstrings("first ", "second ")
    @module.add_end_docstrings(" last")
    def documented() -> None:
        """own"""

    assert documented.__doc__ == "first second own last"


def test_paths_and_names_that_were_none() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"tx_all\.modeling_bart"):
        importlib.import_module("tx_all.modeling_bart")
    with pytest.raises(AttributeError, match=r"'tx_all\.tokenization_bert' has no attribute 'VOCAB_FILE_NAMES'"):
        importlib.import_module("tx_all.tokenization_bert").VOCAB_FILE_NAMES  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("tx_core.modeling_bert")
