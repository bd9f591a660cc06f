"""Runs the reference implementation (``transformers``) in a process of its own and brings its arrays back."""

from __future__ import annotations

import os

import pytest

SKIP_REASON = "TX_REFERENCE_PYTHON: no reference implementation (set it to a Python that has transformers 4.57.6)"


def reference_python() -> str:
    """The interpreter that has the reference implementation; skips the test when TX_REFERENCE_PYTHON is not set."""
    python = os.environ.get("TX_REFERENCE_PYTHON")
    if not python:
        pytest.skip(SKIP_REASON, allow_module_level=True)
    return python
