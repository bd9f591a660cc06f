"""What the `file_utils` of 2019 had, and tx has no use for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Documented = TypeVar("Documented", bound=Callable[..., object])


def add_start_docstrings(*docstr: str) -> Callable[[Documented], Documented]:
    """A decorator that puts `docstr` before the docstring of a function or class."""

    def decorated(documented: Documented) -> Documented:
        documented.__doc__ = "".join(docstr) + (documented.__doc__ or "")
        return documented

    return decorated


def add_end_docstrings(*docstr: str) -> Callable[[Documented], Documented]:
    """A decorator that puts `docstr` after the docstring of a function or class."""

    def decorated(documented: Documented) -> Documented:
        documented.__doc__ = (documented.__doc__ or "") + "".join(docstr)
        return documented

    return decorated
