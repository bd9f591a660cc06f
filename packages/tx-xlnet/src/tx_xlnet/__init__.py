"""XLNet in PyTorch and TensorFlow.

Importing this package imports no framework; names are loaded when they are first used.
"""

from tx_core.lazy import attach

from .architecture import ARCHITECTURE

__getattr__, __dir__ = attach(__name__, ARCHITECTURE.exports(), ARCHITECTURE.archive_maps())
