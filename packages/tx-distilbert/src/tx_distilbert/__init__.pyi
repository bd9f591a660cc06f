# Written by tools/exports.
from collections.abc import Mapping

from .config import DistilBertConfig as DistilBertConfig
from .model_tf import TFDistilBertMainLayer as TFDistilBertMainLayer
from .model_tf import TFDistilBertModel as TFDistilBertModel
from .model_tf import TFDistilBertPreTrainedModel as TFDistilBertPreTrainedModel
from .model_torch import DistilBertModel as DistilBertModel
from .model_torch import DistilBertPreTrainedModel as DistilBertPreTrainedModel
from .tokenizer import DistilBertTokenizer as DistilBertTokenizer

DISTILBERT_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
DISTILBERT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_DISTILBERT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
