"""The packages of the repository, as their pyproject.toml files describe them."""

from __future__ import annotations

import hashlib
import re
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


@dataclass(frozen=True)
class Package:
    """One folder of packages/. `project` is the [project] table of its pyproject.toml."""

    folder: Path
    project: dict[str, Any]

    @property
    def name(self) -> str:
        return canonicalize_name(self.project["name"])

    @property
    def version(self) -> str:
        return str(self.project["version"])

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.module

    def requirements(self, *, extras: bool = True) -> Iterator[Requirement]:
        """The dependencies, and those of every extra unless `extras` is False."""
        lines = list(self.project.get("dependencies", ()))
        if extras:
            for group in self.project.get("optional-dependencies", {}).values():
                lines += group
        for line in lines:
            yield Requirement(line)

    def entry_points(self) -> Iterator[str]:
        """Targets, as "module:attribute"."""
        for group in ("scripts", "gui-scripts"):
            yield from self.project.get(group, {}).values()
        for group in self.project.get("entry-points", {}).values():
            yield from group.values()

    def brings_models(self) -> bool:
        """Whether the package is one of those that from_pretrained finds models in."""
        return "tx.models" in self.project.get("entry-points", {})

    def wheel(self, dist: Path) -> Path:
        return dist / f"{self.module}-{self.version}-py3-none-any.whl"

    def sdist(self, dist: Path) -> Path:
        return dist / f"{self.module}-{self.version}.tar.gz"

    def changelog_headings(self) -> list[str]:
        """The second-level headings of CHANGELOG.md, newest first: "Unreleased", "0.2.0", ...; a date may follow."""
        path = self.folder / "CHANGELOG.md"
        if not path.is_file():
            return []
        return re.findall(r"^## +(\S+)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def read(folder: Path) -> Package:
    with open(folder / "pyproject.toml", "rb") as file:
        return Package(folder, tomllib.load(file)["project"])


def packages(root: Path) -> list[Package]:
    """Every package of packages/, by name."""
    return [read(path.parent) for path in sorted(root.glob("packages/*/pyproject.toml"))]


def content_hash(wheel: Path) -> str:
    """sha256 over the names and bytes of a wheel's files, but for what only says how it was built (WHEEL, RECORD)."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"[^/]+\.dist-info/(WHEEL|RECORD)", name):
                digest.update(f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return digest.hexdigest()


def compatible_range(version: str) -> str:
    """The range a sibling asks for: up to the next release that may break it, a minor one while the major is 0."""
    major, minor, _ = Version(version).release
    return f">=0.{minor},<0.{minor + 1}" if major == 0 else f">={major}.{minor},<{major + 1}"
