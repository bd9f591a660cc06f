"""The wheels as they were built and installed. Skipped where the tree itself is installed (an editable install)."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = sorted(path.parent.name for path in ROOT.glob("packages/*/pyproject.toml"))
PROJECTS = {name: tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text())["project"] for name in NAMES}
# Model type to package.
ARCHITECTURES = {
    model_type: name
    for name, project in PROJECTS.items()
    for model_type in project.get("entry-points", {}).get("tx.architectures", {})
}
pytestmark = pytest.mark.skipif(
    "TX_INSTALLED" not in os.environ, reason="TX_INSTALLED: these tests are for installed wheels (tools/test sets it)"
)


def module(name: str) -> str:
    return name.replace("-", "_")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_tested_is_installed_not_the_tree(name: str) -> None:
    spec = importlib.util.find_spec(module(name))
    assert spec is not None
    assert spec.origin is not None
    assert ROOT / "packages" not in Path(spec.origin).parents


@pytest.mark.parametrize("name", NAMES)
def test_the_installed_files_are_those_of_the_wheel_in_dist(name: str) -> None:
    (wheel,) = (ROOT / "dist").glob(f"{module(name)}-*.whl")
    distribution = metadata.distribution(name)
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if member.startswith(f"{module(name)}/"):
                assert Path(str(distribution.locate_file(member))).read_bytes() == archive.read(member), member


@pytest.mark.parametrize("name", sorted(ARCHITECTURES.values()))
def test_the_wheel_of_an_architecture_is_small(name: str) -> None:
    (wheel,) = (ROOT / "dist").glob(f"{module(name)}-*.whl")
    assert wheel.stat().st_size < 60_000


def test_the_command_is_installed(tmp_path: Path) -> None:
    tx = Path(sys.executable).with_name("tx.exe" if os.name == "nt" else "tx")
    version = subprocess.run([tx, "--version"], capture_output=True, text=True, check=True).stdout
    assert version == f"tx {PROJECTS['tx-all']['version']}\n"
    done = subprocess.run([tx, "inspect", tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"tx: error: {str(tmp_path)!r} holds no weights")


@pytest.mark.parametrize("name", NAMES)
def test_the_version_is_the_one_of_the_metadata(name: str) -> None:
    assert importlib.import_module(module(name)).__version__ == metadata.version(name)


def test_importing_loads_no_framework_and_no_model() -> None:
    code = f"import sys; {'; '.join(f'import {module(name)}' for name in NAMES)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "tensorflow", "keras", "numpy", "h5py", "requests"}.isdisjoint(loaded)
    assert not [name for name in loaded if name.endswith(("_torch", "_tf"))]


@pytest.mark.parametrize(("name", "extra"), [("BertModel", "torch"), ("TFBertModel", "tf")])
def test_a_model_without_its_framework_says_what_to_install(name: str, extra: str) -> None:
    with pytest.raises(ImportError, match=rf"pip install 'tx-bert\[{extra}\]'"):
        getattr(importlib.import_module("tx_bert"), name)


def test_every_architecture_is_found_and_its_targets_exist() -> None:
    from tx_core.architecture import find, installed, load

    assert sorted(installed()) == sorted(ARCHITECTURES)
    for name in installed():
        record = find(name)
        assert record.model_type == name
        for target in (record.config, record.tokenizer, record.weights):
            assert load(target) is not None, target
