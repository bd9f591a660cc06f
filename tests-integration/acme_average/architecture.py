"""What the package offers."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="acme_average",
    model_type="average",
    name="Average",
    prefix="average",
    tasks={Task.BASE: "Model", Task.SEQUENCE_CLASSIFICATION: "ForSequenceClassification"},
    published={"mean-english": "acme/mean-english"},
)
