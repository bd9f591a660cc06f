"""tools/new_package writes a package that builds and keeps the rules of the tree, before any code is in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the tool reads and edits."""
    root = tmp_path / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
    for name in ("tx-core", "tx-tokenizers"):
        shutil.copytree(ROOT / "packages" / name, root / "packages" / name, ignore=ignore)
    for name in ("LICENSE", "README.md", "tox.ini"):
        shutil.copy(ROOT / name, root)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "released.json", root / "tools")
    return root


def tool(name: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / name), *arguments, "--root", str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_new_package_builds_and_keeps_the_rules(tree: Path) -> None:
    result = tool("new_package", tree, "tx-open-toy", "OpenToy", "--prefix", "toy")
    assert result.returncode == 0, result.stderr
    source = tree / "packages/tx-open-toy/src/tx_open_toy"
    assert "from .model_tf import TFOpenToyMainLayer" in (source / "__init__.pyi").read_text()
    assert (tree / "tox.ini").read_text().count(",open-toy}") == 2
    assert "\n| `tx-open-toy` | OpenToy |" in (tree / "README.md").read_text()
    for name in ("build", "check"):
        result = tool(name, tree)
        assert result.returncode == 0, result.stderr
    code = "import tx_open_toy; print(*dir(tx_open_toy)); print(tx_open_toy.ARCHITECTURE.model_type)"
    sources = ":".join(str(path) for path in tree.glob("packages/*/src"))
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": sources}
    ).stdout
    offered, model_type = printed.splitlines()
    assert {"OPEN_TOY_PRETRAINED_CONFIG_ARCHIVE_MAP", "OpenToyConfig", "OpenToyTokenizer"} <= {*offered.split()}
    assert model_type == "open-toy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tx-core", "Core"), "packages/tx-core is there already"),
        (("toy", "Toy"), "must be like tx-open-toy, OpenToy and toy"),
        (("tx-toy", "Open-Toy"), "must be like tx-open-toy, OpenToy and toy"),
    ],
)
def test_what_cannot_be_made_is_refused(tree: Path, arguments: tuple[str, ...], message: str) -> None:
    before = (tree / "tox.ini").read_text()
    result = tool("new_package", tree, *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert (tree / "tox.ini").read_text() == before
