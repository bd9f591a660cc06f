"""What this package offers, for the Auto classes, ``import tx_gpt2`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_gpt2",
    model_type="gpt2",
    name="GPT2",
    prefix="transformer",
    tasks={Task.BASE: "Model", Task.CAUSAL_LM: "LMHeadModel", Task.DOUBLE_HEADS: "DoubleHeadsModel"},
    published={name: name for name in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl", "distilgpt2")},
    also={"model_torch": ("Conv1D", "load_tf_weights_in_gpt2")},
)
