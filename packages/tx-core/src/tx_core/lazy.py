"""Lazy exports: `import tx_bert` loads no framework, and a name whose framework is missing says what to install.

A package lists its public names per module and hands the list to `attach`:

    EXPORTS = {"config": ("BertConfig",), "model_torch": ("BertModel",), "model_tf": ("TFBertModel",)}
    __getattr__, __dir__ = attach(__name__, EXPORTS)

An architecture's record has the list: `attach(__name__, ARCHITECTURE.exports(), ARCHITECTURE.archive_maps())`.

The file of a module tells what it needs: `*_torch` needs PyTorch, `*_tf` needs TensorFlow with Keras 3, others nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# suffix of a module's name -> (what people call the framework, the modules it must offer, the extra that installs it)
_FRAMEWORKS = {
    "_torch": ("PyTorch", ("torch",), "torch"),
    "_tf": ("TensorFlow", ("tensorflow", "keras"), "tf"),
}


_NONE: dict[str, object] = {}


def is_torch_available() -> bool:
    """Whether PyTorch is installed (looked up, not imported)."""
    return _installed("_torch")


def is_tf_available() -> bool:
    """Whether TensorFlow and Keras are installed (looked up, not imported)."""
    return _installed("_tf")


def _installed(suffix: str) -> bool:
    return all(_findable(module) for module in _FRAMEWORKS[suffix][1])


def _findable(module: str) -> bool:
    if module in sys.modules:
        return sys.modules[module] is not None
    from importlib.util import find_spec

    try:
        spec = find_spec(module)
    except ModuleNotFoundError:  # an import hook that forbids the module
        return False
    # A folder without __init__.py (what an uninstalled package may leave behind) is found too, but has no origin.
    return spec is not None and spec.origin is not None


def _suffix(module: str) -> str | None:
    return next((suffix for suffix in _FRAMEWORKS if module.endswith(suffix)), None)


def require(module: str, name: str) -> None:
    """Check that the framework which the module `module` (a full name) needs is installed, and no older than it may be.

    Raises:
        ImportError: it is not; the message names `name`, which is wanted, and the command that installs the framework.
    """
    suffix = _suffix(module)
    if suffix is None:
        return
    framework, modules, extra = _FRAMEWORKS[suffix]
    if not _installed(suffix):
        distribution = module.partition(".")[0].replace("_", "-")
        missing = next(each for each in modules if not _findable(each))
        raise ImportError(f"{name} needs {framework}: pip install '{distribution}[{extra}]'", name=missing)
    for each in modules:
        found, least = _versions(each)
        if _release(found) < _release(least):
            message = f"{name} needs {each} {least} or newer, and {found} is installed: pip install '{each}>={least}'"
            raise ImportError(message, name=each)


def _versions(module: str) -> tuple[str, str]:
    """The installed version of a framework and the least that tx-core's own metadata asks for; empty if unknown (a
    build whose distribution has another name, such as a nightly one)."""
    import re
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        found, requirements = version(module), "\n".join(requires("tx-core") or ())
    except PackageNotFoundError:
        return "", ""
    least = re.search(rf"^{module} ?\(?>=([\d.]+)", requirements, flags=re.MULTILINE)
    return found, least[1] if least else ""


def _release(version: str) -> tuple[int, ...]:
    """The numbers that a version begins with: (2, 4, 1) of "2.4.1+cpu", (3, 7, 0) of "3.7.0.dev1"."""
    numbers: list[int] = []
    for part in version.partition("+")[0].split("."):
        if not part.isdecimal():
            break
        numbers.append(int(part))
    return tuple(numbers)


def attach(
    package: str, exports: Mapping[str, Sequence[str]], constants: Mapping[str, object] = _NONE
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the module functions `__getattr__` and `__dir__` (PEP 562) of a package that exports names lazily.

    Each name is imported when it is first used and kept as an attribute of the package. `dir(package)` lists what can
    be had with the frameworks that are installed. `from package import *` also spares the user the import of a second
    framework: it binds the names that need none, PyTorch's if it is installed, and TensorFlow's if TensorFlow is
    imported already or is the only one installed. With the environment variable `TX_IMPORT_ALL=1` it binds all of them.

    Args:
        package: the package's `__name__`; its distribution has the same name with hyphens.
        exports: the public names per module, the module's name relative to the package.
        constants: public names that stand in no module -> what they are.

    Raises:
        ValueError: a name is exported twice, or is that of a module too.
    """
    if "torch.utils._pytree" in sys.modules:
        # PyTorch is in use: a program that was exported with it may be loaded without any of the names below.
        from importlib import import_module

        import_module("tx_core.models.outputs_torch")

    owners: dict[str, str] = dict.fromkeys(constants, "")
    for module, names in exports.items():
        for name in names:
            if name in owners or name in exports:
                raise ValueError(f"{package} exports {name!r} from {module!r} and from {owners.get(name, name)!r}")
            owners[name] = module

    def available(suffixes: Sequence[str]) -> list[str]:
        return sorted(name for name, module in owners.items() if _suffix(module) in (None, *suffixes))

    def installed() -> list[str]:
        return [suffix for suffix in _FRAMEWORKS if _installed(suffix)]

    def star() -> list[str]:
        suffixes = installed()
        wanted = os.environ.get("TX_IMPORT_ALL", "") not in ("", "0") or "tensorflow" in sys.modules
        if "_torch" in suffixes and not wanted:
            suffixes = ["_torch"]
        return available(suffixes)

    def getattr_(name: str) -> object:
        if name == "__all__":
            return star()
        if name == "__version__":
            from importlib.metadata import version

            value: object = version(package.replace("_", "-"))
        elif name in constants:
            value = constants[name]
        elif name in owners:
            from importlib import import_module

            module = f"{package}.{owners[name]}"
            require(module, name)
            value = getattr(import_module(module), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        return sorted({*vars(sys.modules[package]), "__all__", "__version__", *available(installed())})

    return getattr_, dir_
