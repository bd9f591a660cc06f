"""Models that installed packages bring: found by name through the entry-point group `tx.models`, without a request."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tx_core.files import (
    InvalidNameError,
    OfflineError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    Source,
    bundled,
    locate,
    pinned,
)


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TX_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bundled, "_found", {})
    monkeypatch.chdir(tmp_path)


def install(site: Path, name: str = "acme-models", target: str = "acme_models:MODELS") -> Path:
    """Put a package with the models `small` and `large` into the folder `site`; the folder of its models."""
    module = name.replace("-", "_")
    models = site / module / "models"
    for model in ("small", "large"):
        (models / model / "onnx").mkdir(parents=True)
        (models / model / "config.json").write_text('{"model_type": "bert"}')
    (models / "small" / "onnx" / "vocab.txt").write_text("a\n")
    (models / "__pycache__").mkdir()
    lines = ["from pathlib import Path", "MODELS = Path(__file__).with_name('models')", "NAME = 'models'"]
    (site / module / "__init__.py").write_text("\n".join(lines))
    info = site / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[tx.models]\n{name} = {target}\n" if target else "")
    return models


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "acme_models", raising=False)
    return folder


def test_model_of_an_installed_package_is_found_in_it(site: Path) -> None:
    models = install(site)
    importlib.invalidate_caches()
    assert locate("acme-models/small", ["tokenizer.json", "config.json"]) == models / "small" / "config.json"
    assert locate("acme-models/small", ["tokenizer.json"]) is None
    assert locate("acme-models/large", ["vocab.txt"], Source(subfolder="onnx")) is None
    path = locate("acme-models/small", ["vocab.txt"], Source(subfolder="onnx"))
    assert path == models / "small" / "onnx" / "vocab.txt"
    assert pinned(Source(), path, "acme-models/small").revision == "main"


def test_local_folder_of_the_same_name_wins(site: Path, tmp_path: Path) -> None:
    install(site)
    (tmp_path / "acme-models" / "small").mkdir(parents=True)
    assert locate("acme-models/small", ["config.json"]) is None


def test_unknown_model_names_those_that_there_are(site: Path) -> None:
    install(site)
    with pytest.raises(RepositoryNotFoundError, match=r"acme-models has no model 'huge'; it has large, small$"):
        locate("acme-models/huge", ["config.json"])
    with pytest.raises(RepositoryNotFoundError, match="no model '__pycache__'"):
        locate("acme-models/__pycache__", ["config.json"])


@pytest.mark.parametrize("name", ["acme-models/..", "acme-models/../small", "acme-models/small/onnx", "acme-models/"])
def test_name_cannot_lead_out_of_the_folder(site: Path, name: str) -> None:
    install(site)
    with pytest.raises(InvalidNameError):
        locate(name, ["config.json"])


@pytest.mark.parametrize("file", ["../large/config.json", "/etc/hosts", "onnx/../config.json"])
def test_file_cannot_lead_out_of_the_model(site: Path, file: str) -> None:
    install(site)
    with pytest.raises(InvalidNameError):
        locate("acme-models/small", [file])


def test_revision_is_refused_since_there_is_only_the_installed_one(site: Path) -> None:
    install(site)
    with pytest.raises(RevisionNotFoundError, match=r"has no revision 'v2'; leave revision= out"):
        locate("acme-models/small", ["config.json"], Source(revision="v2"))


def test_package_without_models_leaves_its_names_to_the_hub(site: Path) -> None:
    install(site, target="")
    with pytest.raises(OfflineError):
        locate("acme-models/small", ["config.json"])


def test_entry_point_that_leads_to_no_folder_is_named(site: Path) -> None:
    install(site, target="acme_models:NAME")
    with pytest.raises(TypeError, match=r"'acme-models' of tx.models \(acme_models:NAME\) leads to 'models'"):
        locate("acme-models/small", ["config.json"])


def test_published_package_that_is_missing_is_not_looked_for_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_models_of", lambda package: None)
    with pytest.raises(RepositoryNotFoundError, match=r"'tx-tiny/bert' comes with .*: pip install tx-tiny"):
        locate("tx-tiny/bert", ["config.json"])


def test_ordinary_names_cost_no_look_at_the_installed_packages() -> None:
    code = (
        "import sys\nfrom tx_core.files.bundled import bundled_folder\n"
        "for name in ('bert-base-uncased', 'no-such-organisation/name', '0-1/name', 'sys/name', '__main__/name'):\n"
        "    assert bundled_folder(name) is None, name\n"
        "assert 'importlib.metadata' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
