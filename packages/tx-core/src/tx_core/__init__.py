"""What the tx packages share: configurations, files, checkpoints, strict weight loading, attention, outputs.

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("PretrainedConfig",),
    "files": ("CONFIG_NAME", "TF2_WEIGHTS_NAME", "TF_WEIGHTS_NAME", "WEIGHTS_NAME", "cached_path"),
    "lazy": ("is_tf_available", "is_torch_available"),
    "weights": ("LoadReport",),
    "auto": (
        "AutoConfig",
        "AutoModel",
        "AutoModelForPreTraining",
        "AutoModelForQuestionAnswering",
        "AutoModelForSequenceClassification",
        "AutoModelForTokenClassification",
        "AutoModelWithLMHead",
        "AutoTokenizer",
        "TFAutoModel",
        "TFAutoModelForPreTraining",
        "TFAutoModelForQuestionAnswering",
        "TFAutoModelForSequenceClassification",
        "TFAutoModelForTokenClassification",
        "TFAutoModelWithLMHead",
    ),
    "pretrained_torch": ("PreTrainedModel", "prune_layer"),
    "pretrained_tf": ("TFPreTrainedModel",),
}

if TYPE_CHECKING:
    from .auto import (
        AutoConfig as AutoConfig,
        AutoModel as AutoModel,
        AutoModelForPreTraining as AutoModelForPreTraining,
        AutoModelForQuestionAnswering as AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification as AutoModelForSequenceClassification,
        AutoModelForTokenClassification as AutoModelForTokenClassification,
        AutoModelWithLMHead as AutoModelWithLMHead,
        AutoTokenizer as AutoTokenizer,
        TFAutoModel as TFAutoModel,
        TFAutoModelForPreTraining as TFAutoModelForPreTraining,
        TFAutoModelForQuestionAnswering as TFAutoModelForQuestionAnswering,
        TFAutoModelForSequenceClassification as TFAutoModelForSequenceClassification,
        TFAutoModelForTokenClassification as TFAutoModelForTokenClassification,
        TFAutoModelWithLMHead as TFAutoModelWithLMHead,
    )
    from .config import PretrainedConfig as PretrainedConfig
    from .files import (
        CONFIG_NAME as CONFIG_NAME,
        TF2_WEIGHTS_NAME as TF2_WEIGHTS_NAME,
        TF_WEIGHTS_NAME as TF_WEIGHTS_NAME,
        WEIGHTS_NAME as WEIGHTS_NAME,
        cached_path as cached_path,
    )
    from .lazy import is_tf_available as is_tf_available, is_torch_available as is_torch_available
    from .pretrained_tf import TFPreTrainedModel as TFPreTrainedModel
    from .pretrained_torch import PreTrainedModel as PreTrainedModel, prune_layer as prune_layer
    from .weights import LoadReport as LoadReport

    __version__: str
else:
    from .lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
