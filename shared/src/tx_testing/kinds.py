"""The kinds of tests, and which frameworks each of them may load."""

from __future__ import annotations

import re
import sys
from pathlib import Path

KINDS = ("none", "torch", "tf", "both", "reference", "inside")
ALLOWED: dict[str, frozenset[str]] = {
    "none": frozenset(),
    "torch": frozenset({"torch"}),
    "tf": frozenset({"tf"}),
    "both": frozenset({"torch", "tf"}),
    "reference": frozenset({"torch", "tf"}),
    # Tools that bring transformers along, which is a matter of theirs: tx is not compared with it there.
    "inside": frozenset({"torch", "transformers"}),
}
# Modules whose presence in sys.modules says that a framework was loaded. The reference implementation is run in its own
# process only: its TensorFlow half changes what tf.keras means for the whole process.
MODULES = {"torch": "torch", "tensorflow": "tf", "keras": "tf", "tf_keras": "tf_keras", "transformers": "transformers"}

_SUFFIX = re.compile(r"_(torch|tf|both|reference|inside)\.py$")


def kind_of(path: Path) -> str:
    """The kind of the module at ``path``: one of KINDS."""
    match = _SUFFIX.search(path.name)
    return match.group(1) if match else "none"


def loaded_frameworks() -> frozenset[str]:
    """The frameworks that this process has loaded so far."""
    return frozenset(framework for module, framework in MODULES.items() if module in sys.modules)


def undeclared(name: str, kind: str, before: frozenset[str]) -> str | None:
    """What is wrong when ``name``, of this kind, loaded a framework beyond ``before`` that the kind does not allow."""
    new = loaded_frameworks() - before - ALLOWED[kind]
    if not new:
        return None
    return (
        f"{name} loaded {', '.join(sorted(new))}, but what is of the kind {kind!r} may load "
        f"{', '.join(sorted(ALLOWED[kind])) or 'no framework'}: rename it, or import less"
    )
