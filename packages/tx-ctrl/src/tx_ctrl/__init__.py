"""CTRL in PyTorch and TensorFlow (Keskar et al. 2019, https://arxiv.org/abs/1909.05858).

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("CTRLConfig", "CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP"),
    "tokenizer": ("CONTROL_CODES", "CTRLTokenizer"),
    "model_torch": (
        "CTRLLMHeadModel",
        "CTRLModel",
        "CTRLPreTrainedModel",
        "CTRL_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
    "model_tf": (
        "TFCTRLLMHeadModel",
        "TFCTRLMainLayer",
        "TFCTRLModel",
        "TFCTRLPreTrainedModel",
        "TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
}

if TYPE_CHECKING:
    from .config import CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP as CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP
    from .config import CTRLConfig as CTRLConfig
    from .model_tf import TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP as TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_tf import TFCTRLLMHeadModel as TFCTRLLMHeadModel
    from .model_tf import TFCTRLMainLayer as TFCTRLMainLayer
    from .model_tf import TFCTRLModel as TFCTRLModel
    from .model_tf import TFCTRLPreTrainedModel as TFCTRLPreTrainedModel
    from .model_torch import CTRL_PRETRAINED_MODEL_ARCHIVE_MAP as CTRL_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_torch import CTRLLMHeadModel as CTRLLMHeadModel
    from .model_torch import CTRLModel as CTRLModel
    from .model_torch import CTRLPreTrainedModel as CTRLPreTrainedModel
    from .tokenizer import CONTROL_CODES as CONTROL_CODES
    from .tokenizer import CTRLTokenizer as CTRLTokenizer

    __version__: str
else:
    from tx_core.lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
