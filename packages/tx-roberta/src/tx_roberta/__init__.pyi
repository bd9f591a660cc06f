# Written by tools/exports.
from collections.abc import Mapping

from .config import RobertaConfig as RobertaConfig
from .model_tf import TFRobertaForMaskedLM as TFRobertaForMaskedLM
from .model_tf import TFRobertaForMultipleChoice as TFRobertaForMultipleChoice
from .model_tf import TFRobertaForQuestionAnswering as TFRobertaForQuestionAnswering
from .model_tf import TFRobertaForSequenceClassification as TFRobertaForSequenceClassification
from .model_tf import TFRobertaForTokenClassification as TFRobertaForTokenClassification
from .model_tf import TFRobertaMainLayer as TFRobertaMainLayer
from .model_tf import TFRobertaModel as TFRobertaModel
from .model_tf import TFRobertaPreTrainedModel as TFRobertaPreTrainedModel
from .model_torch import RobertaForMaskedLM as RobertaForMaskedLM
from .model_torch import RobertaForMultipleChoice as RobertaForMultipleChoice
from .model_torch import RobertaForQuestionAnswering as RobertaForQuestionAnswering
from .model_torch import RobertaForSequenceClassification as RobertaForSequenceClassification
from .model_torch import RobertaForTokenClassification as RobertaForTokenClassification
from .model_torch import RobertaModel as RobertaModel
from .model_torch import RobertaPreTrainedModel as RobertaPreTrainedModel
from .tokenizer import RobertaTokenizer as RobertaTokenizer

ROBERTA_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
ROBERTA_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_ROBERTA_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
