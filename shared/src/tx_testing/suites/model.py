"""All standard tests of models that are the same in both frameworks."""

from __future__ import annotations

from .model_calls import CallSuite
from .model_core import CoreSuite
from .model_files import FileSuite
from .model_ids import IdSuite


class ModelSuite(FileSuite, IdSuite, CallSuite, CoreSuite):
    """The core, calls, ids and files."""
