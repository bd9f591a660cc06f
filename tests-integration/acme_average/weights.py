"""The names of the parameters."""

from tx_core.weights import WeightTable, embedding, linear

WEIGHTS = WeightTable(
    prefix="average",
    rows=(embedding("average.words"), *linear("classifier")),
)
