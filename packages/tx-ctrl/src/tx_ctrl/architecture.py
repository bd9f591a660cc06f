"""What this package offers, for the Auto classes, ``import tx_ctrl`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_ctrl",
    model_type="ctrl",
    name="CTRL",
    prefix="transformer",
    tasks={Task.BASE: "Model", Task.CAUSAL_LM: "LMHeadModel"},
    published={"ctrl": "Salesforce/ctrl"},
    also={"tokenizer": ("CONTROL_CODES",)},
)
