# Written by tools/exports.
from collections.abc import Mapping

from .config import XLMConfig as XLMConfig
from .model_tf import TFXLMMainLayer as TFXLMMainLayer
from .model_tf import TFXLMModel as TFXLMModel
from .model_tf import TFXLMPreTrainedModel as TFXLMPreTrainedModel
from .model_torch import XLMModel as XLMModel
from .model_torch import XLMPreTrainedModel as XLMPreTrainedModel
from .tokenizer import XLMTokenizer as XLMTokenizer

TF_XLM_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
XLM_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
XLM_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
