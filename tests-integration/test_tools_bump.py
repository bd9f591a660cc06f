"""tools/bump on a copy of the packages' metadata."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in ROOT.glob("packages/*/pyproject.toml"):
        folder = tmp_path / "packages" / path.parent.name
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
        (folder / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- Something.\n\n## 0.1.0\n\n- First.\n")
    return tmp_path


def bump(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "bump"), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def project(root: Path, name: str) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((root / "packages" / name / "pyproject.toml").read_text())["project"]
    return table


@pytest.mark.parametrize(("part", "version"), [("patch", "0.1.1"), ("minor", "0.2.0"), ("major", "1.0.0")])
def test_version_and_changelog_follow(copy: Path, part: str, version: str) -> None:
    result = bump(copy, "tx-bert", part)
    assert result.returncode == 0, result.stderr
    assert project(copy, "tx-bert")["version"] == version
    changelog = (copy / "packages/tx-bert/CHANGELOG.md").read_text()
    assert changelog == f"# Changelog\n\n## {version}\n\n- Something.\n\n## 0.1.0\n\n- First.\n"
    assert project(copy, "tx-core")["version"] == "0.1.0"


def test_ranges_that_still_admit_the_version_stay(copy: Path) -> None:
    before = project(copy, "tx-bert")
    assert bump(copy, "tx-core", "patch").returncode == 0
    assert project(copy, "tx-bert") == before


@pytest.mark.parametrize(("part", "expected"), [("minor", ">=0.2,<0.3"), ("major", ">=1.0,<2")])
def test_ranges_that_do_not_are_moved(copy: Path, part: str, expected: str) -> None:
    result = bump(copy, "tx-core", part)
    assert result.returncode == 0, result.stderr
    table = project(copy, "tx-bert")
    assert table["dependencies"] == [f"tx-core{expected}", "tx-tokenizers>=0.1,<0.2"]
    assert table["optional-dependencies"]["torch"] == [f"tx-core[torch]{expected}"]
    assert project(copy, "tx-tokenizers")["dependencies"][0] == f"tx-core{expected}"
    assert f"tx-bert now asks for tx-core{expected}: release it too" in result.stdout


@pytest.mark.parametrize(
    "changelog", ["# Changelog\n\n## 0.1.0\n\n- First.\n", "# Changelog\n\n## Unreleased\n\n## 0.1.0\n\n- First.\n"]
)
def test_nothing_is_written_without_an_unreleased_entry(copy: Path, changelog: str) -> None:
    (copy / "packages/tx-bert/CHANGELOG.md").write_text(changelog)
    result = bump(copy, "tx-bert", "patch")
    assert result.returncode == 1
    assert "needs a heading '## Unreleased'" in result.stderr
    assert project(copy, "tx-bert")["version"] == "0.1.0"


def test_an_unknown_package_is_refused(copy: Path) -> None:
    result = bump(copy, "tx-brt", "patch")
    assert result.returncode == 2
    assert "no package 'tx-brt'" in result.stderr
