"""Checkpoints from one format to another, NumPy only: no framework computes anything with them."""

from .conversion import FORMATS as FORMATS
from .conversion import convert as convert
from .report import ConversionReport as ConversionReport
