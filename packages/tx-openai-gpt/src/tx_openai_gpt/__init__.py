"""OpenAI GPT in PyTorch and TensorFlow (Radford et al. 2018, "Improving Language Understanding").

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("OPENAI_GPT_PRETRAINED_CONFIG_ARCHIVE_MAP", "OpenAIGPTConfig"),
    "tokenizer": ("OpenAIGPTTokenizer",),
    "model_torch": (
        "OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP",
        "OpenAIGPTDoubleHeadsModel",
        "OpenAIGPTLMHeadModel",
        "OpenAIGPTModel",
        "OpenAIGPTPreTrainedModel",
        "load_tf_weights_in_openai_gpt",
    ),
    "model_tf": (
        "TFOpenAIGPTDoubleHeadsModel",
        "TFOpenAIGPTLMHeadModel",
        "TFOpenAIGPTMainLayer",
        "TFOpenAIGPTModel",
        "TFOpenAIGPTPreTrainedModel",
        "TF_OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
}

if TYPE_CHECKING:
    from .config import OPENAI_GPT_PRETRAINED_CONFIG_ARCHIVE_MAP as OPENAI_GPT_PRETRAINED_CONFIG_ARCHIVE_MAP
    from .config import OpenAIGPTConfig as OpenAIGPTConfig
    from .model_tf import TF_OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP as TF_OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_tf import TFOpenAIGPTDoubleHeadsModel as TFOpenAIGPTDoubleHeadsModel
    from .model_tf import TFOpenAIGPTLMHeadModel as TFOpenAIGPTLMHeadModel
    from .model_tf import TFOpenAIGPTMainLayer as TFOpenAIGPTMainLayer
    from .model_tf import TFOpenAIGPTModel as TFOpenAIGPTModel
    from .model_tf import TFOpenAIGPTPreTrainedModel as TFOpenAIGPTPreTrainedModel
    from .model_torch import OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP as OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP
    from .model_torch import OpenAIGPTDoubleHeadsModel as OpenAIGPTDoubleHeadsModel
    from .model_torch import OpenAIGPTLMHeadModel as OpenAIGPTLMHeadModel
    from .model_torch import OpenAIGPTModel as OpenAIGPTModel
    from .model_torch import OpenAIGPTPreTrainedModel as OpenAIGPTPreTrainedModel
    from .model_torch import load_tf_weights_in_openai_gpt as load_tf_weights_in_openai_gpt
    from .tokenizer import OpenAIGPTTokenizer as OpenAIGPTTokenizer

    __version__: str
else:
    from tx_core.lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
