"""A package that is none of tx's offers an architecture; and packages of tx that are not installed are named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tx_core.architecture import PUBLISHED, find, installed
from tx_core.auto import AutoConfig, AutoTokenizer
from tx_testing import distributions

PACKAGE = Path(__file__).parent / "acme_average"
POINTS = "[tx.architectures]\naverage = acme_average.architecture:ARCHITECTURE\n"


@pytest.fixture
def acme(tmp_path: Path) -> Iterator[None]:
    with distributions.installed(tmp_path / "site", PACKAGE, POINTS):
        yield


def run(code: str, *paths: Path) -> Any:
    """What `code` leaves in `result`, in a process of its own with more on its path."""
    path = os.pathsep.join([*map(str, paths), *sys.path])
    command = [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(result))"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write(folder: Path, name: str, **values: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(values))
    return folder


@pytest.mark.usefixtures("acme")
def test_its_configuration_is_found(tmp_path: Path) -> None:
    import acme_average

    assert "average" in installed()
    assert find("average") == acme_average.architecture.ARCHITECTURE
    path = write(tmp_path / "a", "config.json", model_type="average", hidden_size=6)
    config = AutoConfig.from_pretrained(path)
    assert config == acme_average.AverageConfig(hidden_size=6)
    config.save_pretrained(tmp_path / "b")
    assert AutoConfig.from_pretrained(tmp_path / "b") == config
    for name in ("my-average", "mean-english"):  # contained and published
        assert AutoConfig.from_pretrained(write(tmp_path / name, "config.json", hidden_size=6)) == config


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("ending", ["", "Fast"])
def test_its_tokenizer_is_found(tmp_path: Path, ending: str) -> None:
    import acme_average

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "day"]
    for path in (
        write(tmp_path / "a", "tokenizer_config.json", tokenizer_class=f"AverageTokenizer{ending}"),
        write(tmp_path / "b", "config.json", tokenizer_class=f"AverageTokenizer{ending}", model_type="bert"),
        write(tmp_path / "c", "config.json", model_type="average"),
    ):
        (path / "vocab.txt").write_text("\n".join(words))
        tokenizer = AutoTokenizer.from_pretrained(path)
        assert type(tokenizer) is acme_average.AverageTokenizer
        assert tokenizer.encode("Good day", add_special_tokens=True) == [2, 5, 6, 3]
        tokenizer.save_pretrained(tmp_path / "saved")
        assert type(AutoTokenizer.from_pretrained(tmp_path / "saved")) is acme_average.AverageTokenizer


def test_without_the_package_it_is_unknown(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "config.json", model_type="average")
    with pytest.raises(ValueError, match=r"config\.json: tx has no architecture 'average'; it has bert, .*, xlnet$"):
        AutoConfig.from_pretrained(path)
    write(path, "tokenizer_config.json", tokenizer_class="AverageTokenizer")
    with pytest.raises(ValueError, match="tx has no tokenizer of the tokenizer_class 'AverageTokenizer'; it has Bert"):
        AutoTokenizer.from_pretrained(path)


def test_finding_an_architecture_by_its_name_imports_records_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "mean-english", "config.json", hidden_size=6)
    distributions.lay_out(tmp_path / "site", PACKAGE, POINTS)
    code = f"""
from tx_core.auto import AutoConfig
AutoConfig.from_pretrained({str(path)!r})
from tx_core.architecture import find, installed
packages = [find(each).package for each in installed()]
mine = [name for name in sys.modules if name.partition(".")[0] in packages and "." in name]
heavy = ["torch", "tensorflow", "keras", "numpy", "requests", "tx_tokenizers"]
result = [sorted(mine), [name for name in heavy if name in sys.modules], packages]
"""
    modules, heavy, packages = run(code, tmp_path / "site")
    assert "acme_average" in packages
    assert len(packages) == len(PUBLISHED) + 1
    assert modules == sorted(["acme_average.config", *(f"{package}.architecture" for package in packages)])
    assert heavy == []


def test_what_is_not_installed_is_named_with_its_command(tmp_path: Path) -> None:
    """By the type in the file, by the name, by the name of the tokenizer's class, and by a published name."""
    paths = [
        write(tmp_path / "a", "config.json", model_type="xlm"),
        write(tmp_path / "my-xlm", "config.json"),
        write(tmp_path / "xlm-mlm-ende-1024", "config.json"),
    ]
    words = write(tmp_path / "b", "tokenizer_config.json", tokenizer_class="XLMTokenizer")
    code = f"""
{distributions.HIDE.format(hidden=["xlm", "transfo-xl"])}
from tx_core.auto import AutoConfig, AutoModel, AutoTokenizer, TFAutoModelForMaskedLM
calls = [(cls, path) for path in {[*map(str, paths)]!r} for cls in (AutoConfig, AutoTokenizer, AutoModel)]
calls += [(TFAutoModelForMaskedLM, {str(paths[0])!r}), (AutoTokenizer, {str(words)!r})]
result = []
for cls, path in calls:
    try:
        cls.from_pretrained(path)
    except ImportError as error:
        result.append(str(error))
"""
    assert run(code) == ["the architecture 'xlm' is not installed: pip install tx-xlm"] * 11
