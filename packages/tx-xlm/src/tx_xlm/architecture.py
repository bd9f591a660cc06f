"""What this package offers, for the Auto classes, ``import tx_xlm`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_xlm",
    model_type="xlm",
    name="XLM",
    prefix="transformer",
    tasks={Task.BASE: "Model"},
)
