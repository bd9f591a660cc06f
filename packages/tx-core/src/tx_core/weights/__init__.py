"""Weight names as data, and loading that is strict and explained. NumPy only."""

from .table import Array as Array
from .table import LoadReport as LoadReport
from .table import Row as Row
from .table import Tied as Tied
from .table import Weights as Weights
from .table import WeightsError as WeightsError
from .table import WeightTable as WeightTable
from .table import compare as compare
from .table import keras_layers as keras_layers
from .table import originals as originals
