"""Lazy exports, tried with a toy package and toy frameworks in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tx_core.lazy import attach, require

# Makes modules look as if they were not installed, as all finders of a process without them would.
HIDE = """
import json, sys
class Hiding:
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in HIDDEN
        return None if hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
"""

TOY = """
TYPE_CHECKING = False
EXPORTS = {"config": ("ToyConfig", "helper"), "model_torch": ("ToyModel",), "model_tf": ("TFToyModel",)}
from tx_core.lazy import attach
__getattr__, __dir__ = attach(__name__, EXPORTS)
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with the package toy_package and with empty packages by the names of the frameworks."""
    for name in ("torch", "tensorflow", "keras"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    toy = tmp_path / "toy_package"
    toy.mkdir()
    (toy / "__init__.py").write_text(TOY)
    (toy / "config.py").write_text("class ToyConfig: pass\ndef helper(): return 1\nprint_me = 'config is loaded'\n")
    (toy / "model_torch.py").write_text("import torch\nclass ToyModel: pass\n")
    (toy / "model_tf.py").write_text("import tensorflow, keras\nclass TFToyModel: pass\n")
    information = tmp_path / "toy_package-1.2.3.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-package\nVersion: 1.2.3\n")
    return tmp_path


def run(packages: Path, code: str, hidden: Sequence[str] = (), **environment: str) -> Any:
    """What `code` leaves in `result`, in a process where the modules `hidden` are not installed."""
    path = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    program = f"HIDDEN = {list(hidden)!r}\n{HIDE}\n{code}\nprint(json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(packages), *path]), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ERROR = """
import toy_package
try:
    toy_package.{name}
    result = None
except {error} as error:
    result = [type(error).__name__, str(error), error.name]
"""


def test_importing_the_package_loads_none_of_its_modules(packages: Path) -> None:
    loaded = run(packages, "import toy_package\nresult = sorted(sys.modules)")
    assert "toy_package" in loaded
    assert not {"toy_package.config", "torch", "tensorflow", "keras", "numpy", "typing", "importlib.metadata"} & {
        *loaded
    }


def test_a_name_is_loaded_when_used_and_kept(packages: Path) -> None:
    code = """
import toy_package
first = toy_package.ToyConfig
loaded = sorted(name for name in sys.modules if name in ("toy_package.config", "toy_package.model_torch", "torch"))
from toy_package import ToyConfig
result = [first is ToyConfig, "ToyConfig" in vars(toy_package), first.__module__, toy_package.helper(), loaded]
"""
    assert run(packages, code) == [True, True, "toy_package.config", 1, ["toy_package.config"]]


@pytest.mark.parametrize(
    "hidden, name, message, missing",
    [
        (["torch"], "ToyModel", "ToyModel needs PyTorch: pip install 'toy-package[torch]'", "torch"),
        (["tensorflow"], "TFToyModel", "TFToyModel needs TensorFlow: pip install 'toy-package[tf]'", "tensorflow"),
        (["keras"], "TFToyModel", "TFToyModel needs TensorFlow: pip install 'toy-package[tf]'", "keras"),
    ],
)
def test_a_name_without_its_framework_says_what_to_install(
    packages: Path, hidden: list[str], name: str, message: str, missing: str
) -> None:
    found = run(packages, ERROR.format(name=name, error="ImportError"), hidden)
    assert found == ["ImportError", message, missing]


def test_an_error_inside_a_framework_is_not_hidden(packages: Path) -> None:
    (packages / "torch" / "__init__.py").write_text("raise ImportError('libtorch.so is broken', name='_C')")
    found = run(packages, ERROR.format(name="ToyModel", error="ImportError"))
    assert found == ["ImportError", "libtorch.so is broken", "_C"]


def test_an_unknown_name_is_an_attribute_error(packages: Path) -> None:
    found = run(packages, ERROR.format(name="ToyModle", error="AttributeError"))
    assert found == ["AttributeError", "module 'toy_package' has no attribute 'ToyModle'", "ToyModle"]


def test_modules_can_still_be_imported_from_the_package(packages: Path) -> None:
    assert run(packages, "from toy_package import config\nresult = config.print_me") == "config is loaded"


PLAIN = ["ToyConfig", "helper"]


@pytest.mark.parametrize(
    "hidden, extra",
    [
        ([], ["TFToyModel", "ToyModel"]),
        (["tensorflow"], ["ToyModel"]),
        (["keras"], ["ToyModel"]),
        (["torch"], ["TFToyModel"]),
        (["torch", "tensorflow"], []),
    ],
)
def test_dir_lists_what_is_available(packages: Path, hidden: list[str], extra: list[str]) -> None:
    names = run(packages, "import toy_package\nresult = dir(toy_package)", hidden)
    public = {"ToyConfig", "helper", "ToyModel", "TFToyModel"}
    assert sorted(public & {*names}) == sorted(PLAIN + extra)
    assert {"__all__", "__version__", "__name__", "EXPORTS"} <= {*names}


STAR = """
{before}
scope = {{}}
exec("from toy_package import *", scope)
from tx_core.deferred import Deferred
deferred = sorted(name for name, value in scope.items() if type(value) is Deferred)
loaded = sorted(name for name in ("torch", "tensorflow", "keras", "numpy") if name in sys.modules)
result = [sorted(name for name in scope if not name.startswith("__")), deferred, loaded]
"""
ALL = ["TFToyModel", "ToyConfig", "ToyModel", "helper"]


@pytest.mark.parametrize("hidden", [[], ["torch"], ["keras"], ["torch", "tensorflow"]])
def test_a_star_import_binds_every_name_and_imports_no_framework(packages: Path, hidden: list[str]) -> None:
    assert run(packages, STAR.format(before=""), hidden) == [ALL, ["TFToyModel", "ToyModel"], []]


@pytest.mark.parametrize(
    "before, deferred, loaded",
    [
        ("import torch", ["TFToyModel"], ["torch"]),
        ("import tensorflow", ["ToyModel"], ["keras", "tensorflow"]),
        ("import tensorflow, torch", [], ["keras", "tensorflow", "torch"]),
    ],
)
def test_a_star_import_binds_the_classes_of_a_framework_that_is_imported(
    packages: Path, before: str, deferred: list[str], loaded: list[str]
) -> None:
    assert run(packages, STAR.format(before=before)) == [ALL, deferred, loaded]


def test_every_name_is_in_all(packages: Path) -> None:
    code = "import toy_package\nresult = [toy_package.__all__, 'torch' in sys.modules]"
    assert run(packages, code, ["tensorflow"]) == [ALL, False]


# What comes after a star import, by what it leaves in `result`.
USES = {
    "called": ("result = type(ToyModel()).__name__", "ToyModel"),
    "asked for an attribute": ("result = ToyModel.__mro__[0].__name__", "ToyModel"),
    "subclassed": (
        "class Mine(ToyModel): pass\nresult = [each.__name__ for each in Mine.__mro__]",
        ["Mine", "ToyModel", "object"],
    ),
    "replaced by the class": (
        "ToyModel()\nimport toy_package\nresult = [ToyModel is toy_package.ToyModel, repr(TFToyModel)]",
        [True, "<toy_package.model_tf.TFToyModel, imported on first use>"],
    ),
    "equal to the class": (
        "kept = [ToyModel]\nimport toy_package\nclass_ = toy_package.ToyModel\n"
        "result = [kept[0] == class_, class_ == kept[0], hash(kept[0]) == hash(class_), kept[0] == toy_package.helper]",
        [True, True, True, False],
    ),
    "asked about instances": (
        "kept = ToyModel\nbefore = isinstance(3, ToyModel)\nloaded = 'torch' in sys.modules\nmodel = ToyModel()\n"
        "result = [before, loaded, isinstance(model, kept), isinstance(3, kept), issubclass(type(model), kept)]",
        [False, False, True, False, True],
    ),
    "a subclass of a class": ("kept = ToyModel\nToyModel()\nresult = issubclass(kept, object)", True),
    "in a union": (
        "kept = ToyModel\nresult = [str(kept | None), str(None | kept)]",
        ["toy_package.model_torch.ToyModel | None", "None | toy_package.model_torch.ToyModel"],
    ),
    "pickled": (
        "import copy, pickle\nkept = ToyModel\n"
        "result = [pickle.loads(pickle.dumps(kept)).__name__, copy.deepcopy([kept])[0].__name__]",
        ["ToyModel", "ToyModel"],
    ),
}


@pytest.mark.parametrize(("code", "expected"), USES.values(), ids=USES.keys())
def test_a_stand_in_does_what_the_class_does(packages: Path, code: str, expected: object) -> None:
    assert run(packages, f"from toy_package import *\n{code}", ["tensorflow"]) == expected


def test_a_stand_in_without_its_framework_says_what_to_install_when_it_is_used(packages: Path) -> None:
    code = """
from toy_package import *
result = [isinstance(3, TFToyModel), ToyModel == TFToyModel, TFToyModel == None]
def subclass():
    class Mine(TFToyModel): pass
for use in (lambda: TFToyModel(), lambda: TFToyModel.from_pretrained, subclass):
    try:
        use()
    except ImportError as error:
        result.append(str(error))
"""
    says = "TFToyModel needs TensorFlow: pip install 'toy-package[tf]'"
    assert run(packages, code, ["tensorflow"]) == [False, False, False, says, says, says]


def test_a_name_that_is_imported_by_itself_is_the_class(packages: Path) -> None:
    code = """
from toy_package import *
from toy_package import ToyModel as named
import toy_package
result = [isinstance(named, type), isinstance(toy_package.ToyModel, type), named is toy_package.ToyModel]
"""
    assert run(packages, code) == [True, True, True]


MERGED = """
from tx_core.lazy import merge
__getattr__, __dir__ = merge(__name__, ("toy_package", "other_package"))
"""
OTHER = """
from tx_core.lazy import attach
__getattr__, __dir__ = attach(__name__, {"words": ("Words", "helper")}, {"WORDS": {"a": "b"}})
"""


@pytest.fixture
def merged(packages: Path) -> Path:
    """The same folder, with a package that offers what toy_package and other_package do."""
    for name, text in {"merged_package": MERGED, "other_package": OTHER}.items():
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(text)
    (packages / "other_package" / "words.py").write_text("from toy_package.config import helper\nclass Words: pass\n")
    return packages


def test_a_package_can_offer_what_others_do(merged: Path) -> None:
    code = """
import merged_package
before = "toy_package" in sys.modules
import toy_package
result = [before, merged_package.ToyModel is toy_package.ToyModel, merged_package.Words.__name__, merged_package.WORDS]
result += [{*toy_package.__all__} < {*merged_package.__all__}, "ToyModel" in dir(merged_package)]
from merged_package import *
result += [ToyModel is toy_package.ToyModel, repr(TFToyModel), hasattr(merged_package, "nothing")]
"""
    stand_in = "<toy_package.model_tf.TFToyModel, imported on first use>"
    assert run(merged, code) == [False, True, "Words", {"a": "b"}, True, True, True, stand_in, False]


def test_what_is_missing_is_installed_through_the_package_that_was_asked(merged: Path) -> None:
    code = ERROR.replace("toy_package", "merged_package").format(name="ToyModel", error="ImportError")
    says = "ToyModel needs PyTorch: pip install 'merged-package[torch]'"
    assert run(merged, code, ["torch"]) == ["ImportError", says, "torch"]


def test_the_version_is_that_of_the_distribution(packages: Path) -> None:
    assert run(packages, "import toy_package\nresult = toy_package.__version__") == "1.2.3"


@pytest.mark.parametrize("hidden, torch, tf", [([], True, True), (["torch"], False, True), (["keras"], True, False)])
def test_availability_is_looked_up_without_importing(packages: Path, hidden: list[str], torch: bool, tf: bool) -> None:
    code = """
from tx_core import is_tf_available, is_torch_available
result = [is_torch_available(), is_tf_available(), "torch" in sys.modules or "tensorflow" in sys.modules]
"""
    assert run(packages, code, hidden) == [torch, tf, False]


def test_a_folder_without_a_package_in_it_is_no_framework(packages: Path) -> None:
    (packages / "torch" / "__init__.py").unlink()
    code = """
sys.path[:] = [each for each in sys.path if "site-packages" not in each]
from tx_core.lazy import is_torch_available
import importlib.util
result = [importlib.util.find_spec("torch") is not None, is_torch_available()]
"""
    assert run(packages, f"import tx_core\n{code}") == [True, False]


def test_hooks_and_none_in_sys_modules_forbid_a_framework(packages: Path) -> None:
    code = """
from tx_core.lazy import is_tf_available, is_torch_available
sys.modules["torch"] = None
class Forbidding:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow": raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Forbidding())
result = [is_torch_available(), is_tf_available()]
"""
    assert run(packages, code) == [False, False]


@pytest.mark.parametrize(
    "module, version, name, message",
    [
        ("torch", "2.3.1+cpu", "ToyModel", "ToyModel needs torch 2.4 or newer, and 2.3.1+cpu is installed"),
        ("keras", "3.6.0", "TFToyModel", "TFToyModel needs keras 3.7 or newer, and 3.6.0 is installed"),
        ("keras", "2.15.0", "TFToyModel", "TFToyModel needs keras 3.7 or newer, and 2.15.0 is installed"),
        ("tensorflow", "2.15.1", "TFToyModel", "TFToyModel needs tensorflow 2.16 or newer, and 2.15.1 is installed"),
    ],
)
def test_a_framework_that_is_too_old_is_refused(
    packages: Path, module: str, version: str, name: str, message: str
) -> None:
    releases(packages, torch="2.4.0", keras="3.7.0", tensorflow="2.16.0")
    assert run(packages, "from toy_package import ToyModel, TFToyModel\nresult = True")
    releases(packages, **{module: version})
    least = message.split()[3]
    found = run(packages, ERROR.format(name=name, error="ImportError"))
    assert found == ["ImportError", f"{message}: pip install '{module}>={least}'", module]


def releases(packages: Path, **versions: str) -> None:
    """Notes the versions of frameworks, and what tx-core asks for, as an installation would."""
    asked = ["torch (>=2.4) ; extra == 'torch'", "keras (>=3.7) ; extra == 'tf'", "tensorflow>=2.16; extra == 'tf'"]
    for name, version in {"tx_core": "0.1.0", **versions}.items():
        information = packages / f"{name}-0.dist-info"
        information.mkdir(exist_ok=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in asked if name == "tx_core"]
        (information / "METADATA").write_text("\n".join(lines) + "\n")


def test_require_asks_nothing_for_modules_without_a_framework() -> None:
    require("toy_package.config", "ToyConfig")


def test_names_must_be_exported_once() -> None:
    with pytest.raises(ValueError, match="'helper' from 'b' and from 'a'"):
        attach("toy_package", {"a": ("helper",), "b": ("helper",)})


def test_names_must_not_be_those_of_modules() -> None:
    with pytest.raises(ValueError, match="exports 'config' from 'config'"):
        attach("toy_package", {"config": ("config",)})
