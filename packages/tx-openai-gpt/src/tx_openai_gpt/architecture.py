"""What this package offers, for the Auto classes, ``import tx_openai_gpt`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_openai_gpt",
    model_type="openai-gpt",
    name="OpenAIGPT",
    prefix="transformer",
    tasks={Task.BASE: "Model", Task.CAUSAL_LM: "LMHeadModel", Task.DOUBLE_HEADS: "DoubleHeadsModel"},
    published={"openai-gpt": "openai-gpt"},
    also={"model_torch": ("load_tf_weights_in_openai_gpt",)},
)
