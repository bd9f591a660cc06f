# Written by tools/exports.
from collections.abc import Mapping

from .config import BertConfig as BertConfig
from .model_tf import TFBertEmbeddings as TFBertEmbeddings
from .model_tf import TFBertForMaskedLM as TFBertForMaskedLM
from .model_tf import TFBertForMultipleChoice as TFBertForMultipleChoice
from .model_tf import TFBertForNextSentencePrediction as TFBertForNextSentencePrediction
from .model_tf import TFBertForPreTraining as TFBertForPreTraining
from .model_tf import TFBertForQuestionAnswering as TFBertForQuestionAnswering
from .model_tf import TFBertForSequenceClassification as TFBertForSequenceClassification
from .model_tf import TFBertForTokenClassification as TFBertForTokenClassification
from .model_tf import TFBertMainLayer as TFBertMainLayer
from .model_tf import TFBertModel as TFBertModel
from .model_tf import TFBertPreTrainedModel as TFBertPreTrainedModel
from .model_torch import BertForMaskedLM as BertForMaskedLM
from .model_torch import BertForMultipleChoice as BertForMultipleChoice
from .model_torch import BertForNextSentencePrediction as BertForNextSentencePrediction
from .model_torch import BertForPreTraining as BertForPreTraining
from .model_torch import BertForQuestionAnswering as BertForQuestionAnswering
from .model_torch import BertForSequenceClassification as BertForSequenceClassification
from .model_torch import BertForTokenClassification as BertForTokenClassification
from .model_torch import BertModel as BertModel
from .model_torch import BertPreTrainedModel as BertPreTrainedModel
from .model_torch import load_tf_weights_in_bert as load_tf_weights_in_bert
from .tokenizer import BasicTokenizer as BasicTokenizer
from .tokenizer import BertTokenizer as BertTokenizer
from .tokenizer import WordpieceTokenizer as WordpieceTokenizer

BERT_PRETRAINED_CONFIG_ARCHIVE_MAP: Mapping[str, str]
BERT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP: Mapping[str, str]
__version__: str
