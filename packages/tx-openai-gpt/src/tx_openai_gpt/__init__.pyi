# Written by tools/exports.
from collections.abc import Mapping

from .config import OpenAIGPTConfig as OpenAIGPTConfig
from .model_tf import TFOpenAIGPTDoubleHeadsModel as TFOpenAIGPTDoubleHeadsModel
from .model_tf import TFOpenAIGPTLMHeadModel as TFOpenAIGPTLMHeadModel
from .model_tf import TFOpenAIGPTMainLayer as TFOpenAIGPTMainLayer
from .model_tf import TFOpenAIGPTModel as TFOpenAIGPTModel
from .model_tf import TFOpenAIGPTPreTrainedModel as TFOpenAIGPTPreTrainedModel
from .model_torch import OpenAIGPTDoubleHeadsModel as OpenAIGPTDoubleHeadsModel
from .model_torch import OpenAIGPTLMHeadModel as OpenAIGPTLMHeadModel
from .model_torch import OpenAIGPTModel as OpenAIGPTModel
from .model_torch import OpenAIGPTPreTrainedModel as OpenAIGPTPreTrainedModel
from .model_torch import load_tf_weights_in_openai_gpt as load_tf_weights_in_openai_gpt
from .tokenizer import OpenAIGPTTokenizer as OpenAIGPTTokenizer

OPENAI_GPT_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_OPENAI_GPT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
