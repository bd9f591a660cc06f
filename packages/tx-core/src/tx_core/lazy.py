"""Lazy exports: `import tx_bert` loads no framework, and a name whose framework is missing says what to install.

A package lists its public names per module and hands the list to `attach`:

    EXPORTS = {"config": ("BertConfig",), "model_torch": ("BertModel",), "model_tf": ("TFBertModel",)}
    __getattr__, __dir__ = attach(__name__, EXPORTS)

An architecture's record has the list: `attach(__name__, ARCHITECTURE.exports(), ARCHITECTURE.archive_maps())`.

The file of a module tells what it needs: `*_torch` needs PyTorch, `*_tf` needs TensorFlow with Keras 3, others nothing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

# suffix of a module's name -> (what people call the framework, the modules it must offer, the extra that installs it)
_FRAMEWORKS = {
    "_torch": ("PyTorch", ("torch",), "torch"),
    "_tf": ("TensorFlow", ("tensorflow", "keras"), "tf"),
}


# The rooms of tx-core whose modules all use NumPy.
_NUMERIC = frozenset({"checkpoints", "weights", "models"})

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


def require(module: str, name: str, package: str = "") -> None:
    """Check that the framework which the module `module` (a full name) needs is installed, and no older than it may be.

    Args:
        package: the one that the name was asked of, if it is not the module's own.

    Raises:
        ImportError: it is not; the message names `name`, which is wanted, and the command that installs the framework.
    """
    suffix = _suffix(module)
    if suffix is None:
        return
    framework, modules, extra = _FRAMEWORKS[suffix]
    if not _installed(suffix):
        distribution = (package or module).partition(".")[0].replace("_", "-")
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


# Package -> what it exports: name -> full name of its module ("" for constants), and the constants.
_ATTACHED: dict[str, tuple[dict[str, str], Mapping[str, object]]] = {}


def attach(
    package: str, exports: Mapping[str, Sequence[str]], constants: Mapping[str, object] = _NONE
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the module functions `__getattr__` and `__dir__` (PEP 562) of a package that exports names lazily.

    Each name is imported when it is first used and kept as an attribute of the package. `dir(package)` lists what can
    be had with the frameworks that are installed; `__all__` lists every name. `from package import *` binds them all
    and imports neither a framework nor NumPy: names that need one which is not imported yet are bound to a
    `tx_core.deferred.Deferred`.

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
    offered = {name: module and f"{package}.{module}" for name, module in owners.items()}, constants
    _ATTACHED[package] = offered
    return _functions(package, lambda: offered)


def merge(
    package: str, parts: Sequence[str], modules: Container[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """As `attach`, for a package that offers what others export; they are imported when a name is first used.

    Args:
        package: the package's `__name__`.
        parts: the packages, each with an `__init__.py` that uses `attach`. What two of them export is the same thing.
        modules: modules of `package` that are attributes of it before they are imported.
    """
    found: list[tuple[dict[str, str], Mapping[str, object]]] = []

    def offered() -> tuple[dict[str, str], Mapping[str, object]]:
        if not found:
            from importlib import import_module

            owners: dict[str, str] = {}
            constants: dict[str, object] = {}
            for part in parts:
                import_module(part)
                names, values = _ATTACHED[part]
                owners = {**names, **owners}
                constants.update(values)
            found.append((owners, constants))
        return found[0]

    return _functions(package, offered, modules)


def _functions(
    package: str,
    offered: Callable[[], tuple[dict[str, str], Mapping[str, object]]],
    modules: Container[str] = (),
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    def getattr_(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value: object = version(package.replace("_", "-"))
            setattr(sys.modules[package], name, value)
            return value
        if name in modules:
            from importlib import import_module

            return import_module(f"{package}.{name}")
        # What is looked for by name in every module, such as __path__ or __wrapped__, is not worth the packages.
        special = name.startswith("__") and name != "__all__"
        owners, constants = ({}, _NONE) if special else offered()
        if name == "__all__":
            return sorted(owners)
        if name in constants:
            value = constants[name]
        elif name in owners:
            from importlib import import_module

            module = owners[name]
            if module not in sys.modules and _library(module) not in sys.modules:
                from .deferred import Deferred, star_import

                frame = sys._getframe(1)
                if star_import(frame):
                    return Deferred(name, module, package, frame.f_locals)  # not kept as an attribute
            require(module, name, package)
            value = getattr(import_module(module), name)
        else:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=sys.modules[package])
        setattr(sys.modules[package], name, value)
        return value

    def dir_() -> list[str]:
        suffixes = (None, *(suffix for suffix in _FRAMEWORKS if _installed(suffix)))
        available = (name for name, module in offered()[0].items() if _suffix(module) in suffixes)
        return sorted({*vars(sys.modules[package]), "__all__", "__version__", *available})

    return getattr_, dir_


def _library(module: str) -> str:
    """The module that importing `module` would import and that takes long: that of a framework, or NumPy."""
    suffix = _suffix(module)
    if suffix is not None:
        return _FRAMEWORKS[suffix][1][0]
    return "numpy" if _NUMERIC.intersection(module.split(".")) else "sys"
