"""RoBERTa in PyTorch and TensorFlow (Liu et al. 2019, https://arxiv.org/abs/1907.11692).

Importing this package imports no framework; names are loaded when they are first used.
"""

from tx_core.lazy import attach

from .architecture import ARCHITECTURE

__getattr__, __dir__ = attach(__name__, ARCHITECTURE.exports(), ARCHITECTURE.archive_maps())
