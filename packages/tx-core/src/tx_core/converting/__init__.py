"""Checkpoints from one format to another, NumPy only: no framework computes anything with them."""

from .convert import FORMATS as FORMATS
from .convert import convert as convert
from .report import ConversionReport as ConversionReport
