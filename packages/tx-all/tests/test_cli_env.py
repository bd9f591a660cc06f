"""`tx env`: what is installed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tx_all.cli import env, main


def rows(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["env"]) == 0
    pairs = (line.partition(":") for line in capsys.readouterr().out.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def test_versions_are_those_installed(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert found["python"].startswith(".".join(map(str, sys.version_info[:3])))
    for name in ("tx-all", "tx-core", "tx-bert", "numpy", "h5py"):
        assert found[name] == version(name)
    assert "tx-testing" not in found


def test_a_missing_framework_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    frameworks = ("torch", "tensorflow", "keras")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in frameworks else find_spec(name))
    found = rows(capsys)
    assert found["torch"] == 'not installed (pip install "tx-all[torch]")'
    assert found["tensorflow"] == found["keras"] == 'not installed (pip install "tx-all[tf]")'


def test_no_framework_is_imported() -> None:
    code = (
        "import sys, json\nfrom tx_all.cli import main\nmain(['env'])\n"
        "print(json.dumps([n for n in ('torch', 'tensorflow', 'keras', 'numpy') if n in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", ", built for CUDA 12.8"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.2.4'\n", ", built for ROCm 6.2.4"),
        ("cuda = None\n", ", built for the CPU alone"),
    ],
)
def test_what_pytorch_is_built_for_is_read_of_its_version(
    content: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "version.py").write_text(content)
    spec = importlib.machinery.ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    monkeypatch.setattr(env, "_version", lambda _: "2.9.0")
    assert env._framework("torch") == f"2.9.0{said}"


def test_the_driver_is_read_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5 2024\nGCC\n"
    )
    monkeypatch.setattr(env, "_DRIVER", str(tmp_path / "version"))
    assert env._driver() == "550.54.15"
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release\n")
    assert env._driver() == "570.86.15"
    monkeypatch.setattr(env, "_DRIVER", str(tmp_path / "none"))
    assert env._driver().startswith("none found")


def test_no_secret_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", "https://me:secret@mirror.org?key=secret")
    monkeypatch.setenv("TX_OFFLINE", "1")
    found = rows(capsys)
    assert (found["token"], found["HF_ENDPOINT"], found["TX_OFFLINE"]) == ("there is one", "https://mirror.org", "1")
    assert not any("secret" in value for value in found.values())
