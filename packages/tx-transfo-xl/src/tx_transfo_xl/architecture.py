"""What this package offers, for the Auto classes, ``import tx_transfo_xl`` and the classes themselves."""

from tx_core.architecture import Architecture, Task

ARCHITECTURE = Architecture(
    package="tx_transfo_xl",
    model_type="transfo-xl",
    name="TransfoXL",
    prefix="transformer",
    tasks={Task.BASE: "Model", Task.CAUSAL_LM: "LMHeadModel"},
    published={"transfo-xl-wt103": "transfo-xl/transfo-xl-wt103"},
    also={
        "corpus": ("TransfoXLCorpus",),
        "model_torch": ("AdaptiveEmbedding", "ProjectedAdaptiveLogSoftmax", "load_tf_weights_in_transfo_xl"),
        "model_tf": ("TFAdaptiveEmbedding", "TFProjectedAdaptiveLogSoftmax"),
    },
)
