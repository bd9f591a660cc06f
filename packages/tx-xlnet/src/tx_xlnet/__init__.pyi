# Written by tools/exports.
from collections.abc import Mapping

from .config import XLNetConfig as XLNetConfig
from .model_tf import TFXLNetForMultipleChoice as TFXLNetForMultipleChoice
from .model_tf import TFXLNetForQuestionAnswering as TFXLNetForQuestionAnswering
from .model_tf import TFXLNetForQuestionAnsweringSimple as TFXLNetForQuestionAnsweringSimple
from .model_tf import TFXLNetForSequenceClassification as TFXLNetForSequenceClassification
from .model_tf import TFXLNetForTokenClassification as TFXLNetForTokenClassification
from .model_tf import TFXLNetLMHeadModel as TFXLNetLMHeadModel
from .model_tf import TFXLNetMainLayer as TFXLNetMainLayer
from .model_tf import TFXLNetModel as TFXLNetModel
from .model_tf import TFXLNetPreTrainedModel as TFXLNetPreTrainedModel
from .model_torch import XLNetForMultipleChoice as XLNetForMultipleChoice
from .model_torch import XLNetForQuestionAnswering as XLNetForQuestionAnswering
from .model_torch import XLNetForQuestionAnsweringSimple as XLNetForQuestionAnsweringSimple
from .model_torch import XLNetForSequenceClassification as XLNetForSequenceClassification
from .model_torch import XLNetForTokenClassification as XLNetForTokenClassification
from .model_torch import XLNetLMHeadModel as XLNetLMHeadModel
from .model_torch import XLNetModel as XLNetModel
from .model_torch import XLNetPreTrainedModel as XLNetPreTrainedModel
from .model_torch import load_tf_weights_in_xlnet as load_tf_weights_in_xlnet
from .tokenizer import SPIECE_UNDERLINE as SPIECE_UNDERLINE
from .tokenizer import XLNetTokenizer as XLNetTokenizer

TF_XLNET_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
XLNET_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
XLNET_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
