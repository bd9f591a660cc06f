# Written by tools/exports.
from collections.abc import Mapping

from .config import XLMConfig as XLMConfig
from .model_tf import TFXLMForMultipleChoice as TFXLMForMultipleChoice
from .model_tf import TFXLMForQuestionAnswering as TFXLMForQuestionAnswering
from .model_tf import TFXLMForQuestionAnsweringSimple as TFXLMForQuestionAnsweringSimple
from .model_tf import TFXLMForSequenceClassification as TFXLMForSequenceClassification
from .model_tf import TFXLMForTokenClassification as TFXLMForTokenClassification
from .model_tf import TFXLMMainLayer as TFXLMMainLayer
from .model_tf import TFXLMModel as TFXLMModel
from .model_tf import TFXLMPreTrainedModel as TFXLMPreTrainedModel
from .model_tf import TFXLMWithLMHeadModel as TFXLMWithLMHeadModel
from .model_torch import XLMForMultipleChoice as XLMForMultipleChoice
from .model_torch import XLMForQuestionAnswering as XLMForQuestionAnswering
from .model_torch import XLMForQuestionAnsweringSimple as XLMForQuestionAnsweringSimple
from .model_torch import XLMForSequenceClassification as XLMForSequenceClassification
from .model_torch import XLMForTokenClassification as XLMForTokenClassification
from .model_torch import XLMModel as XLMModel
from .model_torch import XLMPreTrainedModel as XLMPreTrainedModel
from .model_torch import XLMWithLMHeadModel as XLMWithLMHeadModel
from .tokenizer import XLMTokenizer as XLMTokenizer

TF_XLM_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
XLM_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
XLM_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
