"""Every rule of tools/check, broken on a copy of three packages, is reported; unbroken they pass."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("tx-core", "tx-tokenizers", "tx-bert")


def tool(name: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of the repository's tools/ on another tree."""
    command = [sys.executable, str(ROOT / "tools" / name), "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the checks read of three packages, with their archives built."""
    root = tmp_path_factory.mktemp("built") / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
    for name in NAMES:
        shutil.copytree(ROOT / "packages" / name, root / "packages" / name, ignore=ignore)
    shutil.copy(ROOT / "LICENSE", root)
    (root / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "released.json", root / "tools")
    result = tool("build", root)
    assert result.returncode == 0, result.stderr
    return root


@pytest.fixture
def copy(built: Path, tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    shutil.copytree(built, root)
    return root


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def problems(root: Path) -> list[str]:
    result = tool("check", root)
    assert result.returncode in (0, 1), result.stderr
    return result.stderr.splitlines()[:-1]


def test_an_unbroken_tree_passes(copy: Path) -> None:
    result = tool("check", copy)
    assert result.returncode == 0, result.stderr
    assert "no problem" in result.stdout


def test_all_problems_are_listed_and_counted(copy: Path) -> None:
    (copy / "packages/tx-core/CHANGELOG.md").unlink()
    (copy / "packages/tx-bert/CHANGELOG.md").unlink()
    result = tool("check", copy)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "tools/check: 2 problems"


def cycle(root: Path) -> None:
    replace(root / "packages/tx-core/pyproject.toml", "dependencies = [", 'dependencies = [\n    "tx-bert>=0.1,<0.2",')


def cycle_through_an_extra(root: Path) -> None:
    path = root / "packages/tx-core/pyproject.toml"
    table = "[project.optional-dependencies]"
    replace(path, table, table + '\nall = ["tx-tokenizers>=0.1,<0.2"]')


def range_without_the_tree(root: Path) -> None:
    replace(root / "packages/tx-core/pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"')


def unknown_sibling(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", '"tx-tokenizers>=', '"tx-tokenisers>=')


def sibling_without_a_range(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", '"tx-tokenizers>=0.1,<0.2"', '"tx-tokenizers"')


def sibling_by_path(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", '"tx-core>=0.1,<0.2"', '"tx-core @ file:///srv/tx-core"')


def changelog_without_the_version(root: Path) -> None:
    path = root / "packages/tx-bert/CHANGELOG.md"
    path.write_text(re.sub("^## 0.1.0", "## 0.0.9", path.read_text(), flags=re.MULTILINE))


def changelog_without_entries(root: Path) -> None:
    (root / "packages/tx-bert/CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n\n- Something.\n")


def types_marker_missing(root: Path) -> None:
    (root / "packages/tx-bert/src/tx_bert/py.typed").unlink()


def licence_missing(root: Path) -> None:
    (root / "packages/tx-bert/LICENSE").unlink()


def licence_changed(root: Path) -> None:
    append(root / "packages/tx-bert/LICENSE", "and more\n")


def entry_point_without_module(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", "tx_bert.architecture:", "tx_bert.architektur:")


def entry_point_without_attribute(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", ":ARCHITECTURE", ":ARCHITEKTUR")


def archive_of_another_version(root: Path) -> None:
    for path in root.glob("dist/tx_bert-*"):
        path.rename(path.with_name(path.name.replace("0.1.0", "0.0.9")))


def rewrite_wheel(root: Path, edit: Callable[[str, bytes], bytes | None]) -> None:
    (path,) = root.glob("dist/tx_bert-*.whl")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            edited = edit(name, data)
            if edited is not None:
                archive.writestr(name, edited)


def require_in_the_wheel(root: Path, requirement: bytes) -> None:
    declared = b"Requires-Dist: tx-core (>=0.1,<0.2)"
    edited = b"Requires-Dist: " + requirement
    rewrite_wheel(root, lambda name, data: data.replace(declared, edited, 1) if name.endswith("/METADATA") else data)


def url_in_the_wheel(root: Path) -> None:
    require_in_the_wheel(root, b"tx-core @ file:///srv/tx-core")


def path_in_the_wheel(root: Path) -> None:
    require_in_the_wheel(root, b"tx-core @ /srv/tx-core")


def licence_left_out_of_the_wheel(root: Path) -> None:
    rewrite_wheel(root, lambda name, data: None if name.endswith("LICENSE") else data)


def types_marker_left_out_of_the_wheel(root: Path) -> None:
    rewrite_wheel(root, lambda name, data: None if name.endswith("py.typed") else data)


def other_files_in_the_wheel(root: Path) -> None:
    (path,) = root.glob("dist/tx_bert-*.whl")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tests/test_model.py", b"")


def notes_in_the_wheel(root: Path) -> None:
    (root / "packages/tx-bert/src/tx_bert/notes.txt").touch()
    assert tool("build", root, "tx-bert").returncode == 0


def changelog_left_out_of_the_source_archive(root: Path) -> None:
    replace(root / "packages/tx-bert/pyproject.toml", "CHANGELOG.md", "CHANGES.md")
    assert tool("build", root, "tx-bert").returncode == 0


def foreign_implementation(root: Path) -> None:
    append(root / "packages/tx-bert/src/tx_bert/architecture.py", "\ndef f():\n    import transformers\n")


def architecture_in_the_core(root: Path) -> None:
    append(root / "packages/tx-core/src/tx_core/lazy.py", "\ndef f():\n    from tx_bert.config import BertConfig\n")


def architecture_in_the_core_by_name(root: Path) -> None:
    text = "\ndef f():\n    import importlib\n    return importlib.import_module('tx_bert.config')\n"
    append(root / "packages/tx-core/src/tx_core/lazy.py", text)


def released_version_older(root: Path) -> None:
    (root / "tools/released.json").write_text(json.dumps({"tx-bert": {"0.3.0": "0" * 64}}))


def released_content_changed(root: Path) -> None:
    (root / "tools/released.json").write_text(json.dumps({"tx-bert": {"0.1.0": "0" * 64}}))


def stub_without_a_name(root: Path) -> None:
    replace(root / "packages/tx-core/src/tx_core/__init__.pyi", "from .auto import AutoModel as AutoModel\n", "")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (cycle, "dependency cycle: tx-bert -> tx-core -> tx-bert"),
        (cycle_through_an_extra, "dependency cycle: tx-core -> tx-tokenizers -> tx-core"),
        (range_without_the_tree, "does not admit the tx-core of this tree, 0.2.0"),
        (unknown_sibling, "'tx-tokenisers<0.2,>=0.1' is no package of this tree"),
        (sibling_without_a_range, "'tx-tokenizers' has no range"),
        (sibling_by_path, "names a place; siblings are plain ranges"),
        (changelog_without_the_version, "needs an entry '## 0.1.0' (the newest entry is 0.0.9)"),
        (stub_without_a_name, "tx_core/__init__.pyi is not what the package exports: run tools/exports"),
        (changelog_without_entries, "needs an entry '## 0.1.0' (there is none)"),
        (types_marker_missing, "packages/tx-bert/src/tx_bert/py.typed is missing"),
        (licence_missing, "packages/tx-bert/LICENSE must be a copy"),
        (licence_changed, "packages/tx-bert/LICENSE must be a copy"),
        (entry_point_without_module, "there is no packages/tx-bert/src/tx_bert/architektur.py"),
        (entry_point_without_attribute, "architecture.py defines no ARCHITEKTUR"),
        (archive_of_another_version, "no dist/tx_bert-0.1.0-py3-none-any.whl: run tools/build"),
        (url_in_the_wheel, "METADATA names a place: Requires-Dist: tx-core @ file:///srv/tx-core"),
        (path_in_the_wheel, "METADATA names a place: Requires-Dist: tx-core @ /srv/tx-core"),
        (licence_left_out_of_the_wheel, "no LICENSE in it"),
        (types_marker_left_out_of_the_wheel, "no tx_bert/py.typed in it"),
        (other_files_in_the_wheel, "tests/test_model.py does not belong in it"),
        (notes_in_the_wheel, "tx_bert/notes.txt does not belong in it"),
        (changelog_left_out_of_the_source_archive, "tx_bert-0.1.0.tar.gz: no CHANGELOG.md in it"),
        (foreign_implementation, "imports transformers, which no package of tx may need"),
        (architecture_in_the_core, "imports tx_bert.config, but tx-core does not depend on tx-bert"),
        (architecture_in_the_core_by_name, "imports tx_bert.config, but tx-core does not depend on tx-bert"),
        (released_version_older, "tx-bert 0.1.0 is older than its newest release, 0.3.0"),
        (released_content_changed, "tx-bert 0.1.0 was released with other contents"),
    ],
)
def test_a_broken_rule_is_reported(copy: Path, break_it: Callable[[Path], None], message: str) -> None:
    break_it(copy)
    found = problems(copy)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        ("config.py", "import torch", "imports torch at module level; only *_torch.py files may"),
        ("config.py", "import torch.nn as nn", "imports torch.nn at module level"),
        ("config.py", "from torch import nn", "imports torch.nn at module level"),
        ("config.py", "import keras", "imports keras at module level; only *_tf.py files may"),
        ("config.py", "if True:\n    import tensorflow", "imports tensorflow at module level"),
        ("config.py", "try:\n    import torch\nexcept ImportError:\n    pass", "imports torch at module level"),
        ("config.py", "class A:\n    import torch", "imports torch at module level"),
        ("config.py", "from .model_torch import BertModel", "imports .model_torch at module level"),
        ("config.py", "from . import model_torch", "imports .model_torch at module level"),
        (
            "config.py",
            "from tx_core.models.attention_tf import attend",
            "imports tx_core.models.attention_tf at module level",
        ),
        ("config.py", "import importlib\nimportlib.import_module('torch')", "imports torch at module level"),
        ("extra_tf.py", "import torch", "imports torch in a *_tf.py file"),
        ("extra_tf.py", "def f():\n    import torch", "imports torch in a *_tf.py file"),
        ("extra_torch.py", "def f():\n    import tensorflow", "imports tensorflow in a *_torch.py file"),
        ("extra_torch.py", "from .model_tf import TFBertModel", "imports .model_tf in a *_torch.py file"),
    ],
)
def test_a_framework_in_the_wrong_file_is_reported(copy: Path, file: str, code: str, message: str) -> None:
    path = copy / "packages/tx-bert/src/tx_bert" / file
    path.write_text(f"{path.read_text() if path.is_file() else ''}\n{code}\n")
    found = problems(copy)
    assert any(message in problem and f"tx_bert/{file}:" in problem for problem in found), found


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("config.py", "def f():\n    import torch\n    import keras"),
        ("config.py", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import torch\n    from .model_tf import A"),
        ("config.py", "import typing\nif typing.TYPE_CHECKING:\n    import torch"),
        ("extra_torch.py", "import torch\nfrom .model_torch import BertModel"),
        ("extra_tf.py", "import keras\nimport tensorflow as tf\nfrom tx_core.models.attention_tf import attend"),
        ("config.py", "from .lazy import load_tf"),
        ("extra_torch.py", "from .lazy import load_tf"),
    ],
)
def test_what_is_allowed_is_not_reported(copy: Path, file: str, code: str) -> None:
    path = copy / "packages/tx-bert/src/tx_bert" / file
    path.write_text(f"{path.read_text() if path.is_file() else ''}\n{code}\n")
    assert problems(copy) == []


def test_a_recorded_release_may_not_change(copy: Path) -> None:
    assert tool("build", copy, "--record", "tx-bert").returncode == 0
    assert json.loads((copy / "tools/released.json").read_text()).keys() == {"tx-bert"}
    assert problems(copy) == []
    append(copy / "packages/tx-bert/src/tx_bert/architecture.py", "\nCHANGED = True\n")
    assert tool("build", copy, "tx-bert").returncode == 0
    assert any("was released with other contents" in problem for problem in problems(copy))
    refused = tool("build", copy, "--record", "tx-bert")
    assert refused.returncode == 1
    assert "bump its version first" in refused.stderr


def test_archives_are_reproducible(built: Path, copy: Path) -> None:
    def contents(root: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (root / "dist").iterdir() if path.is_file()}

    for path in (copy / "packages").rglob("*.py"):
        path.touch()
    assert tool("build", copy).returncode == 0
    assert contents(copy) == contents(built)
    assert len(contents(built)) == 2 * len(NAMES)


def test_every_package_has_an_environment_of_its_own_in_tox() -> None:
    text = (ROOT / "tox.ini").read_text()
    groups = re.findall(r"tx-\{([^}]*)\}", text)
    names = [{f"tx-{name}" for name in group.split(",")} for group in groups]
    assert names == 2 * [{path.parent.name for path in ROOT.glob("packages/*/pyproject.toml")}]


def test_building_an_unknown_package_says_so(built: Path) -> None:
    result = tool("build", built, "tx-brt")
    assert result.returncode == 2
    assert "no package of that name: tx-brt" in result.stderr
