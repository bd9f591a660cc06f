# Written by tools/exports.
from collections.abc import Mapping

from .config import CTRLConfig as CTRLConfig
from .model_tf import TFCTRLLMHeadModel as TFCTRLLMHeadModel
from .model_tf import TFCTRLMainLayer as TFCTRLMainLayer
from .model_tf import TFCTRLModel as TFCTRLModel
from .model_tf import TFCTRLPreTrainedModel as TFCTRLPreTrainedModel
from .model_torch import CTRLLMHeadModel as CTRLLMHeadModel
from .model_torch import CTRLModel as CTRLModel
from .model_torch import CTRLPreTrainedModel as CTRLPreTrainedModel
from .tokenizer import CONTROL_CODES as CONTROL_CODES
from .tokenizer import CTRLTokenizer as CTRLTokenizer

CTRL_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
CTRL_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_CTRL_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
