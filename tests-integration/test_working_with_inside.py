"""The code of docs/working-with.md runs as it stands there, without a network."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tx_testing import documented

SECTIONS = documented.sections(Path(__file__).resolve().parent.parent / "docs" / "working-with.md")
ELSEWHERE = {"Keras callbacks"}  # test_inside_keras_tf.py
PACKAGES = {
    "datasets": "datasets",
    "DataLoader": "torch",
    "accelerate": "accelerate",
    "peft": "peft",
    "lightning": "lightning",
    "sentence-transformers": "sentence_transformers",
    "scikit-learn": "sklearn",
    "torch.export": "torch",
    "ONNX": "onnxruntime",
    "TorchScript": "torch",
}


def test_every_section_is_known() -> None:
    assert set(SECTIONS) == {*PACKAGES, *ELSEWHERE}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PACKAGES)
def test_the_code_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(PACKAGES[name], reason=f"{name} is not installed")
    monkeypatch.setenv("TX_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = set(sys.modules)
    for block in documented.write_files(SECTIONS[name], tmp_path):
        capsys.readouterr()
        exec(compile(block, f"docs/working-with.md: {name}", "exec"), {"__name__": "documented"})
        printed = re.findall(r"^print\(.*\)  # (.+)$", block, flags=re.MULTILINE)
        assert [line for line in capsys.readouterr().out.splitlines() if line in printed] == printed
    for module in set(sys.modules) - loaded:
        if getattr(sys.modules[module], "__file__", None) == str(tmp_path / f"{module}.py"):
            del sys.modules[module]
