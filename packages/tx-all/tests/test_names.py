"""The names of tx-all: what `import tx_all` and `from tx_all import *` offer, and what they cost."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tx_all
from tx_all.packages import PACKAGES

# The public names of transformers 2.1.1.
OF_2019 = Path(__file__).with_name("names_2_1_1.txt").read_text().split()
HEAVY = ("torch", "tensorflow", "keras", "numpy", "h5py", "requests", "safetensors", "tqdm")


def run(code: str) -> Any:
    """What `code` leaves in `result`, in a process of its own."""
    program = f"import json, sys\n{code}\nprint(json.dumps(result))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_of_every_package_is_offered(package: str) -> None:
    assert {*importlib.import_module(package).__all__} <= {*tx_all.__all__}


@pytest.mark.parametrize("name", ["BertConfig", "GPT2Tokenizer", "AutoConfig", "PreTrainedTokenizer", "CONFIG_NAME"])
def test_a_name_is_what_its_package_offers(name: str) -> None:
    (package,) = (each for each in PACKAGES if name in importlib.import_module(each).__all__)
    assert getattr(tx_all, name) is getattr(importlib.import_module(package), name)


def test_the_names_of_2019_are_offered() -> None:
    assert len(OF_2019) == 193
    assert {*OF_2019} <= {*tx_all.__all__}


@pytest.mark.parametrize(
    "name", [n for n in tx_all.__all__ if n.endswith("Config") and n not in ("AutoConfig", "PretrainedConfig")]
)
def test_configurations_answer_what_programs_of_2019_ask(name: str) -> None:
    """`run_generation.py` asked every model that writes how many positions it has."""
    config = getattr(tx_all, name)()
    for field in ("vocab_size", "hidden_size", "num_attention_heads", "num_hidden_layers", "max_position_embeddings"):
        assert isinstance(getattr(config, field), int), field


def test_importing_it_imports_none_of_the_packages() -> None:
    loaded = run("import tx_all\nresult = sorted(sys.modules)")
    assert not {*PACKAGES, *HEAVY} - {"tx_core"} & {*loaded}


def test_a_star_import_binds_every_name_and_loads_nothing_heavy() -> None:
    code = """
from tx_all import *
import tx_all
result = [[name for name in tx_all.__all__ if name not in globals()], sorted(sys.modules)]
"""
    missing, loaded = run(code)
    assert not missing
    assert not {*HEAVY} & {*loaded}


def test_no_name_is_one_that_programs_use_for_themselves() -> None:
    builtins = {*dir(importlib.import_module("builtins"))}
    assert not {*tx_all.__all__} & (builtins | {"MODELS", "model", "tokenizer", "config", "main", "os", "sys", "torch"})


def test_an_old_program_changes_one_line() -> None:
    code = """
import tx_all as transformers
config = transformers.BertConfig(hidden_size=8, num_attention_heads=2, intermediate_size=8)
result = [config.hidden_size, isinstance(config, transformers.PretrainedConfig)]
"""
    assert run(code) == [8, True]


def cost(code: str) -> float:
    """Processor time of a process that runs `code`: unlike the time of day it hardly depends on what else runs."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def test_importing_it_takes_less_than_a_tenth_of_a_second() -> None:
    bare, full = zip(*((cost("pass"), cost("import tx_all; tx_all.BertConfig")) for _ in range(10)), strict=True)
    assert min(full) - min(bare) < 0.1
