"""The stubs of the packages that export names lazily: what type checkers and editors see of `import tx_bert`.

Such a package's `__init__.py` hands a list of names to `tx_core.lazy.attach`: its own `EXPORTS`, or that of its
architecture's record. Its `__init__.pyi` says the same in the words of type checkers.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tree

HEAD = "# Written by tools/exports.\n"


def stubs(packages: list[tree.Package]) -> Iterator[tuple[Path, str]]:
    """(path of the stub, its text) of every package that exports names lazily."""
    for package in packages:
        init = ast.parse((package.source / "__init__.py").read_text(encoding="utf-8"))
        if any(
            isinstance(node, ast.ImportFrom) and "attach" in {each.name for each in node.names} for node in init.body
        ):
            exports, constants = offered(package, packages)
            yield package.source / "__init__.pyi", stub(exports, constants)


def offered(package: tree.Package, packages: list[tree.Package]) -> tuple[Mapping[str, Sequence[str]], Sequence[str]]:
    """What a package of the tree exports: module -> names, and the names that stand in no module."""
    sources = [str(each.source.parent) for each in packages]
    sys.path[:0] = sources
    try:
        module = importlib.import_module(package.module)
        if hasattr(module, "EXPORTS"):
            return module.EXPORTS, ()
        record = importlib.import_module(f"{package.module}.architecture").ARCHITECTURE
        return record.exports(), [*record.archive_maps()]
    finally:
        del sys.path[: len(sources)]


def stub(exports: Mapping[str, Sequence[str]], constants: Sequence[str]) -> str:
    """The text of an `__init__.pyi`."""
    lines = [HEAD]
    if constants:
        lines.append("from collections.abc import Mapping\n\n")
    for module in sorted(exports):
        lines += [f"from .{module} import {name} as {name}\n" for name in sorted(exports[module])]
    lines.append("\n")
    lines += [f"{name}: Mapping[str, str]\n" for name in sorted(constants)]
    return "".join([*lines, "__version__: str\n"])
