"""What this package offers, for the Auto classes, ``import tx_roberta`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_roberta",
    model_type="roberta",
    name="Roberta",
    prefix="roberta",
    tasks={Task.BASE: "Model"},
)
