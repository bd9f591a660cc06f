"""What tools/exports writes: the stubs of the packages that export names lazily, and the lists of the one that has all.

Such a package's `__init__.py` hands a list of names to `tx_core.lazy.attach`: its own `EXPORTS`, or that of its
architecture's record. Its `__init__.pyi` says the same in the words of type checkers.
tx-all hands the packages' names to `tx_core.lazy.merge`, and depends on all of them.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tree

HEAD = "# Written by tools/exports.\n"
LENGTH = 120  # of a line, as ruff formats it


def written(packages: list[tree.Package]) -> Iterator[tuple[Path, str]]:
    """(path, text) of every file that tools/exports writes."""
    parts = [package for package in packages if _uses(package, "attach")]
    merged = [package for package in packages if _uses(package, "merge")]
    for package in parts:
        yield package.source / "__init__.pyi", stub(*offered(package, packages))
    for package in merged:
        offers = {each.module: offered(each, packages) for each in parts}
        yield package.source / "__init__.pyi", merged_stub(offers, packages)
        lines = "".join(f'    "{each.module}",\n' for each in parts)
        text = f'"""The packages whose names this one offers."""\n\n{HEAD}PACKAGES = (\n{lines})\n'
        yield package.source / "packages.py", text
        project = package.folder / "pyproject.toml"
        lines = "".join(f'    "{each.name}{tree.compatible_range(each.version)}",\n' for each in parts)
        text, found = re.subn(
            r"(?ms)(?<=^dependencies = \[\n).*?(?=^\]$)", lines, project.read_text(encoding="utf-8"), count=1
        )
        if not found:
            raise ValueError(f"{project} has no dependencies = [ with a line for each, to be written")
        yield project, text


def _uses(package: tree.Package, name: str) -> bool:
    """Whether the package's `__init__.py` imports one of the functions of `tx_core.lazy`."""
    init = ast.parse((package.source / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in init.body if isinstance(node, ast.ImportFrom) and node.module == "tx_core.lazy"]
    # Of tx-core itself the import is relative.
    imports += [node for node in init.body if isinstance(node, ast.ImportFrom) and node.level and node.module == "lazy"]
    return any(name in {each.name for each in node.names} for node in imports)


def offered(package: tree.Package, packages: list[tree.Package]) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """What a package of the tree exports: module -> names, and the names that stand in no module."""
    with importable(packages):
        module = importlib.import_module(package.module)
        if hasattr(module, "EXPORTS"):
            return module.EXPORTS, ()
        record = importlib.import_module(f"{package.module}.architecture").ARCHITECTURE
        return record.exports(), [*record.archive_maps()]


def exported(package: str, name: str, packages: list[tree.Package]) -> object:
    """What a package of the tree exports under a name."""
    with importable(packages):
        return getattr(importlib.import_module(package), name)


@contextlib.contextmanager
def importable(packages: list[tree.Package]) -> Iterator[None]:
    """The packages of the tree can be imported, whatever is installed."""
    sources = [str(each.source.parent) for each in packages]
    sys.path[:0] = sources
    try:
        yield
    finally:
        del sys.path[: len(sources)]


def stub(exports: Mapping[str, Sequence[str]], constants: Sequence[str]) -> str:
    """The text of an `__init__.pyi`."""
    lines = [HEAD]
    if constants:
        lines.append("from collections.abc import Mapping\n\n")
    for module in sorted(exports):
        lines += [_import(f".{module}", name) for name in sorted(exports[module])]
    lines.append("\n")
    lines += [f"{name}: Mapping[str, str]\n" for name in sorted(constants)]
    return "".join([*lines, "__version__: str\n"])


def merged_stub(
    parts: Mapping[str, tuple[Mapping[str, Sequence[str]], Sequence[str]]], packages: list[tree.Package]
) -> str:
    """The text of the `__init__.pyi` of a package that offers what others do: package -> what `offered` gives of it.

    Raises:
        ValueError: two packages export one name, and not for the same thing.
    """
    owners: dict[str, str] = {}
    for package, (exports, constants) in parts.items():
        for name in [*constants, *(name for names in exports.values() for name in names)]:
            other = owners.setdefault(name, package)
            if other != package and exported(other, name, packages) is not exported(package, name, packages):
                raise ValueError(f"{package} exports {name}, and so does {other}: one of them needs another name")

    def place(name: str) -> tuple[str, int, str]:  # as ruff sorts imports: constants, classes, functions
        return owners[name], 0 if name.isupper() else 1 if name[0].isupper() else 2, name.casefold()

    lines = [_import(owners[name], name) for name in sorted(owners, key=place)]
    return "".join([HEAD, *lines, "\n__version__: str\n"])


def _import(module: str, name: str) -> str:
    line = f"from {module} import {name} as {name}"
    return f"{line}\n" if len(line) <= LENGTH else f"from {module} import (\n    {name} as {name},\n)\n"
