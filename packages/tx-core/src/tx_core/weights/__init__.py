"""Weight names as data, and loading that is strict and explained. NumPy only."""

from .layouts import Array as Array
from .matching import compare as compare
from .reading import Weights as Weights
from .report import LoadReport as LoadReport
from .report import WeightsError as WeightsError
from .rows import Row as Row
from .rows import Tied as Tied
from .rows import conv1d as conv1d
from .rows import embedding as embedding
from .rows import linear as linear
from .rows import norm as norm
from .table import OPTIMIZER_SLOTS as OPTIMIZER_SLOTS
from .table import TF1 as TF1
from .table import Place as Place
from .table import WeightTable as WeightTable
from .writing import keras_layers as keras_layers
from .writing import originals as originals
