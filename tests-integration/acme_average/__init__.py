"""A package that is none of tx's: the smallest architecture that the Auto classes find, for tests."""

from tx_core.lazy import attach

from .architecture import ARCHITECTURE

__getattr__, __dir__ = attach(__name__, ARCHITECTURE.exports(), ARCHITECTURE.archive_maps())
