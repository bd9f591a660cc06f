"""What this package offers, for the Auto classes, ``import tx_distilbert`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_distilbert",
    model_type="distilbert",
    name="DistilBert",
    prefix="distilbert",
    tasks={Task.BASE: "Model"},
)
