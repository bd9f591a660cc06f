"""BERT in PyTorch and TensorFlow (Devlin et al. 2018, https://arxiv.org/abs/1810.04805).

Importing this package imports no framework; names are loaded when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

EXPORTS: dict[str, tuple[str, ...]] = {
    "config": ("BERT_PRETRAINED_CONFIG_ARCHIVE_MAP", "BertConfig"),
    "tokenizer": ("BasicTokenizer", "BertTokenizer", "WordpieceTokenizer"),
    "model_torch": (
        "BERT_PRETRAINED_MODEL_ARCHIVE_MAP",
        "BertForMaskedLM",
        "BertForMultipleChoice",
        "BertForNextSentencePrediction",
        "BertForPreTraining",
        "BertForQuestionAnswering",
        "BertForSequenceClassification",
        "BertForTokenClassification",
        "BertModel",
        "BertPreTrainedModel",
        "load_tf_weights_in_bert",
    ),
    "model_tf": (
        "TFBertEmbeddings",
        "TFBertForMaskedLM",
        "TFBertForMultipleChoice",
        "TFBertForNextSentencePrediction",
        "TFBertForPreTraining",
        "TFBertForQuestionAnswering",
        "TFBertForSequenceClassification",
        "TFBertForTokenClassification",
        "TFBertMainLayer",
        "TFBertModel",
        "TFBertPreTrainedModel",
        "TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP",
    ),
}

if TYPE_CHECKING:
    from .config import BERT_PRETRAINED_CONFIG_ARCHIVE_MAP as BERT_PRETRAINED_CONFIG_ARCHIVE_MAP
    from .config import BertConfig as BertConfig
    from .model_tf import TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP as TF_BERT_PRETRAINED_MODEL_ARCHIVE_MAP
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
    from .model_torch import BERT_PRETRAINED_MODEL_ARCHIVE_MAP as BERT_PRETRAINED_MODEL_ARCHIVE_MAP
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

    __version__: str
else:
    from tx_core.lazy import attach

    __getattr__, __dir__ = attach(__name__, EXPORTS)
